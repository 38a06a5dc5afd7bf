import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  RawApi,
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

interface ExecAnswer {
  readonly ID: string;
  readonly Running: boolean;
  readonly ExitCode: number | null;
  readonly Pid: number;
  readonly ContainerID: string;
  readonly ProcessConfig: { readonly entrypoint: string; readonly arguments: readonly string[] };
}

/** Starts a shell command that nobody stays attached to, and says its id. */
async function startExec(api: RawApi, script: string): Promise<string> {
  const body = { Cmd: ['sh', '-c', script], AttachStdout: true, AttachStderr: true };
  const { Id } = (await api.call('POST', '/containers/box/exec', body)).body as { Id: string };
  assert.equal((await api.call('POST', `/exec/${Id}/start`, { Detach: true })).status, 200);
  return Id;
}

async function inspectExec(api: RawApi, id: string): Promise<ExecAnswer> {
  const { status, body } = await api.call('GET', `/exec/${id}/json`);
  assert.equal(status, 200, JSON.stringify(body));
  return body as ExecAnswer;
}

/** Runs until there is a file of that name in the container. */
const until = (name: string): string => `while [ ! -e /tmp/${name} ]; do sleep 0.1; done`;

describe('execs outlive the daemon', () => {
  for (const how of ['a stop', 'kill -9'] as const) {
    test(`and the next one sees their ends, after ${how}`, async () => {
      const { docker, daemon, host } = engine;
      let api = new RawApi(daemon.socket);
      await docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '600');
      const root = `/proc/${await docker('inspect', '-f', '{{.State.Pid}}', 'box')}/root`;
      const [during, later, done] = [
        await startExec(api, `${until('during')}; exit 5`),
        await startExec(api, `${until('later')}; exit 6`),
        await startExec(api, 'exit 7'),
      ];
      // Attached, and it writes far more than a pipe holds while nobody looks.
      const talker = docker.run([
        'exec',
        'box',
        'sh',
        '-c',
        `${until('talk')}; yes | head -c 5000000; touch /tmp/said`,
      ]);
      await eventually(async () => assert.equal((await inspectExec(api, done)).ExitCode, 7));
      await eventually(async () => assert.match(await docker('top', 'box'), /yes/));
      const before = await inspectExec(api, later);
      assert.ok(before.Pid > 0);

      if (how === 'a stop') await daemon.stop();
      else await daemon.killHard();
      await talker;
      await host.ok(['touch', `${root}/tmp/during`, `${root}/tmp/talk`]);
      // A writer that nobody reads is not held up.
      await eventually(() => host.ok(['test', '-e', `${root}/tmp/said`]));
      await eventually(async () =>
        assert.doesNotMatch(await host.ok(['sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "']), /tmp\/during/),
      );
      await daemon.start();
      api = new RawApi(daemon.socket);

      await eventually(async () => {
        const ended = await inspectExec(api, during);
        assert.deepEqual([ended.Running, ended.ExitCode, ended.Pid], [false, 5, 0]);
      });
      assert.deepEqual(await inspectExec(api, later), before);
      assert.equal((await inspectExec(api, done)).ExitCode, 7);
      await eventually(async () =>
        assert.deepEqual(JSON.parse(await docker('inspect', '-f', '{{json .ExecIDs}}', 'box')), [later]),
      );
      assert.match(await docker('top', 'box'), /tmp\/later/);

      await docker('exec', 'box', 'touch', '/tmp/later');
      await eventually(async () => {
        const ended = await inspectExec(api, later);
        assert.deepEqual([ended.Running, ended.ExitCode], [false, 6]);
      });
      const said = ['--since', '1h', '--until', '0s', '--filter', 'event=exec_die'];
      const format = ['--format', '{{.Actor.Attributes.execID}} {{.Actor.Attributes.exitCode}}'];
      await eventually(async () => {
        const died = (await docker('events', ...said, ...format)).split('\n');
        assert.ok(died.includes(`${during} 5`) && died.includes(`${later} 6`), died.join());
      });
      await eventually(async () => assert.equal(await docker('inspect', '-f', '{{json .ExecIDs}}', 'box'), 'null'));

      await docker('rm', '-f', 'box');
      for (const id of [during, later, done]) {
        const { status, body } = await api.call('GET', `/exec/${id}/json`);
        assert.deepEqual([status, body], [404, { message: `No such exec instance: ${id}` }]);
      }
      await assertUnchanged(host, clean);
    });
  }

  test('one that ends with its container while nobody looks is over afterwards', async () => {
    const { docker, daemon, host } = engine;
    const api = new RawApi(daemon.socket);
    await docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '600');
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'box');
    const id = await startExec(api, 'sleep 600');
    await daemon.killHard();
    await host.ok(['kill', '-9', pid]);
    await daemon.start();
    await eventually(async () => {
      const { Running, ExitCode, ContainerID } = await inspectExec(new RawApi(daemon.socket), id);
      assert.deepEqual([Running, ExitCode !== null && ExitCode > 0, ContainerID.length], [false, true, 64]);
    });
    await docker('rm', 'box');
    await assertUnchanged(host, clean);
  });
});
