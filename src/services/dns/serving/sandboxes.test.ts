import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { type DecodedPacket, decode, encode, streamDecode, streamEncode } from 'dns-packet';
import fc from 'fast-check';
import { type Id, type Ip, newId, parseIp } from '../../../base/index.ts';
import { localPort, openConnectedUdpSocketIn, openTcpListenerIn, openUdpSocketIn } from '../../../kernel/index.ts';
import type { DnsView } from '../../../model/index.ts';
import { Sandboxes } from './sandboxes.ts';
import { serveTcp } from './tcp-server.ts';

const LOOPBACK = parseIp('127.0.0.1');
const TIMEOUT_MS = 20_000;
const network = newId();
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

function setUp(upstreamPort = 53) {
  const opened: string[] = [];
  const sandboxes = new Sandboxes(
    {
      openIn: (path) => ({
        udp: (ip, port) => {
          opened.push(path);
          return openConnectedUdpSocketIn(undefined, ip, port);
        },
        tcp: () => assert.fail('nobody asks over TCP'),
      }),
    },
    { port: upstreamPort, timeoutMs: TIMEOUT_MS },
  );
  closing.push(() => sandboxes.end());
  sandboxes.apply({
    op: 'addEndpoint',
    endpoint: {
      endpointId: newId(),
      networkId: network,
      networkName: 'net',
      names: ['web'],
      ipv4: parseIp('172.18.0.2'),
    },
  });
  return {
    sandboxes,
    opened,
    serve(name: string, changes: Partial<DnsView> = {}): { udp: number; tcp: number; view: DnsView } {
      const view: DnsView = {
        sandboxId: name.padEnd(64, '0') as Id,
        sandboxPath: name,
        networkIds: [network],
        links: [],
        dns: { servers: [], search: [], options: [] },
        forward: true,
        ...changes,
      };
      const sockets = { udp: openUdpSocketIn(undefined, LOOPBACK, 0), tcp: openTcpListenerIn(undefined, LOOPBACK, 0) };
      sandboxes.apply({ op: 'setView', view, namespace: name }, sockets);
      return { udp: localPort(sockets.udp), tcp: localPort(sockets.tcp), view };
    },
  };
}

const own = (...servers: Ip[]): DnsView['dns'] => ({ servers, search: [], options: [] });

