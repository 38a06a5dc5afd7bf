import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;
let api: RawApi;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
  api = new RawApi(engine.daemon.socket);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** What a container of busybox with these members prints until its end. */
async function seen(members: object, hostConfig: object, script: string): Promise<string> {
  const body = { Image: 'busybox', Cmd: ['sh', '-c', script], ...members, HostConfig: hostConfig };
  const created = await api.call('POST', '/containers/create?name=seen', body);
  assert.equal(created.status, 201, created.message);
  await engine.docker('start', 'seen');
  await engine.docker('wait', 'seen');
  const text = await engine.docker('logs', 'seen');
  await engine.docker('rm', 'seen');
  return text.replaceAll('\r', '');
}

describe('what a container is created with', () => {
  test('the size of a terminal is there from the first moment', async () => {
    assert.equal(await seen({ Tty: true }, { ConsoleSize: [33, 77] }, 'stty size'), '33 77');
    assert.equal(await seen({ Tty: false }, { ConsoleSize: [33, 77] }, 'test -t 1 || echo none'), 'none');
    for (const wrong of [['a', 'b'], 7]) {
      const body = { Image: 'busybox', HostConfig: { ConsoleSize: wrong } };
      assert.equal((await api.call('POST', '/containers/create', body)).status, 400, JSON.stringify(wrong));
    }
    await assertUnchanged(engine.host, clean);
  });

  test('without IPC there is no shared memory, and a namespace of its own', async () => {
    for (const client of commandLines(engine)) {
      const shown = await client(
        ...['run', '--rm', '--ipc', 'none', 'busybox', 'sh', '-c'],
        'grep -c " /dev/shm " /proc/mounts; readlink /proc/self/ns/ipc',
      ).catch((error: unknown) => String(error));
      const [mounts, namespace] = shown.split('\n');
      assert.equal(mounts, '0', client.name);
      assert.notEqual(namespace, await engine.host.ok(['readlink', '/proc/self/ns/ipc']));
      // There is nothing to lend.
      const lender = await client('run', '-d', '--ipc', 'none', 'busybox', 'sleep', '600');
      const borrowed = await client.run(['run', '--rm', '--ipc', `container:${lender}`, 'busybox', 'true']);
      assert.match(borrowed.stderr, /non-shareable IPC/, client.name);
      await client('rm', '-f', lender);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('control groups can be written to where that was asked for', async () => {
    const show = 'grep -w cgroup2 /proc/mounts || grep " /sys/fs/cgroup/pids " /proc/mounts';
    const options = async (...flags: string[]): Promise<string> =>
      (await engine.docker('run', '--rm', ...flags, 'busybox', 'sh', '-c', show)).split(' ')[3] ?? '';
    assert.match(await options(), /^ro,/);
    assert.match(await options('--security-opt', 'writable-cgroups=false'), /^ro,/);
    assert.match(await options('--security-opt', 'writable-cgroups=true'), /^rw,/);
    await assertUnchanged(engine.host, clean);
  });

  test('annotations reach the runtime, and inspect shows them', async () => {
    const { docker, docker20, fairway, host } = engine;
    for (const client of [docker, fairway]) {
      const id = await client('run', '-d', '--annotation', 'org.example.who=me', 'busybox', 'sleep', '600');
      const found = await host.ok(['find', '/run', '-name', 'config.json', '-path', `*/${id}/*`]);
      const bundle = join(host.directory, found.split('\n')[0] ?? '');
      const { annotations } = JSON.parse(readFileSync(bundle, 'utf8')) as { annotations: Record<string, string> };
      assert.equal(annotations['org.example.who'], 'me', client.name);
      assert.equal(await docker20('inspect', '-f', '{{.Name}}', id), await docker('inspect', '-f', '{{.Name}}', id));
      const shown = (await api.call('GET', `/containers/${id}/json`)).body as { HostConfig: { Annotations: object } };
      assert.deepEqual(shown.HostConfig.Annotations, { 'org.example.who': 'me' }, client.name);
      await client('rm', '-f', id);
    }
    const empty = await api.call('POST', '/containers/create', {
      Image: 'busybox',
      HostConfig: { Annotations: { '': 'x' } },
    });
    assert.deepEqual(
      [empty.status, empty.message],
      [400, 'invalid Annotations: the empty string is not permitted as an annotation key'],
    );
    await assertUnchanged(host, clean);
  });

  test('a runtime that nobody knows is refused by name', async () => {
    for (const client of commandLines(engine)) {
      const refused = await client.run(['create', '--runtime', 'kata', 'busybox']);
      assert.equal(refused.code, 1, client.name);
      assert.match(refused.stderr, /unknown or invalid runtime name: kata/, client.name);
      for (const known of ['runc', 'io.containerd.runc.v2']) {
        assert.equal(await client('run', '--rm', '--runtime', known, 'busybox', 'echo', 'well'), 'well', client.name);
      }
    }
    assert.equal(await engine.docker('ps', '-aq'), '');
    await assertUnchanged(engine.host, clean);
  });

  test('what only other systems do is dropped with a warning, or refused', async () => {
    const create = (hostConfig: object) =>
      api.call('POST', '/containers/create', { Image: 'busybox', HostConfig: hostConfig });
    for (const [hostConfig, warning] of [
      [{ CpuPercent: 50 }, /^linux does not support CPU percent\. Percent discarded\.$/],
      [{ KernelMemory: 50 << 20 }, /^Specifying a kernel memory limit is deprecated/],
      [{ CpuCount: 2 }, undefined],
    ] as const) {
      const { status, body } = await create(hostConfig);
      const { Id, Warnings } = body as { Id: string; Warnings: string[] };
      assert.equal(status, 201);
      assert.equal(Warnings.length, warning ? 1 : 0, JSON.stringify(Warnings));
      if (warning) assert.match(Warnings[0] ?? '', warning);
      await engine.docker('start', '-a', Id);
      await engine.docker('rm', Id);
    }
    for (const [hostConfig, message] of [
      [{ IOMaximumBandwidth: 1 }, 'invalid option: QoS maximum bandwidth configuration is not supported on linux'],
      [{ IOMaximumIOps: 1 }, 'invalid option: QoS maximum IOPs configuration is not supported on linux'],
      [
        { StorageOpt: { size: '1g' } },
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
      ],
    ] as const) {
      const refused = await create(hostConfig);
      assert.deepEqual([refused.status, refused.message], [400, message]);
    }
    assert.equal(await engine.docker('ps', '-aq'), '');
    await assertUnchanged(engine.host, clean);
  });

  test('a volume made by a mount has the labels and options that were given', async () => {
    const { docker } = engine;
    const mount =
      'type=volume,src=made,dst=/v,volume-label=tier=web,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m';
    for (const client of commandLines(engine)) {
      const size = await client('run', '--rm', '--mount', mount, 'busybox', 'sh', '-c', 'df -k /v | tail -1');
      assert.match(size, /^tmpfs +1024 /, client.name);
      const shown = JSON.parse(await docker('volume', 'inspect', 'made')) as { Labels: object; Options: object }[];
      assert.deepEqual(shown[0]?.Labels, { tier: 'web' }, client.name);
      assert.deepEqual(shown[0]?.Options, { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' }, client.name);
      await client('volume', 'rm', 'made');
    }
    await assertUnchanged(engine.host, clean);
  });

  test('a /dev of the host’s is taken as it is', async () => {
    const shown = await engine.docker(
      'run',
      '--rm',
      '-v',
      '/dev:/dev',
      'busybox',
      'sh',
      '-c',
      'ls -d /dev/null; echo x >/dev/null; echo $?',
    );
    assert.equal(shown, '/dev/null\n0');
    await assertUnchanged(engine.host, clean);
  });
});
