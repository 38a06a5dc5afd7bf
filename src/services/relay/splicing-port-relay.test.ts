import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { eventually } from '../../../test/support/eventually.ts';
import { type Clock, newId, parseIp } from '../../base/index.ts';
import { isErrno, openUdpSocketIn } from '../../kernel/index.ts';
import type { Protocol, RelayedPort } from '../../model/index.ts';
import { HostPortAllocator, hostPortDeps } from '../ports/index.ts';
import type { BoundDescriptor } from './endpoints.ts';
import { SplicingPortRelay } from './splicing-port-relay.ts';
import { openUdpRelay } from './udp-relay.ts';

/** A loopback address that no other process has reason to use, so that a free port stays free. */
const LOOPBACK = parseIp(`127.99.${(process.pid >> 8) & 0xff}.${(process.pid & 0x7f) + 1}`);
const timeout = 120_000;

function relayed(hostPort: number, targetPort: number, protocol: Protocol = 'tcp'): RelayedPort {
  return {
    published: { protocol, containerPort: targetPort, hostIp: LOOPBACK, hostPort },
    target: { ip: LOOPBACK, port: targetPort },
  };
}

/** A TCP server on a port of its own; every connection goes to `serve`. */
async function tcpServer(serve: (socket: Socket) => void): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true }, serve);
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

