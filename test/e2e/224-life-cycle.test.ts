import assert from 'node:assert/strict';
import { request } from 'node:http';
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

const SLEEP = ['busybox', 'sleep', '600'];

/** Says which signal it got and goes on, but for TERM and QUIT, which end it. */
const LISTENER = `for s in USR1 USR2 HUP WINCH; do trap "echo $s" $s; done
trap "echo TERM; exit 3" TERM; trap "echo QUIT; exit 4" QUIT; echo ready; while true; do sleep 0.05; done`;

async function listen(name: string, ...flags: string[]): Promise<void> {
  await engine.docker('run', '-d', '--name', name, ...flags, 'busybox', 'sh', '-c', LISTENER);
  await eventually(async () => assert.match(await engine.docker('logs', name), /ready/));
}

function state(name: string): Promise<string> {
  return engine.docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name);
}

describe('signals', () => {
  test('are known by name, with and without SIG, and by number', async () => {
    const { docker } = engine;
    await listen('ears');
    const spellings = ['USR1', 'SIGUSR2', 'hup', 'sigwinch', '10'];
    const heard = ['USR1', 'USR2', 'HUP', 'WINCH', 'USR1'];
    for (const client of commandLines(engine)) {
      for (const [index, spelling] of spellings.entries()) {
        const lines = (await docker('logs', 'ears')).split('\n').length;
        await client('kill', '-s', spelling, 'ears');
        await eventually(async () =>
          assert.equal((await docker('logs', 'ears')).split('\n')[lines], heard[index], `${client.name} ${spelling}`),
        );
      }
      for (const wrong of ['NONE', '0', '65', 'RTMIN+99', '-1']) {
        const refused = await client.run(['kill', `--signal=${wrong}`, 'ears']);
        assert.match(refused.stderr, new RegExp(`[Ii]nvalid signal: ${wrong.replace('+', '\\+')}`), client.name);
      }
      assert.equal(await state('ears'), 'running 0');
    }
    // Known, and without effect on a first process that does not listen to it.
    await docker('kill', '-s', 'RTMIN+3', 'ears');
    await docker('kill', 'ears');
    assert.equal(await state('ears'), 'exited 137');
    const ended = await docker.run(['kill', 'ears']);
    assert.match(ended.stderr, /cannot kill container: ears: container .* is not running/);
    await docker('rm', 'ears');
    await assertUnchanged(engine.host, clean);
  });

  test('that stop a container are those of the call, of the container, of the image', async () => {
    const { docker } = engine;
    await docker('create', '--name', 'seed', 'busybox');
    await docker('commit', '-c', 'STOPSIGNAL SIGQUIT', 'seed', 'quits:1');
    await docker('rm', 'seed');
    const run = (name: string, image: string, ...flags: string[]): Promise<string> =>
      docker('run', '-d', '--name', name, ...flags, image, 'sh', '-c', LISTENER);
    await run('by-image', 'quits:1');
    await run('by-container', 'quits:1', '--stop-signal', 'TERM');
    await run('by-call', 'busybox');
    await run('patient', 'busybox', '--stop-timeout', '0', '--stop-signal', 'WINCH');
    for (const name of ['by-image', 'by-container', 'by-call', 'patient']) {
      await eventually(async () => assert.match(await docker('logs', name), /ready/));
    }
    await docker('stop', 'by-image', 'by-container');
    assert.equal(await state('by-image'), 'exited 4');
    assert.equal(await state('by-container'), 'exited 3');
    await docker('stop', '-s', 'QUIT', 'by-call');
    assert.equal(await state('by-call'), 'exited 4');
    // It does not end of that, and is not waited for.
    await docker('stop', 'patient');
    assert.equal(await state('patient'), 'exited 137');
    await docker('start', 'patient');
    await eventually(async () => assert.match(await docker('logs', 'patient'), /ready[\s\S]*ready/));
    // Waits for ever, which ends when somebody else helps.
    const stopping = docker('stop', '-t', '-1', 'patient');
    await eventually(async () => assert.match(await docker('logs', '--tail', '1', 'patient'), /WINCH/));
    await docker('kill', '-s', 'TERM', 'patient');
    await stopping;
    assert.equal(await state('patient'), 'exited 3');
    await docker('rm', 'by-image', 'by-container', 'by-call', 'patient');
    await docker('rmi', 'quits:1');
    await assertUnchanged(engine.host, clean);
  });
});

