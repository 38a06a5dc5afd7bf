import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { inside, OverlayLab, type Place, within } from '../src/drivers/overlay/testing/lab.ts';
import { Rtnl } from '../src/kernel/index.ts';
import type { NetworkRecord } from '../src/model/index.ts';
import { stopChild } from '../test/support/lan.ts';
import { gigabits, microseconds, type Pair } from './data-path.ts';
import { median, ms, type Row, time } from './stats.ts';

const ROUNDS = 5;
const JOINS = 20;
const MANY_NETWORKS = 100;

/**
 * Two hosts on one LAN, as namespaces: containers of an overlay network, by VXLAN and by direct routing, each beside a pair that
 * was made by hand with `ip` and `bridge` on two more such hosts, by turns; and what the first container of a network costs its
 * host.
 */
export async function overlay(): Promise<Row[]> {
  return [...(await encapsulated()), ...(await direct()), ...(await joins())];
}

async function encapsulated(): Promise<Row[]> {
  await using lab = new OverlayLab();
  const [one, two] = [await lab.node(1), await lab.node(2)];
  const network = lab.network();
  const client = await lab.join(one, network, 'client', ['10.77.0.2/24']);
  const server = await lab.join(two, network, 'server', ['10.77.0.3/24']);
  const manual = [await manualHost(lab, 3, 4), await manualHost(lab, 4, 3)] as const;
  await using ours = await pairOf(client, server, '10.77.0.3');
  await using theirs = await pairOf(manual[0], manual[1], '10.66.0.4');
  return await sideBySide({ what: 'overlay, two hosts', ours, baseline: 'hand-made VXLAN pair', theirs });
}

async function direct(): Promise<Row[]> {
  await using lab = new OverlayLab();
  const [one, two] = [await lab.node(1), await lab.node(2)];
  const options = { 'com.fairway.overlay.mode': 'direct' };
  const network = lab.network({ enableIpv6: false, options, driverState: { block: 28 } }, ['10.77.0.0/24']);
  const client = await lab.join(one, network, 'client', ['10.77.0.2/24']);
  const server = await lab.join(two, network, 'server', ['10.77.0.18/24']);
  const manual = [await routedHost(lab, 3, 4), await routedHost(lab, 4, 3)] as const;
  await using ours = await pairOf(client, server, '10.77.0.18');
  await using theirs = await pairOf(manual[0], manual[1], '10.66.4.2');
  return await sideBySide({
    what: 'overlay with direct routing, two hosts',
    ours,
    baseline: 'plain routes by hand',
    theirs,
  });
}

interface Contest {
  readonly what: string;
  readonly ours: Pair;
  readonly baseline: string;
  readonly theirs: Pair;
}

async function sideBySide({ what, ours, baseline, theirs }: Contest): Promise<Row[]> {
  const [throughput, baseThroughput, roundTrip, baseRoundTrip]: number[][] = [[], [], [], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    baseThroughput?.push(await gigabits(theirs));
    throughput?.push(await gigabits(ours));
    roundTrip?.push(await microseconds(ours));
    baseRoundTrip?.push(await microseconds(theirs));
  }
  const [gbits, baseGbits, micros, baseMicros] = [throughput, baseThroughput, roundTrip, baseRoundTrip].map((values) =>
    median(values ?? []),
  ) as [number, number, number, number];
  return [
    {
      what: `${what}, TCP throughput`,
      value: `${gbits.toFixed(1)} Gbit/s, ratio ${(gbits / baseGbits).toFixed(2)}`,
      baseline: `${baseline}: ${baseGbits.toFixed(1)} Gbit/s`,
      target: '≥ 0.95',
    },
    {
      what: `${what}, round trip`,
      value: `${micros.toFixed(1)} µs, ratio ${(baseMicros / micros).toFixed(2)}`,
      baseline: `${baseline}: ${baseMicros.toFixed(1)} µs`,
      target: '≥ 0.95',
    },
  ];
}

