import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  eventually,
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

describe('the container engine', () => {
  test('limits memory, processes and CPU, and tells of a container killed for memory', async () => {
    const { docker } = engine;
    await docker(
      'run',
      '-d',
      '--name',
      'limited',
      '--memory',
      '32m',
      '--pids-limit',
      '20',
      '--cpus',
      '0.5',
      'busybox',
      'sleep',
      '600',
    );
    const [view] = JSON.parse(await docker('inspect', 'limited')) as [
      { HostConfig: { Memory: number; PidsLimit: number; NanoCpus: number } },
    ];
    assert.deepEqual(
      [view.HostConfig.Memory, view.HostConfig.PidsLimit, view.HostConfig.NanoCpus],
      [33554432, 20, 500000000],
    );
    assert.match(
      await docker('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}} {{.PIDs}}', 'limited'),
      /^limited .* \/ 32MiB 1$/,
    );
    await docker('update', '--memory', '64m', '--memory-swap', '64m', 'limited');
    assert.match(await docker('stats', '--no-stream', '--format', '{{.MemUsage}}', 'limited'), /\/ 64MiB$/);
    await docker('rm', '-f', 'limited');
    const eater = await docker.run([
      'run',
      '--name',
      'eater',
      '--memory',
      '16m',
      '--memory-swap',
      '16m',
      'busybox',
      'sh',
      '-c',
      'x=x; while true; do x=$x$x; done',
    ]);
    assert.equal(eater.code, 137);
    assert.equal(await docker('inspect', '-f', '{{.State.OOMKilled}}', 'eater'), 'true');
    await docker('rm', 'eater');
    await assertUnchanged(engine.host, clean);
  });

  test('pauses and goes on', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '600');
    await docker('pause', 'box');
    assert.match(await docker('ps', '--format', '{{.Status}}'), /\(Paused\)/);
    await docker('unpause', 'box');
    assert.equal(await docker('exec', 'box', 'echo', 'on'), 'on');
    await docker('rm', '-f', 'box');
    await assertUnchanged(engine.host, clean);
  });

  test('checks health, and says so in ps, inspect and events', async () => {
    const { docker } = engine;
    await docker(
      'run',
      '-d',
      '--name',
      'patient',
      '--health-cmd',
      'test -e /tmp/well',
      '--health-interval',
      '200ms',
      '--health-retries',
      '1',
      '--health-timeout',
      '30s',
      'busybox',
      'sleep',
      '600',
    );
    await eventually(async () =>
      assert.equal(await docker('inspect', '-f', '{{.State.Health.Status}}', 'patient'), 'unhealthy'),
    );
    await docker('exec', 'patient', 'touch', '/tmp/well');
    await eventually(async () => assert.match(await docker('ps', '--format', '{{.Status}}'), /\(healthy\)/));
    await docker('rm', '-f', 'patient');
    await assertUnchanged(engine.host, clean);
  });

  test('restarts what fails, as often as told', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'failing', '--restart', 'on-failure:2', 'busybox', 'sh', '-c', 'exit 3');
    await eventually(async () =>
      assert.equal(
        await docker('inspect', '-f', '{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}', 'failing'),
        'exited 2 3',
      ),
    );
    await docker('rm', 'failing');
    await assertUnchanged(engine.host, clean);
  });

  test('copies files both ways, and no link leads out', async () => {
    const { docker, host } = engine;
    const folder = join(host.directory, 'copied');
    mkdirSync(folder);
    writeFileSync(join(folder, 'in'), 'inward\n');
    await docker('run', '-d', '--name', 'box', 'busybox', 'sh', '-c', 'ln -s /etc /tmp/link; sleep 600');
    for (const client of commandLines(engine)) {
      await client('cp', join(folder, 'in'), 'box:/tmp/in');
      assert.equal(await client('exec', 'box', 'cat', '/tmp/in'), 'inward', client.name);
      await client('cp', 'box:/etc/group', join(folder, 'out'));
      assert.match(readFileSync(join(folder, 'out'), 'utf8'), /nogroup/, client.name);
    }
    await docker('cp', join(folder, 'in'), 'box:/tmp/link/planted');
    assert.equal(await docker('exec', 'box', 'cat', '/etc/planted'), 'inward');
    await docker('rm', '-f', 'box');
    await assertUnchanged(host, clean);
  });

  test('shows what changed in a container and makes an image of it', async () => {
    const { docker } = engine;
    await docker('run', '--name', 'changed', 'busybox', 'sh', '-c', 'echo new >/added; rm /etc/group');
    for (const client of commandLines(engine)) {
      assert.deepEqual(
        (await client('diff', 'changed')).split('\n').sort(),
        ['A /added', 'C /etc', 'D /etc/group'],
        client.name,
      );
      await client('commit', '-c', 'CMD ["cat", "/added"]', 'changed', 'committed:1');
      assert.equal(await client('run', '--rm', 'committed:1'), 'new', client.name);
      await client('rmi', 'committed:1');
    }
    await docker('rm', 'changed');
    await assertUnchanged(engine.host, clean);
  });

  test('keeps capabilities, the root file system and privileges as tight as told', async () => {
    const { docker } = engine;
    const refused = await docker.run(['run', '--rm', '--cap-drop', 'ALL', 'busybox', 'chown', 'nobody', '/etc/group']);
    assert.match(refused.stderr, /Operation not permitted/);
    assert.match(
      (await docker.run(['run', '--rm', '--read-only', 'busybox', 'touch', '/x'])).stderr,
      /Read-only file system/,
    );
    assert.equal(
      await docker(
        'run',
        '--rm',
        '--read-only',
        '--tmpfs',
        '/scratch',
        'busybox',
        'sh',
        '-c',
        'touch /scratch/x && echo ok',
      ),
      'ok',
    );
    assert.match(await docker('run', '--rm', 'busybox', 'grep', 'Seccomp:', '/proc/self/status'), /Seccomp:\s+2/);
    assert.match(
      await docker(
        'run',
        '--rm',
        '--security-opt',
        'seccomp=unconfined',
        'busybox',
        'grep',
        'Seccomp:',
        '/proc/self/status',
      ),
      /Seccomp:\s+0/,
    );
    assert.match(
      await docker(
        'run',
        '--rm',
        '--security-opt',
        'no-new-privileges',
        'busybox',
        'grep',
        'NoNewPrivs',
        '/proc/self/status',
      ),
      /1/,
    );
    assert.equal(
      await docker(
        'run',
        '--rm',
        '--privileged',
        'busybox',
        'sh',
        '-c',
        'mount -t tmpfs none /mnt 2>/dev/null || mkdir /mnt && mount -t tmpfs none /mnt && echo ok',
      ),
      'ok',
    );
    await assertUnchanged(engine.host, clean);
  });

  test('sets sysctls, limits, shared memory and an init process', async () => {
    const { docker } = engine;
    assert.equal(
      await docker(
        'run',
        '--rm',
        '--sysctl',
        'net.ipv4.ip_default_ttl=33',
        'busybox',
        'cat',
        '/proc/sys/net/ipv4/ip_default_ttl',
      ),
      '33',
    );
    assert.equal(
      await docker('run', '--rm', '--ulimit', 'nofile=200:200', 'busybox', 'sh', '-c', 'ulimit -n; ulimit -Hn'),
      '200\n200',
    );
    assert.match(await docker('run', '--rm', '--shm-size', '8m', 'busybox', 'df', '-k', '/dev/shm'), /8192/);
    assert.match(await docker('run', '--rm', '--init', 'busybox', 'ps'), /1 root .*(init|tini)/);
    await assertUnchanged(engine.host, clean);
  });

  test('shares namespaces of processes and of memory between containers', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'first', '--ipc', 'shareable', 'busybox', 'sleep', '600');
    assert.match(await docker('run', '--rm', '--pid', 'container:first', 'busybox', 'ps'), /sleep 600/);
    await docker('exec', 'first', 'touch', '/dev/shm/mark');
    assert.equal(await docker('run', '--rm', '--ipc', 'container:first', 'busybox', 'ls', '/dev/shm'), 'mark');
    await docker('rm', '-f', 'first');
    await assertUnchanged(engine.host, clean);
  });

  test('keeps volumes, fills them from the image, and prunes the nameless', async () => {
    for (const client of commandLines(engine)) {
      await client('volume', 'create', '--label', 'a=b', 'kept');
      assert.match(await client('run', '--rm', '-v', 'kept:/etc', 'busybox', 'ls', '/etc'), /passwd/, client.name);
      assert.match(await client('volume', 'ls', '--filter', 'label=a=b', '-q'), /^kept$/, client.name);
      await client('volume', 'inspect', 'kept');
      await client('volume', 'rm', 'kept');
      await client('run', '--rm', '-v', '/data', 'busybox', 'touch', '/data/x');
      assert.equal(await client('volume', 'ls', '-q'), '', client.name);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('turns logs over and keeps none when told', async () => {
    const { docker } = engine;
    await docker(
      'run',
      '--name',
      'rotated',
      '--log-opt',
      'max-size=10k',
      '--log-opt',
      'max-file=2',
      'busybox',
      'sh',
      '-c',
      'for i in $(seq 2000); do echo line $i; done',
    );
    const lines = (await docker('logs', 'rotated')).split('\n');
    assert.equal(lines.at(-1), 'line 2000');
    assert.ok(lines.length < 2000);
    const none = await docker.run(['run', '--name', 'silent', '--log-driver', 'none', 'busybox', 'echo', 'hi']);
    assert.equal(none.stdout, 'hi\n');
    assert.match((await docker.run(['logs', 'silent'])).stderr, /configured logging driver does not support reading/);
    await docker('rm', 'rotated', 'silent');
    await assertUnchanged(engine.host, clean);
  });

  test('tells processes, sizes and itself', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '600');
    // Started means that runc has let it go; it may be about to become what it is told.
    await eventually(async () => assert.match(await docker('top', 'box'), /PID.*\n.*sleep 600/));
    assert.match(await docker('ps', '-s', '--format', '{{.Size}}'), /B \(virtual /);
    assert.match(await docker('system', 'df'), /Images\s+1\s+1/);
    assert.match(await docker('info'), /Containers: 1\n\s+Running: 1\n/);
    await docker('rm', '-f', 'box');
    await assertUnchanged(engine.host, clean);
  });
});