/** Answers every name with its own address, for a minute. Returns how often it was asked. */
async function upstream(ip: string, port: number): Promise<{ port: number; asked: () => number }> {
  const socket = createSocket('udp4');
  let asked = 0;
  socket.on('message', (packet, from) => {
    asked += 1;
    const { id = 0, questions = [] } = decode(packet);
    const answers = [{ type: 'A' as const, name: questions[0]?.name ?? '', ttl: 60, data: ip }];
    socket.send(encode({ type: 'response', id, questions, answers }), from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(port, ip, resolve));
  closing.push(() => socket.close());
  return { port: socket.address().port, asked: () => asked };
}

/** Two upstreams that share a port. */
async function twoUpstreams() {
  for (;;) {
    const one = await upstream('127.0.0.2', 0);
    try {
      return { one, two: await upstream('127.0.0.3', one.port) };
    } catch {
      // Somebody has the port there.
    }
  }
}

async function ask(port: number, name: string): Promise<string> {
  const socket = createSocket('udp4');
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timer = setTimeout(() => reject(new Error(`no answer for ${name}`)), TIMEOUT_MS);
  socket.on('error', reject);
  socket.on('message', resolve);
  const query = encode({ type: 'query', id: 7, flags: 0x100, questions: [{ type: 'A', name }] });
  socket.connect(port, LOOPBACK, () => socket.send(query));
  try {
    return said(decode(await promise));
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

function said({ flags = 0, answers = [] }: Pick<DecodedPacket, 'flags' | 'answers'>): string {
  return [flags & 0xf, ...answers.map((answer) => ('data' in answer ? String(answer.data) : '?'))].join(' ');
}

class Client {
  readonly socket: Socket;
  readonly #received: string[] = [];
  #wake: () => void = () => {};
  closed = false;

  constructor(port: number) {
    this.socket = connect(port, LOOPBACK);
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk: Buffer) => {
      this.#received.push(said(streamDecode(chunk)));
      this.#wake();
    });
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
    closing.push(() => this.socket.destroy());
  }

  async connected(): Promise<this> {
    if (this.socket.connecting) await new Promise((resolve) => this.socket.once('connect', resolve));
    return this;
  }

  ask(name: string): void {
    this.socket.write(streamEncode({ type: 'query', id: 7, questions: [{ type: 'A', name }] }));
  }

  /** The next answer; undefined when the connection has ended. */
  async answer(): Promise<string | undefined> {
    while (this.#received.length === 0 && !this.closed) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#received.shift();
  }
}

describe('sandboxes', () => {
  it('are answered only when all is known; what was asked before waits', async () => {
    const { sandboxes, serve } = setUp();
    const { udp } = serve('a');
    const answer = ask(udp, 'db');
    sandboxes.apply({
      op: 'addEndpoint',
      endpoint: {
        endpointId: newId(),
        networkId: network,
        networkName: 'net',
        names: ['db'],
        ipv4: parseIp('172.18.0.3'),
      },
    });
    sandboxes.begin();
    assert.equal(await answer, '0 172.18.0.3');
  });

  it('share what the host’s servers said, and nothing with one that has servers of its own or none', async () => {
    const { one, two } = await twoUpstreams();
    const { sandboxes, serve, opened } = setUp(one.port);
    sandboxes.apply({ op: 'setHostServers', servers: [parseIp('127.0.0.2')] });
    sandboxes.begin();
    const first = serve('first');
    const second = serve('second');
    const apart = serve('apart', { dns: own(parseIp('127.0.0.3')) });
    const internal = serve('internal', { forward: false });
    for (const { udp } of [first, second, first]) assert.equal(await ask(udp, 'x.example'), '0 127.0.0.2');
    assert.equal(one.asked(), 1);
    for (let round = 0; round < 2; round += 1) assert.equal(await ask(apart.udp, 'x.example'), '0 127.0.0.3');
    assert.equal(two.asked(), 1);
    assert.deepEqual(opened, ['apart']);
    assert.equal(await ask(internal.udp, 'x.example'), '3');
    // What it may no longer ask, it no longer knows.
    sandboxes.apply({ op: 'setView', view: { ...first.view, forward: false } });
    assert.equal(await ask(first.udp, 'x.example'), '3');
    sandboxes.apply({ op: 'setView', view: { ...second.view, dns: own(parseIp('127.0.0.3')) } });
    assert.equal(await ask(second.udp, 'x.example'), '0 127.0.0.3');
    assert.equal(two.asked(), 2);
  });

  it('forget what the host’s servers said when these are others', async () => {
    const { one, two } = await twoUpstreams();
    const { sandboxes, serve } = setUp(one.port);
    sandboxes.begin();
    const { udp } = serve('a');
    for (const [server, answer] of [
      ['127.0.0.2', '0 127.0.0.2'],
      ['127.0.0.3', '0 127.0.0.3'],
      ['127.0.0.3', '0 127.0.0.3'],
      ['127.0.0.2', '0 127.0.0.2'],
    ] as const) {
      sandboxes.apply({ op: 'setHostServers', servers: [parseIp(server)] });
      assert.equal(await ask(udp, 'x.example'), answer);
    }
    assert.deepEqual([one.asked(), two.asked()], [2, 1]);
  });

  it('answer what they were asked before the end, and nothing after it', async () => {
    const { one } = await twoUpstreams();
    const { sandboxes, serve } = setUp(one.port);
    sandboxes.apply({ op: 'setHostServers', servers: [parseIp('127.0.0.2')] });
    sandboxes.begin();
    const { udp, tcp } = serve('a');
    const client = await new Client(tcp).connected();
    client.ask('web');
    assert.equal(await client.answer(), '0 172.18.0.2');
    const asked = ask(udp, 'x.example');
    while (one.asked() < 1) await new Promise((resolve) => setImmediate(resolve));
    client.ask('web');
    sandboxes.end();
    assert.equal(await asked, '0 127.0.0.2');
    assert.equal(await client.answer(), '0 172.18.0.2');
    assert.equal(await client.answer(), undefined);
    await assert.rejects(ask(udp, 'web'), { code: 'ECONNREFUSED' });
  });

  it('are answered whatever else arrives', async () => {
    const { sandboxes, serve } = setUp();
    sandboxes.begin();
    const { udp, tcp } = serve('a');
    const socket = createSocket('udp4');
    closing.push(() => socket.close());
    const query = encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'web' }] });
    const junk = fc.sample(fc.uint8Array({ maxLength: 600 }), { seed: 5, numRuns: 300 });
    for (const [index, bytes] of junk.entries()) {
      // Now anything at all, now something that begins as a query does.
      const packet = index % 2 === 0 ? bytes : Buffer.concat([query.subarray(0, index % query.length), bytes]);
      await new Promise((resolve) => socket.send(packet, udp, LOOPBACK, resolve));
      if (index % 10 === 0)
        connect(tcp, LOOPBACK)
          .on('error', () => {})
          .end(packet);
      if (index % 50 === 0) assert.equal(await ask(udp, 'web'), '0 172.18.0.2');
    }
    assert.equal(await ask(udp, 'web'), '0 172.18.0.2');
    const client = await new Client(tcp).connected();
    client.ask('web');
    assert.equal(await client.answer(), '0 172.18.0.2');
  });
});

