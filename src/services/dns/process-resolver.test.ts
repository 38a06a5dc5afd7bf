import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { type DecodedPacket, decode, encode } from 'dns-packet';
import { type Id, type Ip, newId, parseIp } from '../../base/index.ts';
import { localPort, openTcpListenerIn, openUdpSocketIn } from '../../kernel/index.ts';
import type { DnsEndpoint, DnsView } from '../../model/index.ts';
import { ProcessResolver, type ProcessResolverOptions, type SandboxSockets } from './index.ts';

const LOOPBACK = parseIp('127.0.0.1');
const TIMEOUT_MS = 20_000;

/** Sandboxes without namespaces: their servers are on loopback, on any port. */
class LoopbackSockets implements SandboxSockets {
  readonly ports = new Map<string, { udp: number; tcp: number }>();
  readonly namespaces = new Map<string, string>();
  readonly inodes: string[] = [];
  opened = 0;

  identify(path: string): string {
    return this.namespaces.get(path) ?? path;
  }

  openServer(path: string): { udp: number; tcp: number } {
    const sockets = { udp: openUdpSocketIn(undefined, LOOPBACK, 0), tcp: openTcpListenerIn(undefined, LOOPBACK, 0) };
    this.ports.set(path, { udp: localPort(sockets.udp), tcp: localPort(sockets.tcp) });
    this.inodes.push(socketBehind(sockets.udp), socketBehind(sockets.tcp));
    this.opened += 1;
    return sockets;
  }
}

