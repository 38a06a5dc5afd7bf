import type { TestHost } from '../../test/support/index.ts';
import { gigabits, manualPair, microseconds, type Pair, throughput, within } from '../data-path.ts';
import { publishByHand, serve } from './by-hand.ts';
import { COUNTS } from './counts.ts';
import { inspect, NETWORK, type Peer, start } from './engines.ts';
import { upTo } from './parallel.ts';
import { less, type Measure, more } from './report.ts';
import type { Turns } from './turns.ts';
import { Visitor } from './visitor.ts';

const PORT = 20_000;
const STREAM_PORT = 20_001;
const OTHER_PORT = 20_002;
const OTHER_STREAM_PORT = 20_003;
/** dockerd's and podman's time for more is what `ports` tells. */
const SOME = 206;
const MANY = 1000;
const BY_HAND = 'by hand';

/** Container to container, by turns with veth and bridge by hand. */
export async function dataPaths(turns: Turns): Promise<void> {
  const target = '≥ 0.98 of by hand';
  const stream = more('path: throughput of TCP', 'Gbit/s', target);
  const trip = less('path, round trip: ping', 'µs', target);
  const made = more('path, connections: new per second', '/s', target);
  await using undo = new AsyncDisposableStack();
  const manual = await manualPair();
  undo.defer(() => manual.close());
  const ready = async (pair: Pair): Promise<{ pair: Pair; visitor: Visitor }> => {
    await serve(pair.server, PORT, undo);
    return { pair, visitor: undo.use(new Visitor(within(pair.client))) };
  };
  const measure = async (name: string, { pair, visitor }: { pair: Pair; visitor: Visitor }): Promise<void> => {
    turns.report.add(stream, name, await gigabits(pair, 1));
    turns.report.add(trip, name, await microseconds(pair, 2000));
    turns.report.add(made, name, await visitor.rate(pair.serverAddress, PORT));
  };
  const byHand = await ready(manual.pair);
  const pairs = new Map<string, { pair: Pair; visitor: Visitor }>();
  await turns.each(async (peer) => {
    for (const name of ['server', 'client']) await start(peer, name, { network: NETWORK });
    const server = await inspect(peer, 'server');
    const { pid } = await inspect(peer, 'client');
    pairs.set(peer.name, await ready({ server: server.pid, serverAddress: server.address, client: pid }));
  });
  for await (const _ of turns.rounds(COUNTS.pathRounds)) {
    await measure(BY_HAND, byHand);
    await turns.each(async ({ name }) => {
      const own = pairs.get(name);
      if (own !== undefined) await measure(name, own);
    });
  }
}

/** New connections from the LAN to a published port; the server is the same program everywhere. */
export async function connections(turns: Turns, visitor: Visitor, bare: TestHost): Promise<void> {
  for (const count of [1, SOME, MANY]) {
    const measure = more(`connections: new per second through a port, ${count} published`, '/s', '≥ 0.9 of by hand');
    const asked = (peer: Peer): boolean => count < MANY || peer.name === 'fairway';
    if (count === MANY) turns.report.note(measure, 'dockerd and podman left out: a minute to start, see ports');
    await using undo = new AsyncDisposableStack();
    await serve(await publishByHand(bare, [PORT], undo), PORT, undo);
    await turns.each(async (peer) => {
      await start(peer, 'served', { network: NETWORK, ports: upTo(count).map((index) => PORT + index) });
      await serve((await inspect(peer, 'served')).pid, PORT, undo);
      await visitor.until(peer.host.address, PORT);
    }, asked);
    await visitor.until(bare.address, PORT);
    for await (const _ of turns.rounds(COUNTS.connectionRounds)) {
      turns.report.add(measure, BY_HAND, await visitor.rate(bare.address, PORT));
      await turns.each(async ({ name, host }) => {
        turns.report.add(measure, name, await visitor.rate(host.address, PORT));
      }, asked);
    }
    await undo.disposeAsync();
    await turns.each(({ api }) => api.remove('served'), asked);
  }
}

interface Way {
  readonly what: string;
  readonly to: (host: TestHost) => string;
  readonly port: number;
  readonly streamPort: number;
  /** A container with IPv4 only: nothing in the kernel translates IPv6 to it. */
  readonly relayed: boolean;
}

