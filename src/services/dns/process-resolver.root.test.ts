import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type DecodedPacket, decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';
import { type Ip, newId, parseIp } from '../../base/index.ts';
import {
  createNetns,
  deleteNetns,
  holdPort,
  type Netns,
  Nft,
  openNetns,
  openTcpListenerIn,
  openUdpSocketIn,
  Rtnl,
} from '../../kernel/index.ts';
import type { DnsView } from '../../model/index.ts';
import { NetnsSandboxSockets, ProcessResolver } from './index.ts';

const RESOLVER = '127.0.0.11';
const TIMEOUT_MS = 15_000;
const path = `/run/netns/fwt-dns-${process.pid}`;
const networkId = newId();
const view: DnsView = {
  sandboxId: newId(),
  sandboxPath: path,
  networkIds: [networkId],
  links: [],
  dns: { servers: [], search: [], options: [] },
  forward: false,
};

function query(name: string): Packet {
  return { type: 'query', id: 4711, flags: 0x100, questions: [{ type: 'A', name }] };
}

function answersOf({ answers }: Pick<DecodedPacket, 'answers'>): string[] {
  return (answers ?? []).map((answer) => ('data' in answer ? String(answer.data) : answer.type));
}

async function askUdp(ns: Netns, name: string): Promise<string[]> {
  const socket = createSocket('udp4');
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timer = setTimeout(() => reject(new Error(`no answer for ${name}`)), TIMEOUT_MS);
  socket.on('error', reject);
  socket.on('message', resolve);
  // Connected: an answer that comes from another port than 53 is not heard.
  socket.bind({ fd: openUdpSocketIn(ns, '0.0.0.0' as Ip, 0) }, () =>
    socket.connect(53, RESOLVER, () => socket.send(encode(query(name)))),
  );
  try {
    return answersOf(decode(await promise));
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

async function askTcp(ns: Netns, name: string): Promise<string[]> {
  const fd = holdPort({ protocol: 'tcp', ip: '0.0.0.0' as Ip, port: 0, netns: ns }).release();
  const socket = new Socket({ fd });
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  socket.setTimeout(TIMEOUT_MS, () => reject(new Error(`no answer for ${name}`)));
  socket.on('error', reject);
  let received: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length > 2 && received.length >= received.readUInt16BE() + 2) resolve(received);
  });
  socket.connect(53, RESOLVER, () => socket.write(streamEncode(query(name))));
  try {
    return answersOf(streamDecode(await promise));
  } finally {
    socket.destroy();
  }
}

function rulesIn(ns: Netns): string {
  using nft = Nft.open(ns);
  return nft.run('list ruleset');
}

