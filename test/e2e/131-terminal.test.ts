import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, afterEach, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  RawApi,
  run,
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

// What one test leaves must not fail the others.
afterEach(async () => {
  await engine.docker.run(['rm', '-f', 'box']);
});

/** The command lines under test, as a shell writes them. */
const CLIENTS = ['docker', join(process.cwd(), 'bin/fairway')];
const PROMPT = '/ # ';

/** A command at a pseudo-terminal of its own. */
class Terminal {
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  #seen = '';

  constructor(command: string, env: Readonly<Record<string, string>> = {}) {
    const { daemon, host } = engine;
    const child = spawn('script', ['-qec', `tty; stty rows 24 cols 80; exec ${command}`, '/dev/null'], {
      env: {
        ...process.env,
        DOCKER_HOST: `unix://${daemon.socket}`,
        DOCKER_CONFIG: join(host.directory, 'docker-config'),
        TERM: 'dumb',
        ...env,
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.ended = once(child, 'close').then(([code]) => code as number);
    child.stdout.on('data', (chunk: Buffer) => {
      this.#seen += chunk.toString();
    });
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  async shows(text: string | RegExp): Promise<void> {
    await eventually(() => assert.match(this.#seen, typeof text === 'string' ? new RegExp(literal(text)) : text));
  }

  /** As if somebody dragged the window's corner. */
  async setSize(rows: number, columns: number): Promise<void> {
    const device = /\/dev\/pts\/\d+/.exec(this.#seen)?.[0] ?? '';
    const { code, stderr } = await run(['stty', '-F', device, 'rows', `${rows}`, 'cols', `${columns}`]);
    assert.equal(code, 0, stderr);
  }
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

async function isRunning(name: string): Promise<boolean> {
  return (await engine.docker('inspect', '-f', '{{.State.Running}}', name)) === 'true';
}

/** What arrives on a connection, and its end. */
function collect({ socket, head }: { readonly socket: Duplex; readonly head: Buffer }): {
  readonly text: () => string;
  readonly ended: Promise<unknown>;
} {
  const chunks = [head];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { text: () => Buffer.concat(chunks).toString(), ended: once(socket, 'end') };
}

describe('leaving a terminal', () => {
  for (const client of CLIENTS) {
    test(`by the default keys or others, from run, attach and exec: ${client.split('/').at(-1)}`, async () => {
      const { docker, host } = engine;
      const first = new Terminal(`${client} run --name box -it busybox sh`);
      await first.shows(PROMPT);
      first.type('\u0010\u0011');
      await first.ended;
      assert.ok(await isRunning('box'));

      const second = new Terminal(`${client} attach --detach-keys ctrl-x,x box`);
      second.type('echo a$((1+1))\r');
      await second.shows('a2');
      // Others' keys, and the beginning of ours, are the container's.
      second.type('\u0010\u0011\u0018echo b$((1+2))\r');
      await second.shows('b3');
      second.type('\u0018x');
      await second.ended;

      const third = new Terminal(`${client} exec -it --detach-keys q,w box sh`);
      await third.shows(PROMPT);
      third.type('qw');
      await third.ended;
      const top = await docker('top', 'box', '-o', 'pid,args');
      assert.equal(top.split('\n').filter((line) => / sh$/.test(line)).length, 2, top);

      assert.ok(await isRunning('box'));
      await docker('rm', '-f', 'box');
      await assertUnchanged(host, clean);
    });
  }

  test('by the keys that the client’s configuration chooses', async () => {
    const { docker, host } = engine;
    await docker('run', '-dit', '--name', 'box', 'busybox', 'sh');
    const config = join(host.directory, 'keys-config');
    mkdirSync(config, { recursive: true });
    writeFileSync(join(config, 'config.json'), '{"detachKeys": "ctrl-a,d"}');
    const terminal = new Terminal('docker attach box', { DOCKER_CONFIG: config });
    terminal.type('echo c$((2+2))\r');
    await terminal.shows('c4');
    terminal.type('\u0001d');
    await terminal.ended;
    assert.ok(await isRunning('box'));
    await docker('rm', '-f', 'box');
    await assertUnchanged(host, clean);
  });

  test('by the daemon’s own filter, for clients that have none', async () => {
    const { docker, host } = engine;
    await docker('run', '-dit', '--name', 'box', 'busybox', 'sh');
    const attached = await api.hijack('/containers/box/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-b,b');
    const first = collect(attached);
    attached.socket.write('echo a$((1+1))\r');
    await eventually(() => assert.match(first.text(), /a2/));
    attached.socket.write('\u0002');
    attached.socket.write('b');
    await first.ended;

    const spec = { Cmd: ['sh'], AttachStdin: true, AttachStdout: true, Tty: true, DetachKeys: 'ctrl-b,b' };
    const { Id } = (await api.call('POST', '/containers/box/exec', spec)).body as { Id: string };
    const inside = await api.hijack(`/exec/${Id}/start`, { Tty: true });
    const second = collect(inside);
    await eventually(() => assert.match(second.text(), /# /));
    inside.socket.write('\u0002b');
    await second.ended;
    assert.equal(((await api.call('GET', `/exec/${Id}/json`)).body as { Running: boolean }).Running, true);
    await eventually(async () => {
      const events = await docker('events', '--since', '1h', '--until', '0s', '--filter', 'container=box');
      assert.match(events, / detach [\s\S]* exec_detach /);
    });
    for (const { socket } of [attached, inside]) socket.destroy();
    await docker('rm', '-f', 'box');
    await assertUnchanged(host, clean);
  });

  test('by keys that are none is refused', async () => {
    const { docker, host } = engine;
    await docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '600');
    const text = 'Invalid detach keys (ctrl-1) provided';
    const attach = await api.call('POST', '/containers/box/attach?stream=1&stdout=1&detachKeys=ctrl-1');
    assert.deepEqual([attach.status, attach.message], [400, text]);
    const exec = await api.call('POST', '/containers/box/exec', { Cmd: ['sh'], Tty: true, DetachKeys: 'ctrl-1' });
    assert.deepEqual([exec.status, exec.message], [400, text]);
    assert.equal((await docker.run(['attach', '--detach-keys', 'ctrl-1', 'box'])).code, 1);
    await docker('rm', '-f', 'box');
    await assertUnchanged(host, clean);
  });
});

describe('attaching', () => {
  test('to a container that is stopped or paused is refused', async () => {
    const { docker, host } = engine;
    await docker('create', '--name', 'box', 'busybox', 'sleep', '600');
    assert.match(
      (await docker.run(['attach', 'box'])).stderr,
      /You cannot attach to a stopped container, start it first/i,
    );
    await docker('start', 'box');
    await docker('pause', 'box');
    assert.match(
      (await docker.run(['attach', 'box'])).stderr,
      /You cannot attach to a paused container, unpause it first/i,
    );
    const { status, message } = await api.call('POST', '/containers/box/attach?stream=1&stdout=1');
    assert.deepEqual([status, message], [409, 'container box is paused, unpause the container before attach']);
    await docker('unpause', 'box');
    await docker('rm', '-f', 'box');
    await assertUnchanged(host, clean);
  });

  test('without signals: what ends the client is not the container’s', async () => {
    const { docker, host, daemon } = engine;
    const script = 'trap "echo caught" TERM; n=0; while sleep 0.1; do n=$((n+1)); echo tick $n; done';
    await docker('run', '-d', '--name', 'box', 'busybox', 'sh', '-c', script);
    for (const client of CLIENTS) {
      const child = spawn(client, ['attach', '--no-stdin', '--sig-proxy=false', 'box'], {
        env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let seen = '';
      child.stdout.on('data', (chunk: Buffer) => {
        seen += chunk;
      });
      const ended = once(child, 'exit');
      await eventually(() => assert.match(seen, /tick/));
      child.kill('SIGTERM');
      const lines = async (): Promise<number> => (await docker('logs', 'box')).split('\n').length;
      const before = await lines();
      await eventually(async () => assert.ok((await lines()) > before + 2));
      // Docker's client waits for the container in spite of it.
      child.kill('SIGKILL');
      await ended;
    }
    assert.doesNotMatch(await docker('logs', 'box'), /caught/);
    await docker('rm', '-f', 'box');
    await assertUnchanged(host, clean);
  });

  test('by many to one terminal: all see what any of them types', async () => {
    const { docker, host } = engine;
    await docker('run', '-dit', '--name', 'box', 'busybox', 'cat');
    const path = '/containers/box/attach?stream=1&stdin=1&stdout=1&stderr=1';
    const connections = await Promise.all(Array.from({ length: 8 }, () => api.hijack(path)));
    const seen = connections.map(collect);
    for (const [index, { socket }] of connections.entries()) {
      socket.write(`from ${index}\r`);
      // Echoed by the terminal and repeated by the program.
      const twice = new RegExp(`from ${index}\r\nfrom ${index}\r\n`);
      await eventually(() => {
        for (const { text } of seen) assert.match(text(), twice);
      });
    }
    connections[0]?.socket.write('\u0004');
    await Promise.all(seen.map(({ ended }) => ended));
    for (const { socket } of connections) socket.destroy();
    assert.equal(await docker('wait', 'box'), '0');
    await docker('rm', 'box');
    await assertUnchanged(host, clean);
  });
});

describe('the size of a terminal', () => {
  for (const client of CLIENTS) {
    test(`follows the client’s, in run and exec: ${client.split('/').at(-1)}`, async () => {
      const { docker, host } = engine;
      const watch = 'while sleep 0.1; do stty size; done';
      const command = `sh -c '${watch}'`;
      const outer = new Terminal(`${client} run --name box -it busybox ${command}`);
      await outer.shows(/^24 80\r$/m);
      await outer.setSize(31, 91);
      await outer.shows(/^31 91\r$/m);
      const inner = new Terminal(`${client} exec -it box ${command}`);
      await inner.shows(/^24 80\r$/m);
      await inner.setSize(23, 67);
      await inner.shows(/^23 67\r$/m);
      inner.type('\u0003');
      await inner.ended;
      await docker('kill', 'box');
      await outer.ended;
      await docker('rm', '-f', 'box');
      await assertUnchanged(host, clean);
    });
  }

  test('is set by a request, unless nothing runs', async () => {
    const { docker, host } = engine;
    await docker('run', '-dt', '--name', 'box', 'busybox', 'sh', '-c', 'while sleep 0.1; do stty size; done');
    assert.equal((await api.call('POST', '/containers/box/resize?h=17&w=55')).status, 200);
    await eventually(async () => assert.match(await docker('logs', '--tail', '1', 'box'), /^17 55/));
    const spec = { Cmd: ['sh', '-c', 'while sleep 0.1; do stty size; done'], AttachStdout: true, Tty: true };
    const { Id } = (await api.call('POST', '/containers/box/exec', spec)).body as { Id: string };
    const connection = await api.hijack(`/exec/${Id}/start`, { Tty: true });
    const { text } = collect(connection);
    assert.equal((await api.call('POST', `/exec/${Id}/resize?h=19&w=44`)).status, 200);
    await eventually(() => assert.match(text(), /^19 44\r$/m));
    connection.socket.destroy();
    assert.equal((await api.call('POST', '/containers/box/resize?h=many&w=1')).status, 400);
    await docker('kill', 'box');
    const { status, message } = await api.call('POST', '/containers/box/resize?h=1&w=1');
    assert.equal(status, 409);
    assert.match(message, /is not running$/);
    await docker('rm', '-f', 'box');
    await assertUnchanged(host, clean);
  });

  test('does not matter to a WebSocket, which is left by keys too', async () => {
    const { docker, host, daemon } = engine;
    const { WebSocket } = await import('ws');
    await docker('run', '-dit', '--name', 'box', 'busybox', 'sh');
    const query = 'stream=1&stdin=1&stdout=1&logs=1&detachKeys=ctrl-b,b';
    const socket = new WebSocket(`ws+unix://${daemon.socket}:/v1.41/containers/box/attach/ws?${query}`);
    let seen = '';
    socket.on('message', (data: Buffer) => {
      seen += data;
    });
    await once(socket, 'open');
    socket.send('echo a$((1+1))\r');
    await eventually(() => assert.match(seen, /a2/));
    const closed = once(socket, 'close');
    socket.send('\u0002b');
    await closed;
    assert.ok(await isRunning('box'));
    await docker('rm', '-f', 'box');
    await assertUnchanged(host, clean);
  });
});