/** A bridge with an address, a veth pair and a route to the other host's subnet, without any rules. */
async function routedHost(lab: OverlayLab, number: number, other: number): Promise<Place> {
  const container = await manualContainer(
    lab,
    number,
    `sysctl -qw net.ipv4.ip_forward=1
     ip link add br0 type bridge forward_delay 0
     ip addr add 10.66.${number}.1/24 dev br0
     ip link set br0 up
     ip route add 10.66.${other}.0/24 via 192.0.2.${other}
     ip link add port0 type veth peer name eth1`,
  );
  await inside(
    container,
    'sh',
    '-ec',
    `ip addr add 10.66.${number}.2/24 dev eth0; ip route add default via 10.66.${number}.1`,
  );
  return container;
}

/** What anybody would type: a bridge, a VXLAN link that floods to the other host, a veth pair. Returns where its container is. */
async function manualHost(lab: OverlayLab, number: number, other: number): Promise<Place> {
  const container = await manualContainer(
    lab,
    number,
    `ip link add vx0 type vxlan id 4242 dstport 4789 local 192.0.2.${number}
     bridge fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.${other}
     ip link add br0 type bridge forward_delay 0
     ip link set vx0 mtu 1450 master br0 up
     ip link set br0 up
     ip link add port0 mtu 1450 type veth peer name eth1 mtu 1450`,
  );
  await inside(container, 'ip', 'addr', 'add', `10.66.0.${number}/24`, 'dev', 'eth0');
  return container;
}

/** A host on the LAN, set up by a script that makes `br0`, and `port0` whose other end `eth1` becomes its container's `eth0`. */
async function manualContainer(lab: OverlayLab, number: number, script: string): Promise<Place> {
  const host = lab.place(`manual${number}`);
  const container = lab.place(`manual${number}-container`);
  lab.plug(host, `manual${number}`);
  await inside(
    host,
    'sh',
    '-ec',
    `ip addr add 192.0.2.${number}/24 dev eth0\n${script}\nip link set port0 master br0 up`,
  );
  using rtnl = Rtnl.open(host.ns);
  rtnl.links.set(rtnl.links.get('eth1')?.index ?? 0, { netns: container.ns, name: 'eth0' });
  await inside(container, 'sh', '-ec', 'ip link set lo up; ip link set eth0 up');
  return container;
}

/** A process in each place, by which it is entered. */
async function pairOf(client: Place, server: Place, serverAddress: string): Promise<Pair & AsyncDisposable> {
  const holders = await Promise.all([client, server].map(holderIn));
  const [first, second] = holders;
  return {
    client: first?.pid ?? 0,
    server: second?.pid ?? 0,
    serverAddress,
    [Symbol.asyncDispose]: async () => {
      for (const holder of holders) await stopChild(holder);
    },
  };
}

async function holderIn(place: Place): Promise<ChildProcess> {
  const holder = spawn('nsenter', [`--net=${place.path}`, 'sh', '-c', 'echo ready; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  return holder;
}

/** All that the driver does for the first container of a network on its host, with one network there and with many. */
async function joins(): Promise<Row[]> {
  await using lab = new OverlayLab();
  const node = await lab.node(1);
  let made = 0;
  const nextNetwork = (): NetworkRecord => {
    made += 1;
    return lab.network({ driverState: { vni: 5000 + made } });
  };
  const timed = (): Promise<number[]> => {
    const work = Array.from({ length: JOINS }, () => ({ network: nextNetwork(), place: lab.place(`bench${made}`) }));
    return time(JOINS, async (index) => {
      const one = work[index];
      if (one === undefined) return;
      const { network, place } = one;
      await within(node, () => node.driver.createNetwork(network));
      node.driver.replacePeers(network, []);
      const spec = lab.spec(place, network, ['10.77.0.2/24', 'fd77::2/64']);
      const { state } = await within(node, () => node.driver.attach(spec));
      await within(node, () => node.driver.detach(spec, state));
      await within(node, () => node.driver.removeNetwork(network));
    });
  };
  const alone = await timed();
  for (let more = 0; more < MANY_NETWORKS; more += 1) {
    const network = nextNetwork();
    await within(node, () => node.driver.createNetwork(network));
  }
  const among = await timed();
  return [
    {
      what: `overlay, a network made on its host, a container joined, both taken away, among ${MANY_NETWORKS} networks`,
      value: `${ms(among)}, ratio ${(median(alone) / median(among)).toFixed(2)}`,
      baseline: `no other network: ${ms(alone)}`,
      target: 'flat',
    },
  ];
}
