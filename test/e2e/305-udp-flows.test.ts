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
  stopChild,
  TestLan,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;
const children: ChildProcess[] = [];

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await Promise.all(children.map(stopChild));
  await engine?.[Symbol.asyncDispose]();
});

/**
 * Tells whoever has sent something, again and again, its own name and whom it saw: not the host, which stands in where a
 * flow is not translated. Sending all the time, it does so when its port has just been taken away, too.
 */
const SERVER = `const s = require('dgram').createSocket('udp4'); const [name] = process.argv.slice(1); let peer;
  s.on('error', () => {});
  s.on('message', (_, from) => { peer = from; }).bind(9000, () => console.log('ready'));
  setInterval(() => peer && s.send(name + ' ' + peer.address, peer.port, peer.address), 1);`;
/** One flow that never pauses, from before the port exists; prints every answer that is another than the last. */
const CLIENT = `const s = require('dgram').createSocket('udp4'); const [host] = process.argv.slice(1); let last = '';
  s.on('error', () => {});
  s.on('message', (data) => { if (String(data) !== last) console.log(last = String(data)); });
  s.bind(9999, () => { console.log('ready'); setInterval(() => s.send('hello', 9000, host), 20); });`;

async function start(pid: string | number, ...script: string[]): Promise<ChildProcess> {
  const child = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', ...script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

describe('a UDP client that never pauses', { timeout: 120_000 }, () => {
  test('reaches a container that publishes its port later, and each that replaces it', async () => {
    const { docker, lan, host } = engine;
    const client = await start(lan.pid, CLIENT, host.address);
    let answer = '';
    client.stdout?.on('data', (data) => {
      answer = String(data).trim().split('\n').at(-1) ?? '';
    });
    const addressOf = (name: string): Promise<string> =>
      docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', name);
    const serve = async (name: string): Promise<ChildProcess> => {
      await docker('run', '-d', '--name', name, '-p', '9000:9000/udp', 'busybox', 'sleep', '600');
      const server = await start(await docker('inspect', '-f', '{{.State.Pid}}', name), SERVER, name);
      await eventually(() => assert.equal(answer, `${name} ${TestLan.address}`));
      return server;
    };
    let server = await serve('first');
    for (const next of ['second', 'third', 'fourth']) {
      const [last = ''] = answer.split(' ');
      const address = await addressOf(last);
      // Its server goes on, and keeps the namespace.
      await docker('rm', '-f', last);
      // The flow must not find whoever has the address now.
      await docker('run', '-d', '--name', `heir-of-${last}`, 'busybox', 'sleep', '600');
      assert.equal(await addressOf(`heir-of-${last}`), address);
      await stopChild(server);
      server = await serve(next);
    }
    await docker('rm', '-f', 'fourth', 'heir-of-first', 'heir-of-second', 'heir-of-third');
    await Promise.all([server, client].map(stopChild));
    await assertUnchanged(host, clean);
  });
});