/** `socket:[inode]`, of a descriptor of this process. */
function socketBehind(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

function socketsOf(pid: number | undefined): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function setUp(options: ProcessResolverOptions = {}): { sockets: LoopbackSockets; resolver: ProcessResolver } {
  const sockets = new LoopbackSockets();
  const resolver = new ProcessResolver({ sockets }, options);
  closing.push(() => resolver.close());
  return { sockets, resolver };
}

const network = newId();

function endpoint(name: string, ipv4: string): DnsEndpoint {
  return { endpointId: newId(), networkId: network, networkName: 'net', names: [name], ipv4: parseIp(ipv4) };
}

function view(path: string, changes: Partial<DnsView> = {}): DnsView {
  return {
    sandboxId: path.padEnd(64, '0') as Id,
    sandboxPath: path,
    networkIds: [network],
    links: [],
    dns: { servers: [], search: [], options: [] },
    forward: false,
    ...changes,
  };
}

function summary(response: Buffer): string {
  const { flags, answers }: DecodedPacket = decode(response);
  const data = (answers ?? []).map((answer) => ('data' in answer ? String(answer.data) : '?'));
  return [(flags ?? 0) & 0xf, ...data].join(' ');
}

function packetOf(name: string, id = 1): Buffer {
  return encode({ type: 'query', id, questions: [{ type: 'A', name }] });
}

async function ask(port: number | undefined, name: string): Promise<string> {
  const socket = createSocket('udp4');
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timer = setTimeout(() => reject(new Error(`no answer for ${name}`)), TIMEOUT_MS);
  socket.on('error', reject);
  socket.on('message', resolve);
  socket.connect(port ?? 0, LOOPBACK, () => socket.send(packetOf(name)));
  try {
    return summary(await promise);
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

class TcpClient {
  readonly #socket: Socket;
  readonly #answers: Buffer[] = [];
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  ended = false;

  constructor(port: number | undefined) {
    this.#socket = connect(port ?? 0, LOOPBACK);
    this.#socket.setTimeout(TIMEOUT_MS, () => this.#socket.destroy(new Error('no answer')));
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      while (this.#received.length > 2 && this.#received.length >= 2 + this.#received.readUInt16BE()) {
        const end = 2 + this.#received.readUInt16BE();
        this.#answers.push(this.#received.subarray(2, end));
        this.#received = this.#received.subarray(end);
      }
      this.#wake();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.ended = true;
      this.#wake();
    });
    closing.push(() => void this.#socket.destroy());
  }

  send(...packets: Buffer[]): void {
    const lengths = (packet: Buffer): Buffer => Buffer.of(packet.length >> 8, packet.length & 0xff);
    this.#socket.write(Buffer.concat(packets.flatMap((packet) => [lengths(packet), packet])));
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  /** The answers, once there are that many or the connection has ended. */
  async answers(count: number): Promise<readonly Buffer[]> {
    while (this.#answers.length < count && !this.ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#answers;
  }
}

async function fakeUpstream(ip: Ip): Promise<number> {
  const socket = createSocket('udp4');
  socket.on('message', (packet, from) => {
    const { id = 0, questions = [] } = decode(packet);
    const answers = [{ type: 'A' as const, name: questions[0]?.name ?? '', data: '192.0.2.1' }];
    socket.send(encode({ type: 'response', id, questions, answers }), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, ip, resolve));
  closing.push(() => void socket.close());
  return socket.address().port;
}

describe('the resolver and its process', () => {
  it('has every change in force when the call resolves', async () => {
    const { sockets, resolver } = setUp();
    const web = endpoint('web', '172.18.0.2');
    await resolver.setView(view('a'));
    const port = sockets.ports.get('a')?.udp;
    assert.equal(await ask(port, 'web'), '3');
    await resolver.addEndpoint(web);
    assert.equal(await ask(port, 'web'), '0 172.18.0.2');
    await resolver.setView(view('a', { networkIds: [newId()] }));
    assert.equal(await ask(port, 'web'), '3');
    await resolver.setView(view('a', { links: [{ networkId: network, alias: 'w', target: 'web' }] }));
    assert.equal(await ask(port, 'w'), '0 172.18.0.2');
    await resolver.removeEndpoint(web.endpointId);
    await resolver.removeEndpoint(web.endpointId);
    assert.equal(await ask(port, 'web'), '3');
    assert.equal(sockets.opened, 1);
  });

  it('opens new sockets when the path has another namespace behind it', async () => {
    const { sockets, resolver } = setUp();
    await resolver.addEndpoint(endpoint('web', '172.18.0.2'));
    await resolver.setView(view('a'));
    sockets.namespaces.set('a', 'second');
    await resolver.setView(view('a'));
    assert.equal(sockets.opened, 2);
    assert.equal(await ask(sockets.ports.get('a')?.udp, 'web'), '0 172.18.0.2');
  });

  it('closes the sockets when a view is removed', async () => {
    const { sockets, resolver } = setUp();
    await resolver.setView(view('a'));
    await resolver.setView(view('b'));
    await resolver.removeView(view('a').sandboxId);
    await resolver.removeView(view('a').sandboxId);
    await resolver.setView(view('b', { networkIds: [] }));
    assert.equal(sockets.inodes.length, 4);
    const left = [process.pid, resolver.pid].flatMap((pid) => socketsOf(pid));
    assert.deepEqual(
      sockets.inodes.filter((inode) => left.includes(inode)),
      [],
    );
  });

  it('serves many queries of one connection, in pieces or at once', async () => {
    const { sockets, resolver } = setUp();
    await resolver.addEndpoint(endpoint('web', '172.18.0.2'));
    await resolver.setView(view('a'));
    const client = new TcpClient(sockets.ports.get('a')?.tcp);
    const packet = packetOf('web');
    client.write(Buffer.of(0));
    client.write(Buffer.of(packet.length));
    for (const byte of packet) client.write(Buffer.of(byte));
    assert.deepEqual((await client.answers(1)).map(summary), ['0 172.18.0.2']);
    client.send(...Array.from({ length: 500 }, (_, id) => packetOf('web', id)));
    client.end();
    const ids = (await client.answers(501)).slice(1).map((answer) => answer.readUInt16BE());
    assert.deepEqual(
      ids,
      Array.from({ length: 500 }, (_, id) => id),
    );
  });

  it('answers others while a client sends half a query and reads nothing', async () => {
    const { sockets, resolver } = setUp();
    await resolver.addEndpoint(endpoint('web', '172.18.0.2'));
    await resolver.setView(view('a'));
    const { udp, tcp } = sockets.ports.get('a') ?? {};
    const slow = new TcpClient(tcp);
    slow.write(Buffer.of(0x02, 0xff, 1, 2, 3));
    const nonsense = new TcpClient(tcp);
    nonsense.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    const other = new TcpClient(tcp);
    other.send(packetOf('web'));
    assert.deepEqual((await other.answers(1)).map(summary), ['0 172.18.0.2']);
    assert.equal(await ask(udp, 'web'), '0 172.18.0.2');
    assert.equal(slow.ended, false);
    assert.deepEqual(await nonsense.answers(1), []);
  });

  it("asks the host's servers for the rest, and follows when they change", async () => {
    const upstreamPort = await fakeUpstream(parseIp('127.0.0.2'));
    const { sockets, resolver } = setUp({ upstreamPort, upstreamTimeoutMs: TIMEOUT_MS });
    await resolver.setView(view('a', { forward: true }));
    const port = sockets.ports.get('a')?.udp;
    assert.equal(await ask(port, 'outside'), '2');
    resolver.setHostServers([parseIp('127.0.0.2')]);
    await resolver.setView(view('a', { forward: true }));
    assert.equal(await ask(port, 'outside'), '0 192.0.2.1');
  });

  it('goes on with a new process when one is killed, and no query is lost', async () => {
    const { sockets, resolver } = setUp();
    await resolver.addEndpoint(endpoint('web', '172.18.0.2'));
    await resolver.setView(view('a'));
    const port = sockets.ports.get('a')?.udp;
    const first = resolver.pid ?? 0;
    process.kill(first, 'SIGSTOP');
    const asked = [ask(port, 'web'), ask(port, 'web')];
    const changed = resolver.addEndpoint(endpoint('db', '172.18.0.3'));
    process.kill(first, 'SIGKILL');
    await changed;
    assert.deepEqual(await Promise.all(asked), ['0 172.18.0.2', '0 172.18.0.2']);
    assert.equal(await ask(port, 'db'), '0 172.18.0.3');
    assert.notEqual(resolver.pid, first);
    assert.equal(sockets.opened, 1);
  });

  it('refuses work after close, which is repeatable', async () => {
    const { resolver } = setUp();
    await resolver.start();
    await resolver.close();
    await resolver.close();
    await assert.rejects(resolver.setView(view('a')), { code: 'dns_closed' });
    await resolver.removeView(view('a').sandboxId);
    const unused = setUp().resolver;
    await unused.close();
  });
});
