import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestHost } from '../../test/support/index.ts';
import { startHolder, stopChild } from '../../test/support/lan.ts';
import { gigabits, manualPair, microseconds, type Pair } from '../data-path.ts';
import { inspect, type Peer, start } from './engines.ts';
import type { Measure, Report } from './report.ts';
import type { Visitor } from './visitor.ts';

const ROUNDS = 3;
const PORT = 20_000;
const MANY = 1000;
const BY_HAND = 'nft DNAT by hand';
const SERVER = `require('net').createServer({ pauseOnConnect: true }, (s) => { s.on('error', () => {}); s.resume(); }).listen(${PORT}, '0.0.0.0', 4096, () => console.log('ready'))`;

/** Container to container, by turns with veth and bridge by hand. */
export async function dataPaths(peers: readonly Peer[], report: Report): Promise<void> {
  const through: Measure = {
    what: 'path: throughput of TCP',
    unit: 'Gbit/s',
    lower: false,
    target: '≥ 0.98 of by hand',
  };
  const round: Measure = { what: 'path, round trip', unit: 'µs', lower: true, target: '≥ 0.98 of by hand' };
  const manual = await manualPair();
  try {
    const pairs = new Map<string, Pair>([['veth + bridge by hand', manual.pair]]);
    for (const peer of peers) {
      for (const name of ['server', 'client']) await start(peer, name, { network: 'bench' });
      const server = await inspect(peer, 'server', 'bench');
      const { pid } = await inspect(peer, 'client', 'bench');
      pairs.set(peer.name, { server: server.pid, serverAddress: server.address, client: pid });
    }
    for (let count = 0; count < ROUNDS; count += 1) {
      for (const [name, pair] of pairs) {
        report.add(through, name, await gigabits(pair));
        report.add(round, name, await microseconds(pair));
      }
    }
  } finally {
    await manual.close();
  }
  for (const { api } of peers) for (const name of ['server', 'client']) await api.remove(name);
}

/** New connections from the LAN to a published port; the server is the same program everywhere. */
export async function connections(
  peers: readonly Peer[],
  report: Report,
  { visitor, bare }: { readonly visitor: Visitor; readonly bare: TestHost },
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  await byHand(bare, undo);
  for (const count of [1, MANY]) {
    const measure: Measure = {
      what: `connections: new per second through a port, ${count} published`,
      unit: '/s',
      lower: false,
      target: '≥ 0.9 of by hand',
    };
    // dockerd and podman take minutes for a thousand; what `ports` says of them is enough.
    const asked = count === 1 ? peers : peers.filter(({ name }) => name === 'fairway');
    if (asked.length < peers.length) report.note(measure, 'dockerd and podman left out: minutes to start, see ports');
    await using servers = new AsyncDisposableStack();
    for (const peer of asked) {
      const ports = Array.from({ length: count }, (_, index) => PORT + index);
      await start(peer, 'served', { network: 'bench', ports });
      servers.defer(() => peer.api.remove('served'));
      const { pid } = await inspect(peer, 'served', 'bench');
      await serve(pid, servers);
    }
    const hosts: [string, string][] = [[BY_HAND, bare.address]];
    for (const { name, host } of asked) hosts.push([name, host.address]);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [name, address] of hosts) {
        await visitor.until(address, PORT);
        report.add(measure, name, await visitor.rate(address, PORT));
      }
    }
  }
}

async function serve(pid: number, undo: AsyncDisposableStack): Promise<void> {
  const child = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', SERVER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  undo.defer(() => stopChild(child));
  await once(child.stdout, 'data');
}

/** A bridge, a veth and three rules. */
async function byHand(host: TestHost, undo: AsyncDisposableStack): Promise<void> {
  const holder = await startHolder(['-n'], 'true');
  undo.defer(() => stopChild(holder));
  const rules = `table ip hand {
    chain pre { type nat hook prerouting priority dstnat; fib daddr type local tcp dport ${PORT} dnat to 10.8.0.2:${PORT}; }
    chain post { type nat hook postrouting priority srcnat; ip saddr 10.8.0.0/24 oifname != "br0" masquerade; }
  }`;
  await host.ok([
    'sh',
    '-ec',
    `ip link add br0 type bridge forward_delay 0
    ip addr add 10.8.0.1/24 dev br0
    ip link set br0 up
    ip link add port0 type veth peer name eth0 netns ${holder.pid}
    ip link set port0 master br0 up
    sysctl -qw net.ipv4.ip_forward=1
    nft '${rules}'`,
  ]);
  const setUp =
    'ip link set lo up; ip link set eth0 up; ip addr add 10.8.0.2/24 dev eth0; ip route add default via 10.8.0.1';
  await host.ok(['nsenter', `--net=/proc/${holder.pid}/ns/net`, 'sh', '-ec', setUp]);
  await serve(holder.pid ?? 0, undo);
}
