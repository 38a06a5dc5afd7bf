import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { MountPoint } from '../contract.ts';
import { setUp, specOf } from '../testing/index.ts';
import { assertVolumeOptions, parseMountOptions } from './mount-options.ts';
import { planMounts } from './plan.ts';

const NETWORKS = [{ name: 'bridge', request: {} }];

describe('volumes', () => {
  it('are folders with names that lead nowhere else', async () => {
    await using setup = await setUp();
    const { volumes } = setup.parts;
    const made = await volumes.create({ name: 'data', labels: { a: 'b' } });
    assert.equal(made.mountpoint, join(setup.folder, 'data/volumes/data/_data'));
    assert.ok(existsSync(made.mountpoint));
    assert.equal(await volumes.create({ name: 'data' }), made);
    await assert.rejects(volumes.create({ name: 'x' }), { message: /volume name is too short/ });
    for (const name of ['../x', 'a/b', '..', '/abs']) {
      await assert.rejects(volumes.create({ name }), {
        message: /includes invalid characters for a local volume name/,
      });
    }
    await assert.rejects(volumes.inspect('nope'), { message: 'get nope: no such volume' });
    await volumes.remove('nope', { force: true });
    await volumes.remove('data');
    assert.equal(existsSync(join(setup.folder, 'data/volumes/data')), false);
  });

  it('are kept while a container names them; anonymous ones go with it when asked', async () => {
    await using setup = await setUp({ config: { Cmd: ['sh'], Volumes: { '/image': {} } } });
    const { containers, volumes } = setup.parts;
    await volumes.create({ name: 'named' });
    const spec = specOf({
      mounts: {
        mounts: [{ type: 'volume', source: 'named', target: '/named', readOnly: false }],
        anonymous: ['/anon'],
      },
    });
    const { id } = await containers.create({ name: 'user', spec, networks: NETWORKS });
    assert.deepEqual(volumes.usedBy('named'), [id]);
    await assert.rejects(volumes.remove('named'), { message: `remove named: volume is in use - [${id}]` });
    assert.equal((await volumes.list()).length, 3);
    assert.deepEqual((await volumes.prune(() => false)).removed, []);
    await containers.remove('user', { volumes: true });
    assert.deepEqual(
      (await volumes.list()).map(({ name }) => name),
      ['named'],
    );
    assert.deepEqual((await volumes.prune(() => false)).removed, ['named']);
  });

  it('are filled from the image when they are new, and found again by the next daemon', async () => {
    await using setup = await setUp();
    mkdirSync(join(setup.folder, 'tree/srv/deep'), { recursive: true });
    writeFileSync(join(setup.folder, 'tree/srv/deep/file'), 'from the image');
    const spec = specOf({ mounts: { mounts: [{ type: 'volume', source: 'vol', target: '/srv', readOnly: false }] } });
    // Files keep their owner, which takes root unless they are our own; in this tree they are.
    await setup.parts.containers.create({ name: 'filled', spec, networks: NETWORKS });
    const { volumes } = await setup.next();
    assert.equal(await volumes.size('vol'), 'from the image'.length);
  });
});

describe('mounts of a container', () => {
  const none = { imageVolumes: [], mountsOf: () => undefined };

  it('come from options before other containers before the image', () => {
    const other: MountPoint = {
      type: 'volume',
      name: 'v',
      source: '/x',
      destination: '/b',
      mode: '',
      writable: true,
      propagation: '',
    };
    const planned = planMounts(
      specOf({
        mounts: {
          binds: ['/host:/a:ro'],
          mounts: [{ type: 'bind', source: '/host', target: '/a', readOnly: true }],
          volumesFrom: ['other:ro'],
        },
      }),
      { imageVolumes: ['/a', '/b', '/c/../d'], mountsOf: (ref) => (ref === 'other' ? [other] : undefined) },
    );
    assert.deepEqual(
      planned.map(({ type, target, writable, createSource }) => [type, target, writable, createSource]),
      [
        ['bind', '/a', false, true],
        ['volume', '/b', false, false],
        ['volume', '/d', true, false],
      ],
    );
  });

  it('are refused where they make no sense', () => {
    const plan = (target: string): unknown =>
      planMounts(specOf({ mounts: { mounts: [{ type: 'bind', source: '/h', target, readOnly: false }] } }), none);
    assert.throws(() => plan('relative'), { message: "invalid mount path: 'relative' mount path must be absolute" });
    assert.throws(() => plan('/a/..'), { message: "invalid specification: destination can't be '/'" });
    assert.throws(() => planMounts(specOf({ mounts: { volumesFrom: ['gone'] } }), none), {
      message: 'No such container: gone',
    });
    const twice = [1, 2].map(() => ({ type: 'tmpfs' as const, target: '/t', readOnly: false }));
    assert.throws(() => planMounts(specOf({ mounts: { mounts: twice } }), none), {
      message: 'Duplicate mount point: /t',
    });
  });
});

describe('options of the local driver', () => {
  it('are those of mount(8)', () => {
    assert.equal(parseMountOptions({}), undefined);
    assert.deepEqual(parseMountOptions({ type: 'tmpfs', device: 'tmpfs', o: 'ro,size=1m' }), {
      source: 'tmpfs',
      type: 'tmpfs',
      flags: 1,
      data: 'size=1m',
    });
    assert.deepEqual(parseMountOptions({ type: 'none', device: '/d', o: 'rbind,exec' }), {
      source: '/d',
      type: 'none',
      flags: 0x5000,
    });
  });

  it('are judged before a volume is made', () => {
    const cases: readonly [Record<string, string>, string][] = [
      [{ colour: 'red' }, 'invalid option: "colour"'],
      [{ type: 'nfs' }, 'missing required option: "device"'],
      [{ device: '/d' }, 'missing required option: "type"'],
      [{ o: 'bind' }, 'missing required option: "device"'],
      [{ o: 'bind', device: '/d' }, 'missing required option: "type"'],
      [{ size: '1g' }, 'quota size requested but no quota support'],
      [{ size: 'much' }, "invalid size: 'much'"],
      [{ type: 'cifs', device: '//h:445/s' }, "port not allowed in CIFS device URL, include 'port' in 'o='"],
    ];
    for (const [options, message] of cases) assert.throws(() => assertVolumeOptions(options), { message });
    assertVolumeOptions({ size: '0' });
    assertVolumeOptions({ type: 'none', device: '/d', o: 'bind' });
  });
});