describe('the resolver inside a namespace', () => {
  let ns: Netns;
  let resolver: ProcessResolver;

  before(async () => {
    createNetns(path);
    ns = openNetns(path);
    using rtnl = Rtnl.open(ns);
    rtnl.links.set(1, { up: true });
    resolver = new ProcessResolver({ sockets: new NetnsSandboxSockets() });
    await resolver.addEndpoint({
      endpointId: newId(),
      networkId,
      networkName: 'net',
      names: ['web'],
      ipv4: parseIp('172.18.0.2'),
    });
    await resolver.setView(view);
  });

  after(async () => {
    await resolver.close();
    ns.close();
    deleteNetns(path);
  });

  it('answers on port 53 of 127.0.0.11, over UDP and TCP', async () => {
    assert.deepEqual(await askUdp(ns, 'web'), ['172.18.0.2']);
    assert.deepEqual(await askTcp(ns, 'WEB.net'), ['172.18.0.2']);
  });

  it('leaves 0.0.0.0:53 to an application, and works beside it', async () => {
    const udp = openUdpSocketIn(ns, '0.0.0.0' as Ip, 53);
    const tcp = createServer((socket) => socket.destroy());
    tcp.listen({ fd: openTcpListenerIn(ns, '0.0.0.0' as Ip, 53) });
    assert.deepEqual(await askUdp(ns, 'web'), ['172.18.0.2']);
    assert.deepEqual(await askTcp(ns, 'web'), ['172.18.0.2']);
    closeSync(udp);
    await new Promise((resolve) => tcp.close(resolve));
  });

  it('takes over a sandbox from an earlier daemon', async () => {
    const next = new ProcessResolver({ sockets: new NetnsSandboxSockets() });
    const before = rulesIn(ns);
    await next.setView(view);
    await next.addEndpoint({
      endpointId: newId(),
      networkId,
      networkName: 'net',
      names: ['web'],
      ipv4: parseIp('172.18.0.9'),
    });
    assert.notEqual(rulesIn(ns), before);
    assert.equal(rulesIn(ns).match(/table ip /g)?.length, 1);
    assert.deepEqual(await askUdp(ns, 'web'), ['172.18.0.9']);
    assert.deepEqual(await askTcp(ns, 'web'), ['172.18.0.9']);
    await next.close();
  });

  it('loses none of a thousand queries that come while the resolver dies', async () => {
    const own = new ProcessResolver({ sockets: new NetnsSandboxSockets() });
    await own.addEndpoint({
      endpointId: newId(),
      networkId,
      networkName: 'net',
      names: ['web'],
      ipv4: parseIp('172.18.0.9'),
    });
    const apart = `${path}-burst`;
    createNetns(apart);
    const there = openNetns(apart);
    {
      using rtnl = Rtnl.open(there);
      rtnl.links.set(1, { up: true });
    }
    await own.setView({ ...view, sandboxId: newId(), sandboxPath: apart });
    process.kill(own.pid ?? 0, 'SIGSTOP');
    const socket = createSocket('udp4');
    const fd = openUdpSocketIn(there, '0.0.0.0' as Ip, 0, { waitingBytes: 4 << 20 });
    await new Promise<void>((resolve) => socket.bind({ fd }, () => socket.connect(53, RESOLVER, resolve)));
    const seen = new Set<number>();
    const all = Promise.withResolvers<void>();
    const timer = setTimeout(() => all.reject(new Error(`${seen.size} answers`)), TIMEOUT_MS);
    socket.on('message', (answer) => {
      seen.add(answer.readUInt16BE(0));
      if (seen.size === 1000) all.resolve();
    });
    for (let id = 0; id < 1000; id += 1) {
      await new Promise((resolve) => socket.send(encode({ ...query('web'), id }), resolve));
    }
    process.kill(own.pid ?? 0, 'SIGKILL');
    await all.promise;
    clearTimeout(timer);
    socket.close();
    await own.close();
    there.close();
    deleteNetns(apart);
  });

  it("asks the sandbox's own servers from the sandbox", async () => {
    const own = parseIp('127.0.0.77');
    const respond = (packet: Buffer): Packet => {
      const { id = 0, questions = [] } = decode(packet);
      const answers = [{ type: 'A' as const, name: 'outside.test', data: '192.0.2.1' }];
      return { type: 'response', id, questions, answers };
    };
    const upstream = createSocket('udp4');
    upstream.on('message', (packet, from) => upstream.send(encode(respond(packet)), from.port, from.address));
    await new Promise<void>((resolve) => upstream.bind({ fd: openUdpSocketIn(ns, own, 53) }, resolve));
    const tcpUpstream = createServer((socket) => {
      // One small query arrives in one piece, or its length first.
      socket.on('error', () => {});
      let received: Buffer = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (received.length < 2 || received.length < received.readUInt16BE() + 2) return;
        socket.end(streamEncode(respond(received.subarray(2))));
      });
    });
    tcpUpstream.listen({ fd: openTcpListenerIn(ns, own, 53) });
    const other = new ProcessResolver({ sockets: new NetnsSandboxSockets() });
    await other.setView({ ...view, dns: { ...view.dns, servers: [own] } });
    assert.deepEqual(await askUdp(ns, 'outside.test'), ['192.0.2.1']);
    assert.deepEqual(await askTcp(ns, 'outside.test'), ['192.0.2.1']);
    await other.close();
    upstream.close();
    await new Promise((resolve) => tcpUpstream.close(resolve));
  });

  it('goes on with the ports of an earlier daemon that is gone', async () => {
    const one = new ProcessResolver({ sockets: new NetnsSandboxSockets() });
    await one.setView(view);
    await one.removeView(view.sandboxId);
    await one.removeView(view.sandboxId);
    const rules = rulesIn(ns);
    await one.setView(view);
    await one.setView({ ...view, networkIds: [] });
    await one.close();
    const next = new ProcessResolver({ sockets: new NetnsSandboxSockets() });
    await next.setView(view);
    assert.equal(rulesIn(ns), rules);
    assert.deepEqual(await askUdp(ns, 'nobody'), []);
    await next.close();
  });

  it('forgets a sandbox whose namespace is gone', async () => {
    const gone = `${path}-gone`;
    createNetns(gone);
    const sandboxId = newId();
    await resolver.setView({ ...view, sandboxId, sandboxPath: gone });
    deleteNetns(gone);
    await resolver.removeView(sandboxId);
    await assert.rejects(resolver.setView({ ...view, sandboxId, sandboxPath: gone }));
  });
});
