import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

// runc in the host of the test: the real one, but killed once where /run/strike says so. `create-begin`: the next `create` dies
// before it does anything; `create-middle`: as soon as the container of the id behind it has a folder of state; `create-end`:
// when all of it is done, but nobody was told.
const RUNC = `#!/bin/sh
strike= word=
[ -r /run/strike ] && read -r word strike </run/strike
for argument; do case $argument in create|start|delete|kill) command=$argument; break ;; esac; done
case $word in
  $command-begin) rm /run/strike; kill -9 $$ ;;
  $command-middle)
    rm /run/strike
    REAL "$@" & real=$!
    while [ -d /proc/$real ] && ! [ -d "/run/containerd/runc/fairway/$strike" ]; do :; done
    kill -9 $real; wait $real; kill -9 $$ ;;
  $command-end) rm /run/strike; REAL "$@"; kill -9 $$ ;;
esac
exec REAL "$@"
`;

let engine: Engine;
let clean: Snapshot;

const words = (line: string): string[] => line.split(' ');
const docker = (line: string): Promise<string> => engine.docker(...words(line));

before(async () => {
  engine = await startEngine({
    prepare: async (host) => {
      const program = (await host.ok(['sh', '-c', 'command -v runc'])).trim();
      const real = join(host.directory, 'runc-real');
      const wrapper = join(host.directory, 'runc');
      await host.ok(['cp', program, real]);
      writeFileSync(wrapper, RUNC.replaceAll('REAL', real), { mode: 0o755 });
      await host.ok(['mount', '--bind', wrapper, program]);
    },
  });
  clean = await snapshot(engine.host);
  await docker('network create net');
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const strike = (what: string): void => writeFileSync(join(engine.host.directory, 'run/strike'), `${what}\n`);

async function end(containers: string): Promise<void> {
  await docker(`rm -f ${containers}`);
  await docker('network rm net');
  await assertUnchanged(engine.host, clean);
  await docker('network create net');
}

async function reached(): Promise<void> {
  const { host, lan } = engine;
  await eventually(async () => {
    const { stdout } = await lan.run(words(`busybox timeout 5 busybox wget -qO- http://${host.address}:8080/group`));
    assert.match(stdout, /root/);
  });
}

/** The shim above a container's first process. */
async function shimOf(name: string): Promise<number> {
  const pid = await docker(`inspect -f {{.State.Pid}} ${name}`);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const shim = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
  assert.match(readFileSync(`/proc/${shim}/cmdline`, 'utf8'), /containerd-shim/);
  return shim;
}

describe('a shim that is killed', { timeout: 120_000 }, () => {
  test('takes its container along, which is said, and leaves nothing', async () => {
    const { docker: client, host, daemon } = engine;
    await docker('run -d --name box --network net -p 8080:80 busybox httpd -f -h /etc');
    await reached();
    const since = Math.floor(Date.now() / 1000) - 1;
    const pid = await docker('inspect -f {{.State.Pid}} box');
    const waiting = docker('wait box');
    process.kill(await shimOf('box'), 'SIGKILL');
    assert.match(await waiting, /^(137|255)$/);
    assert.match(await docker('inspect -f {{.State.Status}}_{{.State.Running}} box'), /^exited_false$/);
    await eventually(() => assert.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' }));
    const events = await client(
      ...words(`events --since ${since} --until ${Math.floor(Date.now() / 1000) + 1} --filter container=box`),
      '--format',
      '{{.Action}}',
    );
    assert.deepEqual(events.split('\n').filter((action) => action === 'die').length, 1, events);
    // It can be started again, with its network.
    await docker('start box');
    await reached();
    assert.ok(daemon.pid > 0 && host.address !== '');
    await end('box');
  });

  test('brings a container back whose restart policy says so, in its network and with its port', async () => {
    await docker('run -d --name box --restart always --network net -p 8080:80 busybox httpd -f -h /etc');
    const first = await docker('inspect -f {{.State.Pid}} box');
    process.kill(await shimOf('box'), 'SIGKILL');
    await eventually(async () => {
      const now = await docker('inspect -f {{.State.Running}}_{{.State.Pid}} box');
      assert.match(now, /^true_/);
      assert.notEqual(now, `true_${first}`);
    });
    await reached();
    await end('box');
  });

  test('while no daemon lives is found out by the next', async () => {
    const { daemon } = engine;
    await docker('run -d --name box --network net -p 8080:80 busybox httpd -f -h /etc');
    const shim = await shimOf('box');
    await daemon.killHard();
    process.kill(shim, 'SIGKILL');
    await daemon.start();
    await eventually(async () => assert.equal(await docker('inspect -f {{.State.Status}} box'), 'exited'));
    await docker('start box');
    await reached();
    await end('box');
  });
});

describe('runc that is killed', { timeout: 240_000 }, () => {
  for (const [what, moment] of [
    ['before it makes a container', 'create-begin'],
    ['while it makes a container', 'create-middle'],
    ['after it has made a container, before anybody knows', 'create-end'],
    ['before it starts a process', 'start-begin'],
    ['after it has started a process, before anybody knows', 'start-end'],
  ] as const) {
    test(`${what} makes the start fail in clear words, or not at all, and leaves nothing`, async (t) => {
      await docker('create --name box --network net -p 8080:80 busybox httpd -f -h /etc');
      const id = await docker('inspect -f {{.Id}} box');
      const before = await snapshot(engine.host);
      strike(`${moment} ${id}`);
      const started = await engine.docker.run(words('start box'));
      t.diagnostic(`exit ${started.code}: ${started.stderr.trim().slice(0, 200)}`);
      await assert.rejects(engine.host.ok(words('test -e /run/strike')), 'it was not struck');
      if (started.code === 0) {
        assert.equal(await docker('inspect -f {{.State.Running}} box'), 'true');
      } else {
        assert.match(started.stderr, /failed to create task for container|failed to start/);
        assert.match(await docker('inspect -f {{.State.Status}} box'), /^(created|exited)$/);
        await assertUnchanged(engine.host, before);
        await docker('start box');
      }
      await reached();
      await end('box');
    });
  }

  test('while it ends a container does not keep it', async () => {
    for (const moment of ['kill-begin', 'kill-end', 'delete-begin', 'delete-end']) {
      await docker('run -d --name box --network net -p 8080:80 busybox httpd -f -h /etc');
      strike(`${moment} `);
      // What it says of it is no matter, as long as it can be said again.
      await engine.docker.run(words('rm -f box'));
      await engine.docker.run(words('rm -f box'));
      assert.equal(await docker('ps -aq'), '', moment);
      await engine.host.ok(words('rm -f /run/strike'));
    }
    await docker('network rm net');
    await assertUnchanged(engine.host, clean);
  });
});
