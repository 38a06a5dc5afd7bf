import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  eventually,
  ok,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** A folder in the test host's own directory, which is the same path for the daemon. */
function folder(name: string): string {
  const path = join(engine.host.directory, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** What a container prints, whatever its status. */
async function seen(...args: string[]): Promise<string> {
  const result = await engine.docker.run(['run', '--rm', ...args]);
  return `${result.stdout}${result.stderr}`.trim();
}

describe('mounts', () => {
  test('of type tmpfs have the size, mode and access that were asked for', async () => {
    for (const client of commandLines(engine)) {
      const shown = await client(
        ...['run', '--rm', '--mount', 'type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1750', '--tmpfs', '/x:exec,size=2m'],
        ...['busybox', 'sh', '-c', 'stat -c %a /t; grep -E " /(t|x) " /proc/mounts'],
      );
      assert.match(shown, /^1750\n/, client.name);
      assert.match(shown, / \/t tmpfs rw,nosuid,nodev,noexec,.*size=1024k,mode=1750/, client.name);
      assert.match(shown, / \/x tmpfs rw,nosuid,nodev,relatime,.*size=2048k/, client.name);
    }
    assert.match(
      await seen('--mount', 'type=tmpfs,dst=/t,readonly', 'busybox', 'touch', '/t/a'),
      /Read-only file system/,
    );
    assert.match(await seen('--tmpfs', '/t:colour=red', 'busybox', 'true'), /invalid tmpfs option \["colour" "red"\]/);
    await assertUnchanged(engine.host, clean);
  });

  test('of type bind take what is mounted below along, or not; read-only goes as deep', async () => {
    const { host, docker } = engine;
    const outer = folder('outer');
    folder('outer/inner');
    await host.ok(['mount', '-t', 'tmpfs', 'tmpfs', join(outer, 'inner')]);
    await host.ok(['touch', join(outer, 'inner/mark')]);
    const bind = `type=bind,src=${outer},dst=/b`;
    const list = ['busybox', 'ls', '/b/inner'];
    const write = ['busybox', 'touch', '/b/inner/x'];
    assert.equal(await seen('--mount', bind, ...list), 'mark');
    assert.equal(await seen('--mount', `${bind},bind-recursive=disabled`, ...list), '');
    assert.match(await seen('--mount', `${bind},readonly`, ...write), /Read-only file system/);
    assert.match(await seen('-v', `${outer}:/b:ro`, ...write), /Read-only file system/);
    assert.equal(await seen('--mount', `${bind},readonly,bind-recursive=writable`, ...write), '');
    const forced = `${bind},readonly,bind-recursive=readonly,bind-propagation=rprivate`;
    assert.match(await seen('--mount', forced, ...write), /Read-only file system/);
    assert.equal(
      await docker('run', '--rm', '-v', `${join(host.directory, 'made/here')}:/m`, 'busybox', 'touch', '/m/x'),
      '',
    );
    assert.ok(existsSync(join(host.directory, 'made/here/x')));
    assert.match(
      await seen('--mount', `type=bind,src=${outer}/absent,dst=/b`, 'busybox', 'true'),
      /invalid mount config for type "bind": bind source path does not exist: .*\/absent/,
    );
    await host.ok(['umount', join(outer, 'inner')]);
    await assertUnchanged(host, clean);
  });

  test('pass on what is mounted below them only where the source does', async () => {
    const { host, docker } = engine;
    const shared = folder('shared');
    folder('shared/late');
    for (const kind of ['rshared', 'rslave']) {
      const refused = await docker.run(['run', '--rm', '-v', `${shared}:/s:${kind}`, 'busybox', 'true']);
      assert.equal(refused.code, 125);
      assert.match(
        refused.stderr,
        new RegExp(
          `path ${shared} is mounted on .* but it is not a shared ${kind === 'rslave' ? 'or slave ' : ''}mount`,
        ),
      );
    }
    await host.ok(['mount', '--bind', shared, shared]);
    await host.ok(['mount', '--make-shared', shared]);
    for (const kind of ['rslave', 'rshared', 'rprivate']) {
      await docker('run', '-d', '--name', kind, '-v', `${shared}:/s:${kind}`, 'busybox', 'sleep', '600');
      assert.equal(await docker('inspect', '-f', '{{(index .Mounts 0).Propagation}}', kind), kind);
    }
    await host.ok(['mount', '-t', 'tmpfs', 'tmpfs', join(shared, 'late')]);
    await host.ok(['touch', join(shared, 'late/mark')]);
    assert.equal(await docker('exec', 'rslave', 'ls', '/s/late'), 'mark');
    assert.equal(await docker('exec', 'rshared', 'ls', '/s/late'), 'mark');
    assert.equal(await docker('exec', 'rprivate', 'ls', '/s/late'), '');
    await docker('rm', '-f', 'rslave', 'rshared', 'rprivate');
    await host.ok(['umount', join(shared, 'late')]);
    await host.ok(['umount', shared]);
    await assertUnchanged(host, clean);
  });

  test('of a folder of a volume stay inside it, whatever links it holds', async () => {
    const { host, docker } = engine;
    await docker('volume', 'create', 'whole');
    const data = join(host.directory, 'lib/fairway/volumes/whole/_data');
    mkdirSync(join(data, 'a/b'), { recursive: true });
    writeFileSync(join(data, 'a/b/mark'), '');
    writeFileSync(join(data, 'file'), 'one file\n');
    symlinkSync('/a', join(data, 'inside'));
    symlinkSync('../../../../../../../etc', join(data, 'outside'));
    const mount = (path: string): string => `type=volume,src=whole,dst=/v,volume-subpath=${path}`;
    assert.equal(await seen('--mount', mount('a/b'), 'busybox', 'ls', '/v'), 'mark');
    assert.equal(await seen('--mount', mount('inside/b'), 'busybox', 'ls', '/v'), 'mark');
    assert.equal(await seen('--mount', mount('file'), 'busybox', 'cat', '/v'), 'one file');
    for (const path of ['absent', 'outside']) {
      const refused = await docker.run(['run', '--name', 'never', '--mount', mount(path), 'busybox', 'true']);
      assert.match(refused.stderr, new RegExp(`cannot access path .*/${path}: no such file or directory`));
      await docker('rm', 'never');
    }
    assert.match(await seen('--mount', mount('../x'), 'busybox'), /subpath must be a relative path within the volume/);
    await docker('run', '-d', '--name', 'box', '--mount', mount('a/b'), 'busybox', 'sleep', '600');
    await docker('exec', 'box', 'touch', '/v/new');
    await docker('restart', '-t', '0', 'box');
    assert.equal(await docker('exec', 'box', 'ls', '/v'), 'mark\nnew');
    await docker('rm', '-f', 'box');
    assert.ok(existsSync(join(data, 'a/b/new')));
    await docker('volume', 'rm', 'whole');
    await assertUnchanged(host, clean);
  });

  test('of another container are borrowed as they are, or read-only', async () => {
    const { docker } = engine;
    const given = folder('given');
    for (const client of commandLines(engine)) {
      await client('create', '--name', 'lender', '-v', 'lent:/v', '-v', `${given}:/b:ro`, 'busybox');
      assert.equal(
        await client('run', '--rm', '--volumes-from', 'lender', 'busybox', 'touch', '/v/x'),
        '',
        client.name,
      );
      const script = 'touch /v/y 2>&1; touch /b/y 2>&1; ls /v';
      const borrowed = await client('run', '--rm', '--volumes-from', 'lender:ro', 'busybox', 'sh', '-c', script);
      assert.match(borrowed, /^touch: \/v\/y: Read-only file system\ntouch: \/b\/y: Read-only file system\nx$/);
      await client('rm', 'lender');
      await client('volume', 'rm', 'lent');
    }
    assert.equal(await docker('volume', 'ls', '-q'), '');
    // A command line takes this code for a missing image and pulls; what the daemon says is what counts.
    await assert.rejects(
      engine.dockerode.createContainer({ Image: 'busybox', HostConfig: { VolumesFrom: ['nobody'] } }),
      { statusCode: 404, json: { message: 'No such container: nobody' } },
    );
    await assertUnchanged(engine.host, clean);
  });
});

describe('volumes', () => {
  test('without a name go with --rm and rm -v, and stay with rm; named ones always stay', async () => {
    for (const client of commandLines(engine)) {
      await client('run', '--rm', '-v', '/anonymous', '-v', 'named:/named', 'busybox', 'true');
      assert.equal(await client('volume', 'ls', '-q'), 'named', client.name);
      await client('create', '--name', 'one', '-v', '/anonymous', '-v', 'named:/named', 'busybox');
      assert.equal((await client('volume', 'ls', '-q')).split('\n').length, 2, client.name);
      const refused = await client.run(['volume', 'rm', 'named']);
      assert.match(refused.stderr, /remove named: volume is in use - \[[0-9a-f]{64}\]/, client.name);
      await client('rm', '-v', 'one');
      assert.equal(await client('volume', 'ls', '-q'), 'named', client.name);
      await client('create', '--name', 'two', '-v', '/anonymous', 'busybox');
      await client('rm', 'two');
      assert.equal((await client('volume', 'ls', '-q')).split('\n').length, 2, client.name);
      // Older versions of the API prune those with names too.
      await client('volume', 'rm', 'named');
      assert.match(await client('volume', 'prune', '-f'), /Deleted Volumes:\n[0-9a-f]{64}\n/, client.name);
      const gone = await client.run(['volume', 'rm', 'named']);
      assert.match(gone.stderr, /no such volume/i, client.name);
      await client('volume', 'rm', '-f', 'named');
    }
    await assertUnchanged(engine.host, clean);
  });

  test('are listed and pruned by name, label, driver and use', async () => {
    const { docker, docker20, fairway } = engine;
    await docker('volume', 'create', '--label', 'tier=web', 'web');
    await docker('volume', 'create', '--label', 'tier=db', 'database');
    await docker('create', '--name', 'user', '-v', 'web:/w', 'busybox');
    for (const client of commandLines(engine)) {
      const list = (...filters: string[]): Promise<string> =>
        client('volume', 'ls', '-q', ...filters.flatMap((one) => ['--filter', one]));
      assert.equal(await list('name=data'), 'database', client.name);
      assert.equal(await list('label=tier'), 'database\nweb', client.name);
      assert.equal(await list('label=tier=web'), 'web', client.name);
      assert.equal(await list('dangling=true'), 'database', client.name);
      assert.equal(await list('dangling=false'), 'web', client.name);
      assert.equal(await list('driver=local', 'name=web'), 'web', client.name);
      assert.equal(await list('driver=other'), '', client.name);
      assert.match((await client.run(['volume', 'ls', '--filter', 'colour=red'])).stderr, /invalid filter 'colour'/);
      assert.match(
        await client('volume', 'inspect', '-f', '{{.Driver}} {{.Scope}} {{.Mountpoint}}', 'web'),
        /^local local \//,
      );
    }
    for (const client of [docker, fairway]) {
      await client('volume', 'prune', '-f');
      assert.equal(await client('volume', 'ls', '-q'), 'database\nweb', client.name);
      await client('volume', 'prune', '-af', '--filter', 'label!=tier=db');
      assert.equal(await client('volume', 'ls', '-q'), 'database\nweb', client.name);
    }
    await docker20('volume', 'prune', '-f', '--filter', 'label=tier=db');
    assert.equal(await docker('volume', 'ls', '-q'), 'web');
    await docker('rm', 'user');
    await docker('volume', 'prune', '-af');
    assert.equal(await docker('volume', 'ls', '-q'), '');
    await assertUnchanged(engine.host, clean);
  });

  test('of the local driver mount what their options say, for as long as they are used', async () => {
    const { docker, host } = engine;
    const source = folder('device');
    writeFileSync(join(source, 'mark'), '');
    await docker('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,uid=77', 'quick');
    await docker('volume', 'create', '-o', 'type=none', '-o', `device=${source}`, '-o', 'o=bind', 'bound');
    const script = 'stat -c %u /q; df -k /q | tail -1; ls /b; touch /b/written';
    const shown = await docker('run', '--rm', '-v', 'quick:/q', '-v', 'bound:/b', 'busybox', 'sh', '-c', script);
    assert.match(shown, /^77\n.* 1024 .*\nmark$/);
    assert.ok(existsSync(join(source, 'written')));
    await docker('volume', 'rm', 'quick', 'bound');
    // Only the mount went, not what was mounted.
    assert.ok(existsSync(join(source, 'mark')));
    // A server that cannot be had: the kernel's answer, and nothing is left.
    await docker('volume', 'create', '-o', 'type=nfs', '-o', 'device=:/x', '-o', 'o=addr=127.0.0.1,nolock', 'far');
    const failed = await docker.run(['run', '--rm', '--mount', 'src=far,dst=/f,volume-nocopy', 'busybox', 'true']);
    assert.equal(failed.code, 125);
    assert.match(
      failed.stderr,
      /error while mounting volume '.*far\/_data': failed to mount local volume: mount :\/x:/,
    );
    await docker('volume', 'rm', 'far');
    // A name is looked up by the host, and one that nobody knows is named.
    await docker('volume', 'create', '-o', 'type=nfs', '-o', 'device=:/x', '-o', 'o=addr=nobody.invalid', 'lost');
    const lost = await docker.run(['run', '--rm', '--mount', 'src=lost,dst=/f,volume-nocopy', 'busybox', 'true']);
    assert.equal(lost.code, 125);
    assert.match(lost.stderr, /error resolving passed in network volume address: lookup nobody\.invalid: /);
    await docker('volume', 'rm', 'lost');
    rmSync(source, { recursive: true });
    await assertUnchanged(host, clean);
  });

  test('with options that make no sense, or of a driver that is not there, are refused', async () => {
    const cases: readonly [string[], RegExp][] = [
      [['-o', 'colour=red', 'bad'], /invalid option: "colour"/],
      [['-o', 'type=tmpfs', 'bad'], /missing required option: "device"/],
      [['-o', 'size=1g', 'bad'], /quota size requested but no quota support/],
      [['x'], /volume name is too short, names should be at least two alphanumeric characters/],
      [['a/b'], /"a\/b" includes invalid characters for a local volume name/],
      [['-d', 'nowhere', 'bad'], /error looking up volume plugin nowhere: plugin "nowhere" not found/],
    ];
    for (const client of commandLines(engine)) {
      for (const [args, says] of cases) {
        const result = await client.run(['volume', 'create', ...args]);
        assert.equal(result.code, 1, client.name);
        assert.match(result.stderr, says, client.name);
      }
      assert.equal(await client('volume', 'ls', '-q'), '', client.name);
      assert.equal(await client('ps', '-aq'), '', client.name);
    }
    await assert.rejects(
      engine.dockerode.createContainer({
        Image: 'busybox',
        HostConfig: { VolumeDriver: 'nowhere', Binds: ['bad:/x'] },
      }),
      { statusCode: 404, message: /error looking up volume plugin nowhere: plugin "nowhere" not found/ },
    );
    assert.equal(await engine.docker('volume', 'ls', '-q'), '');
    await assertUnchanged(engine.host, clean);
  });

  test('are filled once, with owners and modes, and not at all when told', async () => {
    const { docker, host } = engine;
    assert.match(await docker('run', '--rm', '-v', 'filled:/etc', 'busybox', 'cat', '/etc/passwd'), /root/);
    await docker('run', '--rm', '-v', 'filled:/other', 'busybox', 'rm', '/other/passwd');
    assert.doesNotMatch(await docker('run', '--rm', '-v', 'filled:/etc', 'busybox', 'ls', '/etc'), /^passwd$/m);
    assert.equal(
      await docker('run', '--rm', '-v', 'empty:/etc:nocopy', 'busybox', 'ls', '/etc'),
      'hostname\nhosts\nresolv.conf',
    );
    await docker('volume', 'rm', 'filled', 'empty');
    await assertUnchanged(host, clean);
  });

  test('are filled with everything that can be in a folder, merged over the layers', async () => {
    const { docker, host } = engine;
    const make = `mkdir -p /full/gone && cd /full && echo text >file && chown 33:34 file && chmod 4750 file
      ln file twin; ln -s file link; mkfifo pipe; mknod null c 1 3; touch gone/old; chown 7:8 . && chmod 1711 .`;
    const below = await docker('run', '-d', 'busybox', 'sh', '-c', `${make}; touch /ready; exec sleep 600`);
    await eventually(() => docker('exec', below, 'test', '-e', '/ready'));
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', below);
    const python = (code: string): Promise<string> => ok(['python3', '-c', `import os; ${code}`]);
    const capability = '0100000200040000000000000000000000000000';
    await python(`os.setxattr("/proc/${pid}/root/full/file", "security.capability", bytes.fromhex("${capability}"))`);
    await docker('commit', below, 'below:1');
    // A folder that is made anew hides what the layer below has in it.
    await docker(
      'run',
      '--name',
      'above',
      'below:1',
      'sh',
      '-c',
      'rm -r /full/gone; mkdir /full/gone; touch /full/gone/new',
    );
    await docker('commit', 'above', 'full:1');
    await docker('create', '--name', 'filler', '-v', 'full:/full', 'full:1');
    const look =
      'stat -c "%n %F %a %u:%g %h" . file twin pipe null; readlink link; ls gone; [ file -ef twin ] && echo same';
    assert.equal(
      await docker('run', '--rm', '-v', 'full:/v', '-w', '/v', 'busybox', 'sh', '-c', look),
      [
        '. directory 1711 7:8 3',
        'file regular file 4750 33:34 2',
        'twin regular file 4750 33:34 2',
        'pipe fifo 644 0:0 1',
        'null character special file 644 0:0 1',
        'file',
        'new',
        'same',
      ].join('\n'),
    );
    const kept = join(host.directory, 'lib/fairway/volumes/full/_data/file');
    assert.equal((await python(`print(os.getxattr("${kept}", "security.capability").hex())`)).trim(), capability);
    await docker('rm', '-f', below, 'above', 'filler');
    await docker('volume', 'rm', 'full');
    await docker('rmi', 'full:1', 'below:1');
    await assertUnchanged(host, clean);
  });
});