/** The first two lead to a container with IPv4 only, the third to one with both. */
const WAYS: readonly Way[] = [
  { what: 'by 127.0.0.1', to: () => '127.0.0.1', port: PORT, streamPort: STREAM_PORT, relayed: false },
  { what: 'by its IPv4 address', to: ({ address }) => address, port: PORT, streamPort: STREAM_PORT, relayed: false },
  {
    ...{ what: 'by its IPv6 address', to: ({ address6 }: TestHost) => address6, relayed: false },
    ...{ port: OTHER_PORT, streamPort: OTHER_STREAM_PORT },
  },
  { what: 'by ::1 to IPv4', to: () => '::1', port: PORT, streamPort: STREAM_PORT, relayed: true },
  {
    what: 'by its IPv6 address to IPv4',
    to: ({ address6 }) => address6,
    port: PORT,
    streamPort: STREAM_PORT,
    relayed: true,
  },
];

/** From a host to the ports that it publishes itself. */
export async function published(turns: Turns, bare: TestHost): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const pid = await publishByHand(
    bare,
    WAYS.flatMap(({ port, streamPort }) => [port, streamPort]),
    undo,
  );
  for (const port of [PORT, OTHER_PORT]) await serve(pid, port, undo);
  const servers = new Map<string, { four: number; both: number }>([[BY_HAND, { four: pid, both: pid }]]);
  const visitors = new Map([[BY_HAND, undo.use(new Visitor(bare.inside([])))]]);
  await turns.each(async (peer) => {
    const IPAM = { Config: [{ Subnet: '10.77.0.0/24' }, { Subnet: 'fd77::/64' }] };
    await peer.api.call('POST', '/networks/create', { Name: 'both', EnableIPv6: true, IPAM });
    await start(peer, 'four', { network: NETWORK, ports: [PORT, STREAM_PORT] });
    await start(peer, 'both', { network: 'both', ports: [OTHER_PORT, OTHER_STREAM_PORT] });
    const [four, both] = [await inspect(peer, 'four'), await inspect(peer, 'both', 'both')];
    await serve(four.pid, PORT, undo);
    await serve(both.pid, OTHER_PORT, undo);
    servers.set(peer.name, { four: four.pid, both: both.pid });
    visitors.set(peer.name, undo.use(new Visitor(peer.host.inside([]))));
  });
  for await (const _ of turns.rounds(COUNTS.publishedRounds)) {
    for (const way of WAYS) {
      const target = way.relayed ? undefined : '≥ 0.9 of by hand';
      const from = way.relayed ? 'relay' : 'from the host';
      const measures: Measures = {
        stream: more(`${from}, throughput: ${way.what}`, 'Gbit/s', target),
        trip: less(`${from}, round trip: ${way.what}`, 'µs', target),
        made: more(`${from}, connections: ${way.what}`, '/s', target),
      };
      const measure = async (name: string, host: TestHost): Promise<void> => {
        const [server, visitor] = [servers.get(name), visitors.get(name)];
        if (server === undefined || visitor === undefined) return;
        const behind = way.port === PORT ? server.four : server.both;
        await walk(turns, name, { host, visitor, server: behind, way, measures });
      };
      if (!way.relayed) await measure(BY_HAND, bare);
      await turns.each(({ name, host }) => measure(name, host));
    }
  }
}

interface Measures {
  readonly stream: Measure;
  readonly trip: Measure;
  readonly made: Measure;
}

interface Walk {
  readonly host: TestHost;
  readonly visitor: Visitor;
  /** A process of the container. */
  readonly server: number;
  readonly way: Way;
  readonly measures: Measures;
}

/** A way that an engine does not have is no failure; the report says so. */
async function walk(turns: Turns, name: string, { host, visitor, server, way, measures }: Walk): Promise<void> {
  const address = way.to(host);
  try {
    turns.report.add(measures.trip, name, await visitor.echo(address, way.port));
  } catch (error) {
    turns.goOn();
    for (const measure of Object.values(measures)) {
      turns.report.note(measure, `${name}: ${error instanceof Error ? error.message : error}`);
    }
    return;
  }
  turns.report.add(measures.made, name, await visitor.rate(address, way.port));
  const ends = { client: host.inside([]), server: within(server), address, port: way.streamPort, seconds: 1 };
  turns.report.add(measures.stream, name, await throughput(ends));
}
