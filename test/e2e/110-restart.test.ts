import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

describe('containers go on without the daemon, and a restarted daemon finds everything again', () => {
  for (const how of ['a stop', 'kill -9'] as const) {
    test(`after ${how}`, async () => {
      const { docker, daemon, host, lan } = engine;
      await docker('network', 'create', 'my-net');
      await docker(
        'run',
        '-d',
        '--name',
        'web',
        '--network',
        'my-net',
        '-p',
        '8080:80',
        'busybox',
        'httpd',
        '-f',
        '-h',
        '/etc',
      );
      await docker(
        'run',
        '-d',
        '--name',
        'other',
        '--network',
        'my-net',
        'busybox',
        'sh',
        '-c',
        'while sleep 0.1; do echo tick; done',
      );
      const addressBefore = await docker('inspect', '-f', '{{json .NetworkSettings.Networks}}', 'web');
      const pidBefore = await docker('inspect', '-f', '{{.State.Pid}}', 'web');

      if (how === 'a stop') assert.equal(await daemon.stop(), 0);
      else await daemon.killHard();
      // Nobody runs the engine now, and the published port still answers.
      assert.match(await lan.ok(['busybox', 'wget', '-qO-', `http://${host.address}:8080/group`]), /root/);
      await daemon.start();

      assert.equal(await docker('inspect', '-f', '{{.State.Pid}}', 'web'), pidBefore);
      assert.equal(await docker('inspect', '-f', '{{json .NetworkSettings.Networks}}', 'web'), addressBefore);
      await docker('exec', 'other', 'ping', '-c', '1', 'web');
      assert.match(await lan.ok(['busybox', 'wget', '-qO-', `http://${host.address}:8080/group`]), /root/);
      const lines = (await docker('logs', 'other')).split('\n').length;
      await eventually(async () => assert.ok((await docker('logs', 'other')).split('\n').length > lines));
      const taken = await docker.run(['run', '--rm', '-p', '8080:80', 'busybox', 'true']);
      assert.match(taken.stderr, /port is already allocated/);
      await docker('run', '--rm', '--network', 'my-net', 'busybox', 'wget', '-qO-', 'http://web/group');

      await docker('rm', '-f', 'web', 'other');
      await docker('network', 'rm', 'my-net');
      await assertUnchanged(host, clean);
    });
  }

  test('a container that ended while the daemon was away is reported with its status', async () => {
    const { docker, daemon, host } = engine;
    await docker(
      'run',
      '-d',
      '--name',
      'brief',
      'busybox',
      'sh',
      '-c',
      'while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 7',
    );
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'brief');
    await daemon.killHard();
    await host.ok(['touch', `/proc/${pid}/root/tmp/go`]);
    await eventually(() => assert.ok(!host.processes().some((process) => String(process.pid) === pid)));
    await daemon.start();
    await eventually(async () =>
      assert.equal(await docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'brief'), 'exited 7'),
    );
    await docker('rm', 'brief');
    await assertUnchanged(host, clean);
  });

  for (const how of ['a stop', 'kill -9'] as const) {
    test(`a container that writes all the while is not held up by ${how}, and nothing it wrote meanwhile is lost`, async () => {
      const { docker, daemon, host } = engine;
      // 200 lines of 1000 bytes at a time: far more than a pipe holds while the daemon is away.
      const script =
        'n=0; x=$(head -c 990 /dev/zero | tr "\\0" x); while [ ! -e /tmp/end ]; do i=0; while [ $i -lt 200 ]; do n=$((n+1)); i=$((i+1)); echo $n $x; done; echo $n >/tmp/count; sleep 0.02; done';
      await docker('run', '-d', '--name', 'writer', 'busybox', 'sh', '-c', script);
      const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'writer');
      const count = async (): Promise<number> => Number(await host.ok(['cat', `/proc/${pid}/root/tmp/count`]));
      await eventually(async () => assert.ok((await count()) > 1000));
      if (how === 'a stop') await daemon.stop();
      else await daemon.killHard();
      const away = await count();
      await eventually(async () => assert.ok((await count()) > away + 8000, `${await count()} after ${away}`));
      await daemon.start();
      await docker('exec', '-d', 'writer', 'touch', '/tmp/end');
      assert.equal(await docker('wait', 'writer'), '0');
      const seen = (await docker('logs', 'writer')).split('\n').map((line) => Number(line.split(' ')[0]));
      const total = seen.at(-1) ?? 0;
      assert.ok(total > away + 8000);
      // Every line once and in order, those included that were on their way when the daemon went.
      assert.deepEqual(
        seen,
        Array.from({ length: total }, (_, index) => index + 1),
      );
      await docker('rm', 'writer');
      await assertUnchanged(host, clean);
    });
  }

  for (const how of ['a stop', 'kill -9'] as const) {
    test(`output of a container that ends with the daemon, by ${how}, is in its log`, async () => {
      const { docker, daemon, host } = engine;
      const script = 'printf begun; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo " and ended"; printf last >&2';
      await docker('run', '-d', '--name', 'last', 'busybox', 'sh', '-c', script);
      const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'last');
      // It goes on at the same moment, long before anybody else can read.
      await host.ok(['touch', `/proc/${pid}/root/tmp/go`]);
      if (how === 'a stop') await daemon.stop();
      else await daemon.killHard();
      await eventually(() => assert.ok(!host.processes().some((process) => String(process.pid) === pid)));
      await daemon.start();
      await eventually(async () => {
        const { stdout, stderr } = await docker.run(['logs', 'last']);
        assert.deepEqual([stdout, stderr], ['begun and ended\n', 'last']);
      });
      await docker('rm', 'last');
      await assertUnchanged(host, clean);
    });
  }

  test('restart policies are kept over a restart', async () => {
    const { docker, daemon, host } = engine;
    await docker('run', '-d', '--name', 'kept', '--restart', 'always', 'busybox', 'sleep', '600');
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'kept');
    await daemon.killHard();
    await host.ok(['kill', '-9', pid]);
    await daemon.start();
    await eventually(async () => {
      assert.equal(await docker('inspect', '-f', '{{.State.Running}}', 'kept'), 'true');
      assert.notEqual(await docker('inspect', '-f', '{{.State.Pid}}', 'kept'), pid);
    });
    await docker('rm', '-f', 'kept');
    await assertUnchanged(host, clean);
  });
});
