import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { release } from 'node:os';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { type Ip, type Mac, parseCidr, UnsupportedError } from '../base/index.ts';
import { AF_INET, connectSocket, inetAddress, openSocket, SOCK_STREAM } from './ffi/index.ts';
import {
  bindMount,
  createNetns,
  deleteNetns,
  flushConntrack,
  hasFeature,
  holdPort,
  isErrno,
  isMountPoint,
  listFlows,
  localPort,
  Nft,
  openFdCount,
  openNetns,
  openTcpListenerIn,
  openUdpSocketIn,
  Rtnl,
  readSysctl,
  requireFeature,
  runInNetns,
  sendGratuitousArp,
  sendUnsolicitedNa,
  unmount,
  writeSysctl,
} from './index.ts';

const path = `/run/netns/fwt-host-${process.pid}`;
const folder = `/run/fwt-mount-${process.pid}`;
const LOOPBACK = '127.0.0.1' as Ip;

describe('sockets, sysctl, conntrack, mounts and probes', () => {
  const before = openFdCount();
  createNetns(path);
  const ns = openNetns(path);
  const rtnl = Rtnl.open(ns);
  rtnl.links.set(1, { up: true });
  const closing: (() => void)[] = [];
  const udpSocket = (): DatagramSocket => {
    const socket = createSocket('udp4');
    closing.push(() => socket.close());
    return socket;
  };

  after(() => {
    for (const close of closing) close();
    rtnl.close();
    ns.close();
    deleteNetns(path);
    rmSync(folder, { recursive: true, force: true });
    assert.equal(openFdCount(), before);
  });

  it('holds a port against others, in one namespace', () => {
    using held = holdPort({ protocol: 'tcp', ip: '0.0.0.0' as Ip, port: 0, netns: ns });
    const port = localPort(held.fd);
    assert.ok(port > 0);
    for (const ip of [LOOPBACK, '0.0.0.0' as Ip]) {
      assert.throws(
        () => holdPort({ protocol: 'tcp', ip, port, netns: ns }),
        (error) => isErrno(error, 'EADDRINUSE') && String(error).includes(`hold tcp port ${ip}:${port}`),
      );
      assert.throws(
        () => openTcpListenerIn(ns, ip, port),
        (error) => isErrno(error, 'EADDRINUSE'),
      );
    }
    holdPort({ protocol: 'udp', ip: LOOPBACK, port, netns: ns }).close();
  });

  it('holds both families with one socket, or only IPv6', () => {
    using both = holdPort({ protocol: 'udp', ip: '::' as Ip, port: 0, netns: ns });
    assert.throws(
      () => holdPort({ protocol: 'udp', ip: LOOPBACK, port: localPort(both.fd), netns: ns }),
      (error) => isErrno(error, 'EADDRINUSE'),
    );
    using six = holdPort({ protocol: 'udp', ip: '::' as Ip, port: 0, v6only: true, netns: ns });
    holdPort({ protocol: 'udp', ip: LOOPBACK, port: localPort(six.fd), netns: ns }).close();
  });

  it('hands a UDP socket of the namespace to dgram', { timeout: 600_000 }, async () => {
    const fd = openUdpSocketIn(ns, LOOPBACK, 0);
    const port = localPort(fd);
    const server = udpSocket();
    server.bind({ fd });
    const client = udpSocket();
    client.bind({ fd: openUdpSocketIn(ns, LOOPBACK, 0) });
    client.send('hello', port, LOOPBACK);
    const [message] = await once(server, 'message');
    assert.equal(String(message), 'hello');
  });

  it('hands a TCP listener of the namespace to net', { timeout: 600_000 }, async () => {
    const fd = openTcpListenerIn(ns, LOOPBACK, 0);
    const port = localPort(fd);
    const server = createServer((socket) => socket.end('hello'));
    closing.push(() => server.close());
    server.listen({ fd });
    await once(server, 'listening');
    const inside = runInNetns(ns, () => openSocket(AF_INET, SOCK_STREAM, 0));
    connectSocket(inside.fd, inetAddress(LOOPBACK, port));
    const client = new Socket({ fd: inside.release() });
    closing.push(() => client.destroy());
    const [data] = await once(client, 'data');
    assert.equal(String(data), 'hello');
  });

  it('reads and writes sysctls of the namespace only', () => {
    const home = readSysctl('net.ipv4.ip_forward');
    writeSysctl('net.ipv4.ip_forward', readSysctl('net.ipv4.ip_forward', ns) === '1' ? 0 : 1, ns);
    assert.equal(readSysctl('net.ipv4.ip_forward'), home);
    writeSysctl('net/ipv4/conf/lo/forwarding', 1, ns);
    assert.equal(readSysctl(['net', 'ipv4', 'conf', 'lo', 'forwarding'], ns), '1');
    assert.throws(
      () => readSysctl('net.ipv4.no_such_thing', ns),
      (error) => isErrno(error, 'ENOENT') && /read sysctl net\/ipv4\/no_such_thing/.test(String(error)),
    );
  });

  it('finds and forgets tracked flows by filter', { timeout: 600_000 }, async () => {
    using nft = Nft.open(ns);
    nft.run(
      'add table ip t; add chain ip t c { type filter hook output priority 0; }; add rule ip t c ct state new accept',
    );
    const fd = openUdpSocketIn(ns, LOOPBACK, 0);
    const port = localPort(fd);
    const server = udpSocket();
    server.bind({ fd });
    const client = udpSocket();
    client.bind({ fd: openUdpSocketIn(ns, LOOPBACK, 0) });
    client.send('tracked', port, LOOPBACK);
    await once(server, 'message');
    const flow = listFlows(ns).find((found) => found.original.destinationPort === port);
    assert.equal(flow?.protocol, 'udp');
    assert.equal(flow?.original.destination, LOOPBACK);
    assert.equal(flow?.reply.source, LOOPBACK);
    assert.equal(flushConntrack({ protocol: 'tcp', port }, ns), 0);
    assert.equal(flushConntrack({ protocol: 'udp', port, replySource: LOOPBACK }, ns), 1);
    assert.equal(flushConntrack({ protocol: 'udp', port }, ns), 0);
  });

  it('announces addresses by ARP and by neighbour advertisement', { timeout: 600_000 }, async () => {
    const mac = '02:42:ac:12:00:02' as Mac;
    const veth = rtnl.links.createVeth({ name: 'fwta0', peerName: 'fwta1', mac });
    const peer = rtnl.links.get('fwta1');
    rtnl.links.set(veth.index, { up: true });
    rtnl.links.set(peer?.index ?? 0, { up: true });
    rtnl.addresses.add(peer?.index ?? 0, parseCidr('172.18.0.1/16'));
    writeSysctl('net/ipv4/conf/fwta1/arp_accept', 1, ns);
    sendUnsolicitedNa(ns, veth.index, mac, 'fd00::2' as Ip);
    const learned = (): Mac | undefined =>
      rtnl.neighbours.list(peer?.index).find((found) => found.ip === '172.18.0.2')?.mac;
    // What is sent before the kernel has noticed the carrier is lost, and the receiving end works in a softirq.
    for (let left = 1000; left > 0 && learned() !== mac; left -= 1) {
      sendGratuitousArp(ns, veth.index, mac, '172.18.0.2' as Ip);
      await new Promise((done) => setTimeout(done, 10));
    }
    assert.equal(learned(), mac);
  });

  it('binds a folder read-only and takes it away again', () => {
    mkdirSync(`${folder}/a b`, { recursive: true });
    mkdirSync(`${folder}/target`);
    bindMount(`${folder}/a b`, `${folder}/target`, { readOnly: true });
    assert.equal(isMountPoint(`${folder}/target`), true);
    assert.throws(
      () => writeFileSync(`${folder}/target/x`, ''),
      (error) => isErrno(error, 'EROFS'),
    );
    assert.equal(unmount(`${folder}/target`), true);
    assert.equal(unmount(`${folder}/target`), false);
    assert.equal(unmount(`${folder}/missing`, { detach: true }), false);
    assert.equal(isMountPoint(`${folder}/target`), false);
  });

  it('lets a process go before others, in small pieces where the kernel knows them', async () => {
    const program = `
      import { readFileSync } from 'node:fs';
      import { getPriority } from 'node:os';
      import { raisePriority } from '${new URL('./priority.ts', import.meta.url).href}';
      raisePriority(-7);
      process.stdout.write(getPriority() + ' ' + /^se.slice .*?(\\d+)$/m.exec(readFileSync('/proc/self/sched', 'utf8'))?.[1]);`;
    // Leads a session of its own.
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [nice, slice] = (await text(child.stdout)).split(' ');
    assert.equal(nice, '-7');
    const [major = 0, minor = 0] = release().split('.').map(Number);
    // Before 6.12 the slice is not one's own to choose; without scheduler statistics nobody can see it.
    if (slice !== 'undefined' && (major > 6 || (major === 6 && minor >= 12))) assert.equal(slice, '100000');
  });

  it('knows what the kernel has, and names what it lacks', () => {
    for (const feature of ['bridge', 'veth', 'nftables', 'nftablesNat', 'conntrack'] as const) requireFeature(feature);
    for (const feature of ['macvlan', 'ipvlan', 'vlan8021q', 'dummy', 'vxlan', 'vrf', 'ipv6'] as const) {
      if (hasFeature(feature)) continue;
      assert.throws(
        () => requireFeature(feature),
        (error) => error instanceof UnsupportedError && /^CONFIG_/.test(error.missing) && error.kind === 'unsupported',
      );
    }
  });
});
