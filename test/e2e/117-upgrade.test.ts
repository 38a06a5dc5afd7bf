import assert from 'node:assert/strict';
import { copyFileSync, cpSync, linkSync, mkdirSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  assertUnchanged,
  type Engine,
  eventually,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** A second installation, Node's binary included, and what starts its daemon. */
function install(folder: string): string {
  for (const name of ['bin', 'src', 'package.json']) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  const modules = join(ROOT, 'node_modules');
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  for (const name of readdirSync(modules)) {
    if (!name.startsWith('.')) symlinkSync(join(modules, name), join(folder, 'node_modules', name));
  }
  const node = realpathSync(join(modules, '.bin/node'));
  const own = join(folder, 'node_modules/.bin/node');
  try {
    linkSync(node, own);
  } catch {
    // On another file system.
    copyFileSync(node, own);
  }
  return join(folder, 'bin/fairwayd');
}

/** Runs until there is a file of that name in the container. */
const until = (name: string): string => `while [ ! -e /tmp/${name} ]; do sleep 0.1; done`;

/** Prints numbered lines without a pause, and says in a file how many. */
const WRITER = `n=0; x=$(head -c 990 /dev/zero | tr "\\0" x); while [ ! -e /tmp/end ]; do i=0; while [ $i -lt 100 ]; do n=$((n+1)); i=$((i+1)); echo $n $x; done; echo $n >/tmp/count; sleep 0.05; done`;

async function startExec(api: RawApi, container: string, script: string): Promise<string> {
  const body = { Cmd: ['sh', '-c', script], AttachStdout: true };
  const { Id } = (await api.call('POST', `/containers/${container}/exec`, body)).body as { Id: string };
  assert.equal((await api.call('POST', `/exec/${Id}/start`, { Detach: true })).status, 200);
  return Id;
}

describe('an upgrade to an installation elsewhere', () => {
  const cases = [
    { how: 'a stop', removed: 'afterwards' },
    { how: 'a stop', removed: 'meanwhile' },
    { how: 'kill -9', removed: 'before' },
  ] as const;
  for (const [number, { how, removed }] of cases.entries()) {
    test(`with ${how}, the old files removed ${removed}, goes unnoticed`, async () => {
      const { docker, daemon, host, lan } = engine;
      const [older, newer] = [join(host.directory, `older-${number}`), join(host.directory, `newer-${number}`)];
      const ours = daemon.program;
      await daemon.stop();
      daemon.program = install(older);
      await daemon.start();
      let api = new RawApi(daemon.socket);

      await docker('network', 'create', 'my-net');
      const web = ['-p', '8080:80', 'busybox', 'httpd', '-f', '-h', '/etc'];
      await docker('run', '-d', '--name', 'web', '--network', 'my-net', ...web);
      await docker('run', '-d', '--name', 'writer', '--network', 'my-net', 'busybox', 'sh', '-c', WRITER);
      await docker(
        'run',
        '-d',
        '--name',
        'kept',
        '--restart',
        'always',
        'busybox',
        'sh',
        '-c',
        `${until('go')}; exit 3`,
      );
      await docker('run', '-d', '--name', 'brief', 'busybox', 'sh', '-c', `${until('go')}; echo bye; exit 4`);
      const pids = async (): Promise<string> =>
        docker('inspect', '-f', '{{.Name}} {{.State.Pid}}', 'web', 'writer', 'kept');
      const root = async (name: string): Promise<string> =>
        `/proc/${await docker('inspect', '-f', '{{.State.Pid}}', name)}/root`;
      const [before, writer, brief] = [await pids(), await root('writer'), await root('brief')];
      const exec = await startExec(api, 'web', `${until('go')}; exit 5`);
      const count = async (): Promise<number> => Number(await host.ok(['cat', `${writer}/tmp/count`]));
      await eventually(async () => assert.ok((await count()) > 200));

      // What is deleted may be written to once more by who ends: caches of compiled code.
      const remove = (): void => rmSync(older, { recursive: true, force: true, maxRetries: 5 });
      if (removed === 'before') remove();
      if (how === 'a stop') assert.equal(await daemon.stop(), 0);
      else await daemon.killHard();
      if (removed === 'meanwhile') remove();
      // Nobody runs the engine now.
      const away = await count();
      await host.ok(['touch', `${brief}/tmp/go`]);
      assert.match(await lan.ok(['busybox', 'wget', '-qO-', `http://${host.address}:8080/group`]), /root/);
      // With no files left nobody can read logs; what does not fit into the pipes waits.
      if (removed === 'afterwards') await eventually(async () => assert.ok((await count()) > away + 3000));
      daemon.program = install(newer);
      await daemon.start();
      remove();
      api = new RawApi(daemon.socket);

      assert.equal(await pids(), before);
      assert.match(await lan.ok(['busybox', 'wget', '-qO-', `http://${host.address}:8080/group`]), /root/);
      await docker('exec', 'writer', 'wget', '-qO-', 'http://web/group');
      await docker('run', '--rm', '--network', 'my-net', 'busybox', 'ping', '-c', '1', 'writer');
      assert.match((await docker.run(['run', '--rm', '-p', '8080:80', 'busybox', 'true'])).stderr, /already allocated/);

      const { body } = await api.call('GET', `/exec/${exec}/json`);
      assert.equal((body as { Running: boolean }).Running, true);
      await docker('exec', 'web', 'touch', '/tmp/go');
      await eventually(async () => {
        const ended = (await api.call('GET', `/exec/${exec}/json`)).body as { Running: boolean; ExitCode: number };
        assert.deepEqual([ended.Running, ended.ExitCode], [false, 5]);
      });
      await eventually(async () => {
        const state = await docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'brief');
        assert.deepEqual([state, await docker('logs', 'brief')], ['exited 4', 'bye']);
      });
      await docker('exec', 'kept', 'touch', '/tmp/go');
      await eventually(async () => {
        assert.notEqual(await docker('inspect', '-f', '{{.RestartCount}}', 'kept'), '0');
      });
      await docker('exec', '-d', 'writer', 'touch', '/tmp/end');
      assert.equal(await docker('wait', 'writer'), '0');
      const seen = (await docker('logs', 'writer')).split('\n').map((line) => Number(line.split(' ')[0]));
      assert.ok(seen.length > away);
      assert.deepEqual(
        seen,
        Array.from({ length: seen.length }, (_, index) => index + 1),
      );

      await docker('rm', '-f', 'web', 'writer', 'kept', 'brief');
      await docker('network', 'rm', 'my-net');
      await daemon.stop();
      daemon.program = ours;
      await daemon.start();
      rmSync(newer, { recursive: true, maxRetries: 5 });
      await assertUnchanged(host, clean);
    });
  }
});