describe('names', () => {
  test('are changed while a container runs; one that is taken or wrong changes nothing', async () => {
    const { docker } = engine;
    await docker('network', 'create', 'names');
    await docker('run', '-d', '--name', 'one', '--network', 'names', ...SLEEP);
    await docker('run', '-d', '--name', 'two', '--network', 'names', ...SLEEP);
    for (const client of commandLines(engine)) {
      const cases: readonly [string[], RegExp][] = [
        [['one', 'two'], /Conflict\. The container name "\/two" is already in use by container "?[0-9a-f]{64}/],
        [['one', 'one'], /Renaming a container with the same name as its current name/],
        [['one', '../x'], /Invalid container name \(\.\.\/x\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/],
        [['nobody', 'x'], /No such container: nobody/],
      ];
      for (const [args, says] of cases) {
        const refused = await client.run(['rename', ...args]);
        assert.equal(refused.code, 1, client.name);
        assert.match(refused.stderr, says, client.name);
      }
      await client('rename', 'one', 'three');
      await docker('exec', 'two', 'ping', '-c', '1', 'three');
      assert.notEqual((await docker.run(['exec', 'two', 'ping', '-c', '1', 'one'])).code, 0);
      await client('rename', 'three', 'one');
    }
    await docker('rm', '-f', 'one', 'two');
    await docker('network', 'rm', 'names');
    await assertUnchanged(engine.host, clean);
  });
});

describe('waits', () => {
  test('are told at once that they wait, and end with the exit, the next one, or the removal', async () => {
    const { docker, dockerode } = engine;
    await docker('create', '--name', 'awaited', 'busybox', 'sh', '-c', 'exit 7');
    /** Resolves when the head of the answer has come; its body comes later. */
    const wait = (condition: string): Promise<{ readonly body: Promise<string> }> =>
      new Promise((resolve, reject) => {
        const path = `/v1.41/containers/awaited/wait?condition=${condition}`;
        const call = request({ socketPath: engine.daemon.socket, path, method: 'POST' }, (response) => {
          assert.equal(response.statusCode, 200);
          resolve({
            body: response
              .setEncoding('utf8')
              .toArray()
              .then((parts) => parts.join('')),
          });
        });
        call.on('error', reject).end();
      });
    assert.match(await (await wait('not-running')).body, /"StatusCode":0/);
    const [next, removed] = [await wait('next-exit'), await wait('removed')];
    await docker('start', 'awaited');
    assert.match(await next.body, /"StatusCode":7/);
    await docker('rm', 'awaited');
    assert.match(await removed.body, /"StatusCode":7/);
    await assert.rejects(dockerode.getContainer('nobody').wait(), { statusCode: 404 });
    const container = await dockerode.createContainer({ Image: 'busybox' });
    await assert.rejects(container.wait({ condition: 'someday' } as object), {
      statusCode: 400,
      message: /invalid condition: "someday"/,
    });
    await container.remove();
    await assertUnchanged(engine.host, clean);
  });
});

describe('health', () => {
  test('is checked as the container or the image says, or not; every check and every change can be seen', async () => {
    const { docker } = engine;
    const since = String(Math.floor(Date.now() / 1000));
    await docker('create', '--name', 'seed', 'busybox');
    await docker('commit', '-c', 'HEALTHCHECK --interval=100ms CMD echo from the image', 'seed', 'checked:1');
    await docker('rm', 'seed');
    await docker('run', '-d', '--name', 'inherits', 'checked:1', 'sleep', '600');
    await docker('run', '-d', '--name', 'refuses', '--no-healthcheck', 'checked:1', 'sleep', '600');
    const check = 'echo seen; test ! -e /sick || { echo ill >&2; exit 5; }';
    await docker(
      ...['run', '-d', '--name', 'ill', '--health-cmd', check, '--health-interval', '100ms', '--health-retries', '2'],
      ...['busybox', 'sleep', '600'],
    );
    await docker(
      ...['run', '-d', '--name', 'slow', '--health-cmd', 'sleep 600', '--health-timeout', '200ms'],
      ...['--health-interval', '100ms', '--health-retries', '1', 'busybox', 'sleep', '600'],
    );
    const status = (name: string): Promise<string> => docker('inspect', '-f', '{{.State.Health.Status}}', name);
    const becomes = (name: string, what: string): Promise<void> =>
      eventually(async () => assert.equal(await status(name), what));
    await becomes('inherits', 'healthy');
    await becomes('ill', 'healthy');
    await docker('exec', 'ill', 'touch', '/sick');
    await becomes('ill', 'unhealthy');
    await becomes('slow', 'unhealthy');
    assert.equal(await docker('inspect', '-f', '{{json .State.Health}}', 'refuses'), 'null');
    await eventually(async () => {
      const health = JSON.parse(await docker('inspect', '-f', '{{json .State.Health}}', 'ill')) as {
        readonly FailingStreak: number;
        readonly Log: readonly { readonly ExitCode: number; readonly Output: string; readonly Start: string }[];
      };
      assert.equal(health.Log.length, 5);
      assert.ok(health.FailingStreak >= 5);
      assert.deepEqual([...new Set(health.Log.map(({ ExitCode }) => ExitCode))], [5]);
      assert.match(health.Log.at(-1)?.Output ?? '', /seen\n?[\s\S]*ill/);
    });
    assert.match(
      await docker(
        'inspect',
        '-f',
        '{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}',
        'slow',
      ),
      /^-1 Health check exceeded timeout \(200ms\)/,
    );
    assert.match(
      await docker('ps', '--filter', 'health=unhealthy', '--format', '{{.Names}} {{.Status}}'),
      /ill .*\(unhealthy\)/,
    );
    await docker('exec', 'ill', 'rm', '/sick');
    await becomes('ill', 'healthy');
    await docker('stop', '-t', '0', 'ill');
    // Nobody looks after it any more.
    assert.equal(await status('ill'), 'unhealthy');
    const until = String(Math.floor(Date.now() / 1000) + 1);
    for (const client of commandLines(engine)) {
      const format = ['--format', '{{.Action}}', '--filter', 'container=ill', '--filter', 'event=health_status'];
      const told = await client('events', '--since', since, '--until', until, ...format);
      assert.deepEqual(
        told.split('\n'),
        ['healthy', 'unhealthy', 'healthy'].map((word) => `health_status: ${word}`),
        client.name,
      );
    }
    await docker('rm', '-f', 'inherits', 'refuses', 'ill', 'slow');
    await docker('rmi', 'checked:1');
    await assertUnchanged(engine.host, clean);
  });

  test('is not checked by plans that make no sense', async () => {
    const cases: readonly [object, string | RegExp][] = [
      [{ Interval: 5 }, 'Interval in Healthcheck cannot be less than 1ms'],
      [{ Timeout: 5 }, 'Timeout in Healthcheck cannot be less than 1ms'],
      [{ StartPeriod: 5 }, 'StartPeriod in Healthcheck cannot be less than 1ms'],
      [{ StartInterval: 5 }, 'StartInterval in Healthcheck cannot be less than 1ms'],
      [{ Retries: -1 }, 'Retries in Healthcheck cannot be negative'],
    ];
    for (const [part, message] of cases) {
      await assert.rejects(
        engine.dockerode.createContainer({ Image: 'busybox', Healthcheck: { Test: ['CMD', 'true'], ...part } }),
        { statusCode: 400, json: { message } },
      );
    }
  });
});

describe('prune', () => {
  test('takes what has ended, by label and age, and nothing that runs', async () => {
    const { docker } = engine;
    for (const client of commandLines(engine)) {
      await docker('run', '-d', '--name', 'runs', ...SLEEP);
      await docker('create', '--name', 'kept', '-l', 'keep=yes', 'busybox');
      await docker('run', '--name', 'ended', 'busybox', 'true');
      await client('container', 'prune', '-f', '--filter', 'until=1h');
      await client('container', 'prune', '-f', '--filter', 'label=none');
      assert.equal((await docker('ps', '-aq')).split('\n').length, 3, client.name);
      assert.match(
        await client('container', 'prune', '-f', '--filter', 'label!=keep'),
        /Deleted Containers:\n[0-9a-f]{64}\n/,
      );
      assert.equal(await docker('ps', '-a', '--format', '{{.Names}}'), 'kept\nruns', client.name);
      assert.match(
        (await client.run(['container', 'prune', '-f', '--filter', 'colour=red'])).stderr,
        /invalid filter 'colour'/,
      );
      await docker('network', 'create', 'unused');
      await docker('volume', 'create', '--label', 'com.docker.volume.anonymous=', 'nameless');
      assert.match(await client('system', 'prune', '-f', '--volumes'), /Total reclaimed space/, client.name);
      assert.equal(await docker('ps', '-a', '--format', '{{.Names}}'), 'runs', client.name);
      assert.equal(await docker('network', 'ls', '--filter', 'name=unused', '-q'), '', client.name);
      assert.equal(await docker('volume', 'ls', '-q'), '', client.name);
      await docker('rm', '-f', 'runs');
    }
    await assertUnchanged(engine.host, clean);
  });
});

describe('restart policies', () => {
  test('hold over a restart of the machine, and what does not come back says how it ended', async () => {
    const { docker, daemon, host } = engine;
    const run = (name: string, ...flags: string[]): Promise<string> =>
      docker('run', '-d', '--name', name, ...flags, ...SLEEP);
    await run('always', '--restart', 'always', '-v', 'kept:/v');
    await run('always-stopped', '--restart', 'always');
    await run('unless', '--restart', 'unless-stopped');
    await run('unless-stopped', '--restart', 'unless-stopped');
    await run('failing', '--restart', 'on-failure:3');
    await run('never');
    await docker.run(['run', '--name', 'done', 'busybox', 'sh', '-c', 'exit 9']);
    await run('brief', '--rm', '-v', '/anonymous');
    await run('frozen', '--restart', 'always');
    await run('frozen-once');
    await docker('pause', 'frozen', 'frozen-once');
    await docker('stop', '-t', '0', 'always-stopped', 'unless-stopped');
    await daemon.killHard();
    await host.loseAllButDisk();
    await daemon.start();
    const expected: Readonly<Record<string, string>> = {
      always: 'running 0',
      // As with Docker: a stop holds until the daemon comes up again.
      'always-stopped': 'running 0',
      unless: 'running 0',
      'unless-stopped': 'exited 137',
      failing: 'running 0',
      never: 'exited 255',
      // Nothing is frozen any more.
      frozen: 'running 0',
      'frozen-once': 'exited 255',
      done: 'exited 9',
    };
    for (const [name, what] of Object.entries(expected)) {
      await eventually(async () => assert.equal(await state(name), what, name));
    }
    await eventually(async () => assert.equal((await docker.run(['inspect', 'brief'])).code, 1));
    assert.equal(await docker('volume', 'ls', '-q'), 'kept');
    assert.equal(await docker('exec', 'always', 'echo', 'well'), 'well');
    await docker('start', 'never');
    await docker('rm', '-f', ...Object.keys(expected));
    await docker('volume', 'rm', 'kept');
    await assertUnchanged(host, clean);
  });
});
