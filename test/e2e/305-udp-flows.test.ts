import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
  TestLan,
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

/** Answers every datagram with its own name and whom it saw: not the host, which stands in where a flow is not translated. */
const SERVER = `const s = require('dgram').createSocket('udp4'); const [name] = process.argv.slice(1);
  s.on('message', (_, peer) => s.send(name + ' ' + peer.address, peer.port, peer.address)).bind(9000, () => console.log('ready'))`;
/** One flow that never pauses, from before the port exists; prints every answer. */
const CLIENT = `const s = require('dgram').createSocket('udp4'); const [host] = process.argv.slice(1);
  s.on('error', () => {});
  s.on('message', (data) => console.log(String(data)));
  s.bind(9999, () => { console.log('ready'); setInterval(() => s.send('hello', 9000, host), 50); });`;

async function start(pid: string | number, ...script: string[]): Promise<ChildProcess> {
  const child = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', ...script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

describe('a UDP client that never pauses', () => {
  test('reaches a container that publishes its port later, and the one that replaces it', async () => {
    const { docker, lan, host } = engine;
    const client = await start(lan.pid, CLIENT, host.address);
    let answer = '';
    client.stdout?.on('data', (data) => {
      answer = String(data).trim().split('\n').at(-1) ?? '';
    });
    const serve = async (name: string): Promise<ChildProcess> => {
      await docker('run', '-d', '--name', name, '-p', '9000:9000/udp', 'busybox', 'sleep', '600');
      const server = await start(await docker('inspect', '-f', '{{.State.Pid}}', name), SERVER, name);
      await eventually(() => assert.equal(answer, `${name} ${TestLan.address}`));
      return server;
    };
    const first = await serve('first');
    const address = await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'first');
    await docker('rm', '-f', 'first');
    await end(first);
    // The flow must not find whoever has the address now.
    await docker('run', '-d', '--name', 'other', 'busybox', 'sleep', '600');
    assert.equal(await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'other'), address);
    const second = await serve('second');
    await docker('rm', '-f', 'second', 'other');
    await end(second);
    await end(client);
    await assertUnchanged(host, clean);
  });
});