/** All that the other side sends until it ends. (`stream/consumers` would destroy the socket, our direction included.) */
async function collect(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Of all that the other side sends; reads in small pieces with pauses in between. */
async function sumOf(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  let pieces = 0;
  socket.on('data', (chunk) => {
    hash.update(chunk);
    pieces += 1;
    if (pieces % 8 !== 0) return;
    socket.pause();
    setImmediate(() => socket.resume());
  });
  await once(socket, 'end');
  return hash.digest('hex');
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** A relay that is closed at the end of the test, whatever happens. */
async function openRelay(...ports: RelayedPort[]): Promise<{ close: () => Promise<void> } & AsyncDisposable> {
  const close = await new SplicingPortRelay().open(ports);
  return { close, [Symbol.asyncDispose]: close };
}

async function freePort(): Promise<number> {
  await using server = await tcpServer(() => {});
  return server.port;
}

describe('relaying TCP', () => {
  it('passes what the client sends before it ends, and the answer after', { timeout }, async () => {
    await using server = await tcpServer((socket) => {
      void collect(socket).then((all) => socket.end(`got ${all.length}`));
    });
    const hostPort = await freePort();
    await using relay = await openRelay(relayed(hostPort, server.port));
    const client = connect({ host: LOOPBACK, port: hostPort, allowHalfOpen: true });
    client.end(Buffer.alloc(3_000_000));
    assert.equal(String(await collect(client)), 'got 3000000');
    await relay.close();
  });

  it('passes the end of the server while the client goes on', { timeout }, async () => {
    const received: Promise<Buffer>[] = [];
    await using server = await tcpServer((socket) => {
      received.push(collect(socket));
      socket.end('bye');
    });
    const hostPort = await freePort();
    await using relay = await openRelay(relayed(hostPort, server.port));
    const client = connect({ host: LOOPBACK, port: hostPort, allowHalfOpen: true });
    assert.equal(String(await collect(client)), 'bye');
    client.end('still here');
    assert.equal(String(await received[0]), 'still here');
    await relay.close();
  });

  it('delivers every byte both ways at once, however slowly they are taken', { timeout }, async () => {
    const sums: Promise<string>[] = [];
    const [up, down] = [randomBytes(12_000_000), randomBytes(9_000_000)];
    await using server = await tcpServer((socket) => {
      sums.push(sumOf(socket));
      socket.end(down);
    });
    const hostPort = await freePort();
    await using _relay = await openRelay(relayed(hostPort, server.port));
    const client = connect({ host: LOOPBACK, port: hostPort, allowHalfOpen: true });
    const sum = sumOf(client);
    client.end(up);
    assert.equal(await sum, createHash('sha256').update(down).digest('hex'));
    assert.equal(await sums[0], createHash('sha256').update(up).digest('hex'));
  });

  it('holds up a sender whose receiver takes nothing', { timeout }, async () => {
    const accepted: Socket[] = [];
    await using server = await tcpServer((socket) => {
      accepted.push(socket.pause());
    });
    const hostPort = await freePort();
    await using _relay = await openRelay(relayed(hostPort, server.port));
    const client = connect({ host: LOOPBACK, port: hostPort, allowHalfOpen: true });
    const chunk = Buffer.alloc(1 << 18);
    const size = 256 * chunk.length;
    let taken = 0;
    const sending = (async () => {
      for (; taken < size; taken += chunk.length) await new Promise((done) => client.write(chunk, done));
      client.end();
    })();
    await eventually(() => assert.equal(accepted.length, 1));
    let [before, quiet] = [-1, 0];
    await eventually(() => {
      quiet = taken === before ? quiet + 1 : 0;
      before = taken;
      assert.ok(quiet >= 10);
    });
    assert.ok(taken < size, 'the relay took everything');
    const [receiver] = accepted;
    assert.ok(receiver);
    let received = 0;
    for await (const piece of receiver) received += piece.length;
    assert.equal(received, size);
    await sending;
    receiver.end();
    client.resume();
    await once(client, 'close');
  });

  it('keeps many connections apart', { timeout }, async () => {
    await using server = await tcpServer((socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    const ports = [await freePort(), await freePort()];
    await using _relay = await openRelay(...ports.map((port) => relayed(port, server.port)));
    const answers = Array.from({ length: 200 }, async (_, index) => {
      const client = connect({ host: LOOPBACK, port: ports[index % 2] ?? 0, allowHalfOpen: true });
      client.end(`I am ${index}`);
      return String(await collect(client));
    });
    assert.deepEqual(
      await Promise.all(answers),
      answers.map((_, index) => `I am ${index}`),
    );
  });

  it('passes a reset on', { timeout }, async () => {
    const failed: Promise<unknown>[] = [];
    await using server = await tcpServer((socket) => {
      failed.push(once(socket, 'close').catch((error: unknown) => error));
      socket.write('hello');
    });
    const hostPort = await freePort();
    await using _relay = await openRelay(relayed(hostPort, server.port));
    const client = connect({ host: LOOPBACK, port: hostPort });
    await once(client, 'data');
    client.resetAndDestroy();
    assert.equal(isErrno(await failed[0], 'ECONNRESET'), true);
  });

  it('leaves no descriptors when its last port is closed', { timeout }, async () => {
    await using server = await tcpServer((socket) => socket.pipe(socket));
    const hostPort = await freePort();
    const round = async (): Promise<number> => {
      await using relay = await openRelay(relayed(hostPort, server.port));
      const clients = Array.from({ length: 20 }, () =>
        connect({ host: LOOPBACK, port: hostPort, allowHalfOpen: true }),
      );
      for (const client of clients) client.write('x');
      await Promise.all(clients.map((client) => once(client, 'data')));
      for (const client of clients.slice(10)) client.end();
      await Promise.all(clients.slice(10).map((client) => once(client.resume(), 'close')));
      const closed = clients.slice(0, 10).map((client) => once(client.resume(), 'end').then(() => client.destroy()));
      await relay.close();
      await Promise.all(closed);
      return descriptors();
    };
    const [first, second] = [await round(), await round()];
    await eventually(() =>
      assert.ok(descriptors() <= first, `${descriptors()} descriptors, ${second} before, ${first} at first`),
    );
  });

  it('resets the client when the target refuses', { timeout }, async () => {
    const hostPort = await freePort();
    const closedPort = await freePort();
    await using _relay = await openRelay(relayed(hostPort, closedPort));
    const client = connect({ host: LOOPBACK, port: hostPort });
    await assert.rejects(once(client, 'end'), { code: 'ECONNRESET' });
  });

  it('ends connections when it is closed, and frees the port', { timeout }, async () => {
    await using server = await tcpServer((socket) => {
      socket.on('error', () => {});
      socket.write('hello');
      socket.on('end', () => socket.end());
      socket.resume();
    });
    const hostPort = await freePort();
    await using relay = await openRelay(relayed(hostPort, server.port));
    const client = connect({ host: LOOPBACK, port: hostPort });
    client.on('error', () => {});
    await once(client, 'data');
    const closed = once(client, 'close');
    await relay.close();
    await closed;
    await using _again = await openRelay(relayed(hostPort, server.port));
  });

  it('opens all or nothing, and names the port that is taken', { timeout }, async () => {
    await using taken = await tcpServer(() => {});
    const hostPort = await freePort();
    const relay = new SplicingPortRelay();
    await assert.rejects(relay.open([relayed(hostPort, 1), relayed(taken.port, 1)]), {
      message: `failed to bind host port for ${LOOPBACK}:${taken.port}/tcp: address already in use`,
    });
    await (await relay.open([relayed(hostPort, 1)]))();
  });

  it('listens on the socket that holds the port', { timeout }, async () => {
    const asked: number[] = [];
    const sockets = {
      takeSocket: ({ hostPort }: { hostPort: number }): BoundDescriptor | undefined => {
        asked.push(hostPort);
        return undefined;
      },
    };
    const hostPort = await freePort();
    await (await new SplicingPortRelay({ sockets }).open([relayed(hostPort, 1)]))();
    assert.deepEqual(asked, [hostPort]);
  });

  it('serves both wildcards by one socket of both families', { timeout }, async () => {
    const asked: string[] = [];
    const fd = openUdpSocketIn(undefined, LOOPBACK, 0);
    const sockets = {
      takeSocket: ({ hostIp }: { hostIp: string }): BoundDescriptor | undefined => {
        asked.push(hostIp);
        return { fd, family: 6 };
      },
    };
    const [four, six] = ['0.0.0.0', '::'].map((hostIp): RelayedPort => {
      const { published, target } = relayed(8080, 80, 'udp');
      return { published: { ...published, hostIp: parseIp(hostIp) }, target };
    });
    assert.ok(four !== undefined && six !== undefined);
    await (await new SplicingPortRelay({ sockets }).open([four, six]))();
    assert.deepEqual(asked, ['0.0.0.0']);
  });

  it('lets a port be held again at once, although its connections linger', { timeout }, async () => {
    // The server ends first, so it is the relay whose side goes to TIME_WAIT.
    await using server = await tcpServer((socket) => socket.end('bye'));
    const ports = new HostPortAllocator(hostPortDeps());
    const hostPort = await freePort();
    const request = {
      protocol: 'tcp',
      containerPort: 80,
      hostIp: LOOPBACK,
      hostPorts: { first: hostPort, last: hostPort },
    } as const;
    for (let round = 0; round < 3; round += 1) {
      const held = ports.hold(newId(), [request]);
      const [published] = held.published;
      assert.ok(published !== undefined);
      const port = { published, target: { ip: LOOPBACK, port: server.port } };
      for (let again = 0; again < 2; again += 1) {
        const close = await new SplicingPortRelay({ sockets: ports }).open([port]);
        const client = connect({ host: LOOPBACK, port: hostPort });
        client.resume();
        await once(client, 'close');
        await close();
      }
      held.release();
    }
  });

  it('leaves SCTP alone', async () => {
    await (await new SplicingPortRelay().open([relayed(1, 1, 'sctp')]))();
  });
});

/** A clock whose timers are run by hand. */
class HandClock implements Clock {
  readonly timers = new Set<() => void>();

  now(): number {
    return 0;
  }

  nowNanos(): bigint {
    return 0n;
  }

  after(_ms: number, callback: () => void): () => void {
    this.timers.add(callback);
    return () => this.timers.delete(callback);
  }
}

describe('relaying UDP', () => {
  it('answers each client, one session each, and forgets the idle', { timeout }, async () => {
    const peers = new Set<number>();
    const server = createSocket('udp4', (data, { port, address }) => {
      peers.add(port);
      server.send(`echo ${data}`, port, address);
    });
    server.bind(0, LOOPBACK);
    await once(server, 'listening');
    const clock = new HandClock();
    const hostPort = await freePort();
    const relay = await openUdpRelay(
      { host: LOOPBACK, port: hostPort },
      { ip: LOOPBACK, port: server.address().port },
      { clock, idleMs: 1, maxClients: 2 },
    );
    const clients = [createSocket('udp4'), createSocket('udp4')];
    const ask = async (index: number, text: string): Promise<string> => {
      const client = clients[index];
      assert.ok(client);
      const answer = once(client, 'message');
      client.send(text, hostPort, LOOPBACK);
      return String((await answer)[0]);
    };
    assert.equal(await ask(0, 'a'), 'echo a');
    assert.equal(await ask(1, 'b'), 'echo b');
    assert.equal(await ask(0, 'c'), 'echo c');
    assert.equal(peers.size, 2);
    assert.equal(clock.timers.size, 2);
    for (const expire of [...clock.timers]) expire();
    assert.equal(clock.timers.size, 0);
    assert.equal(await ask(0, 'd'), 'echo d');
    await relay.close();
    await relay.close();
    assert.equal(clock.timers.size, 0);
    for (const socket of [...clients, server]) {
      socket.close();
      await once(socket, 'close');
    }
  });
});
