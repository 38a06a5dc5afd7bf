import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  eventually,
  run,
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

/** A command under a pseudo-terminal, with what it printed. */
function onTerminal(command: string, keys: string): Promise<string> {
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...process.env, DOCKER_HOST: `unix://${engine.daemon.socket}`, TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let seen = '';
  let typed = false;
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
    // Typed only when the shell's prompt is there: what is typed before goes to whoever reads first.
    if (typed || !seen.includes('# ')) return;
    typed = true;
    child.stdin.write(keys);
  });
  return once(child, 'close').then(() => seen);
}

describe('streams', () => {
  test('stdout and stderr stay apart, and the exit status is the container’s', async () => {
    for (const client of commandLines(engine)) {
      const result = await client.run(['run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2; exit 42']);
      assert.deepEqual([result.code, result.stdout, result.stderr], [42, 'out\n', 'err\n'], client.name);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('stdin reaches the container and its end does too', async () => {
    const input = 'x'.repeat(300_000);
    for (const client of commandLines(engine)) {
      const counted = await client.run(['run', '--rm', '-i', 'busybox', 'wc', '-c'], { input });
      assert.deepEqual([counted.code, counted.stdout.trim()], [0, '300000'], client.name);
      const echoed = await client.run(['run', '--rm', '-i', 'busybox', 'cat'], { input });
      assert.equal(echoed.stdout.length, input.length, client.name);
    }
  });

  test('exec carries input, output, status, user, directory and environment', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'box', '-e', 'A=1', 'busybox', 'sleep', '600');
    for (const client of commandLines(engine)) {
      const result = await client.run(
        [
          'exec',
          '-i',
          '-e',
          'B=2',
          '-w',
          '/tmp',
          '-u',
          'nobody',
          'box',
          'sh',
          '-c',
          'cat; echo $A $B $(pwd) $(id -un); exit 3',
        ],
        {
          input: 'hello\n',
        },
      );
      assert.deepEqual([result.code, result.stdout], [3, 'hello\n1 2 /tmp nobody\n'], client.name + result.stderr);
      const missing = await client.run(['exec', 'box', 'no-such-program']);
      assert.equal(missing.code, 127, client.name);
      assert.match(missing.stderr + missing.stdout, /executable file not found in \$PATH/, client.name);
    }
    await docker('exec', '-d', 'box', 'touch', '/tmp/detached');
    await eventually(() => docker('exec', 'box', 'test', '-e', '/tmp/detached'));
    await docker('rm', '-f', 'box');
    await assertUnchanged(engine.host, clean);
  });

  test('a terminal has a size, echoes, and leaves by its detach keys', async () => {
    const seen = await onTerminal("sh -c 'stty rows 33 cols 77; docker run --rm -it busybox sh'", 'stty size\rexit\r');
    assert.match(seen, /33 77/);
    const fairway = await onTerminal(
      `sh -c 'stty rows 33 cols 77; ${process.cwd()}/bin/fairway run --rm -it busybox sh'`,
      'stty size\rexit\r',
    );
    assert.match(fairway, /33 77/);
    await onTerminal('docker run --name detached -it busybox sh', '\u0010\u0011');
    assert.equal(await engine.docker('inspect', '-f', '{{.State.Running}}', 'detached'), 'true');
    await engine.docker('rm', '-f', 'detached');
    await assertUnchanged(engine.host, clean);
  });

  test('logs replay, follow, count from the end, and tell the time', async () => {
    const { docker } = engine;
    await docker(
      'run',
      '-d',
      '--name',
      'talker',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3 4 5; do echo line $i; done; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo end',
    );
    await eventually(async () => assert.equal((await docker('logs', 'talker')).split('\n').length, 5));
    for (const client of commandLines(engine)) {
      assert.equal(await client('logs', '--tail', '2', 'talker'), 'line 4\nline 5', client.name);
      assert.match(
        await client('logs', '-t', '--tail', '1', 'talker'),
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 5$/,
        client.name,
      );
      assert.equal(await client('logs', '--since', '2100-01-01T00:00:00Z', 'talker'), '', client.name);
    }
    const following = docker('logs', '-f', 'talker');
    await docker('exec', '-d', 'talker', 'touch', '/tmp/go');
    assert.match(await following, /line 1[\s\S]*line 5\nend$/);
    await docker('wait', 'talker');
    await docker('rm', 'talker');
    await assertUnchanged(engine.host, clean);
  });

  test('many clients attached at once all see the same, and start -a gives the status', async () => {
    const { docker } = engine;
    await docker(
      'create',
      '--name',
      'shared',
      'busybox',
      'sh',
      '-c',
      'while [ ! -e /tmp/go ]; do sleep 0.1; done; echo together; exit 5',
    );
    await docker('start', 'shared');
    const attached = Array.from({ length: 4 }, () => docker.run(['attach', '--no-stdin', 'shared']));
    // All four must be attached before anything is said: the daemon's attach events tell.
    await eventually(async () => {
      const events = await docker(
        'events',
        '--since',
        '1h',
        '--until',
        '0s',
        '--filter',
        'container=shared',
        '--filter',
        'event=attach',
      );
      assert.equal(events.split('\n').filter((line) => line.includes(' attach ')).length, 4);
    });
    await docker('exec', '-d', 'shared', 'touch', '/tmp/go');
    for (const result of await Promise.all(attached)) assert.deepEqual([result.code, result.stdout], [5, 'together\n']);
    await docker('exec', 'shared', 'true').catch(() => {});
    await docker('rm', '-f', 'shared');
    await docker('create', '--name', 'again', 'busybox', 'sh', '-c', 'echo hi; exit 6');
    const started = await docker.run(['start', '-a', 'again']);
    assert.deepEqual([started.code, started.stdout], [6, 'hi\n']);
    await docker('rm', 'again');
  });

  test('a slow reader does not hold up the container', async () => {
    const { docker, daemon } = engine;
    await docker(
      'create',
      '--name',
      'chatty',
      'busybox',
      'sh',
      '-c',
      'yes $(head -c 500 /dev/zero | tr "\\0" x) | head -c 20000000',
    );
    const stalled = connect(daemon.socket);
    stalled.write(
      'POST /v1.41/containers/chatty/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
    );
    await once(stalled, 'readable');
    // It is attached, and reads nothing from here on.
    await docker('start', 'chatty');
    assert.equal(await docker('wait', 'chatty'), '0');
    stalled.destroy();
    await docker('rm', 'chatty');
    await assertUnchanged(engine.host, clean);
  });

  test('clients that vanish in the middle of attach, logs or wait cost nothing', async () => {
    const { docker, daemon } = engine;
    await docker('run', '-d', '--name', 'box', 'busybox', 'sh', '-c', 'while sleep 0.05; do echo tick; done');
    await eventually(async () => assert.ok((await docker('logs', 'box')).length > 0));
    const before = daemon.openFiles();
    for (const path of ['attach?stream=1&stdout=1', 'logs?follow=1&stdout=1', 'wait', 'stats']) {
      const method = path.startsWith('logs') || path === 'stats' ? 'GET' : 'POST';
      const call = request({ socketPath: daemon.socket, path: `/v1.41/containers/box/${path}`, method });
      call.on('error', () => {});
      const answered = once(call, 'response');
      call.end();
      await answered;
      call.destroy();
    }
    await eventually(() =>
      assert.ok(daemon.openFiles() <= before, `${daemon.openFiles()} descriptors, ${before} before`),
    );
    await docker('rm', '-f', 'box');
    await assertUnchanged(engine.host, clean);
  });

  test('an attach without upgrade header gets a raw 200 stream, half-close included', async () => {
    const { docker, daemon } = engine;
    await docker('create', '-i', '--name', 'raw', 'busybox', 'cat');
    const socket = connect({ path: daemon.socket, allowHalfOpen: true });
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.write('POST /v1.41/containers/raw/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => assert.match(Buffer.concat(received).toString(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n/));
    await docker('start', 'raw');
    socket.end('GET /not/a/request\n');
    await once(socket, 'end');
    const body = Buffer.concat(received).toString('latin1');
    assert.ok(body.endsWith('\u0001\0\0\0\0\0\0\u0013GET /not/a/request\n'), JSON.stringify(body));
    assert.equal(await docker('wait', 'raw'), '0');
    await docker('rm', 'raw');
    await assertUnchanged(engine.host, clean);
  });

  test('signals sent to the client reach the container', async () => {
    const { docker, daemon } = engine;
    const child = spawn(
      'docker',
      [
        'run',
        '--rm',
        '--name',
        'trapped',
        'busybox',
        'sh',
        '-c',
        'trap "echo caught; exit 9" TERM; echo ready; while true; do sleep 0.1; done',
      ],
      {
        env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const ended = once(child, 'exit');
    await eventually(() => assert.match(Buffer.concat(chunks).toString(), /ready/));
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [9, null]);
    assert.match(Buffer.concat(chunks).toString(), /caught/);
    assert.notEqual(
      (await run(['docker', 'inspect', 'trapped'], { env: { DOCKER_HOST: `unix://${daemon.socket}` } })).code,
      0,
    );
    await eventually(async () => assert.equal(await docker('ps', '-aq'), ''));
    await assertUnchanged(engine.host, clean);
  });
});