describe('connections', () => {
  it('that say nothing give way to those that ask, the most silent first', async () => {
    const fd = openTcpListenerIn(undefined, LOOPBACK, 0);
    const port = localPort(fd);
    const { sandboxes } = setUp();
    closing.push(() => sandboxes.end());
    const answer = encode({ type: 'response', id: 7, answers: [{ type: 'A', name: 'x', data: '192.0.2.1' }] });
    closing.push(serveTcp(fd, () => answer, { maxConnections: 3 }));
    const clients: Client[] = [];
    for (let index = 0; index < 3; index += 1) {
      const client = await new Client(port).connected();
      client.ask('x');
      assert.equal(await client.answer(), '0 192.0.2.1');
      clients.push(client);
    }
    // Half a question is nothing.
    for (let index = 0; index < 3; index += 1) (await new Client(port).connected()).socket.write(Buffer.of(0));
    const late = await new Client(port).connected();
    late.ask('x');
    assert.equal(await late.answer(), '0 192.0.2.1');
    for (const client of clients) assert.equal(await client.answer(), undefined);
  });

  it('that read nothing are not read any more, and delay nobody', async () => {
    const fd = openTcpListenerIn(undefined, LOOPBACK, 0);
    const port = localPort(fd);
    let answered = 0;
    const answer = Buffer.alloc(60_000);
    closing.push(
      serveTcp(fd, (packet) => {
        answered += 1;
        return packet.length < 20 ? encode({ type: 'response', id: 7 }) : answer;
      }),
    );
    const greedy = connect(port, LOOPBACK);
    closing.push(() => greedy.destroy());
    greedy.on('error', () => {});
    greedy.pause();
    const question = Buffer.concat([Buffer.of(0, 30), Buffer.alloc(30)]);
    for (let index = 0; index < 20_000; index += 1) greedy.write(question);
    const polite = await new Client(port).connected();
    for (let round = 0; round < 20; round += 1) {
      polite.ask('x');
      assert.equal(await polite.answer(), '0');
    }
    // 20 000 answers would be more than a gigabyte.
    assert.ok(answered < 5000, `${answered} answers`);
  });
});
