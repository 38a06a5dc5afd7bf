import { bareBridge } from '../control-plane.ts';
import { time } from '../stats.ts';
import { COUNTS } from './counts.ts';
import { NETWORK, type Peer, start } from './engines.ts';
import { less } from './report.ts';
import type { Turns } from './turns.ts';
import type { Visitor } from './visitor.ts';

const PORT = 8000;
const SERVER = ['httpd', '-f', '-p', String(PORT)];

/** Networks made and removed. */
export async function networks(turns: Turns): Promise<void> {
  const made = less('network: create', 'ms', '≥ 10 × dockerd');
  const gone = less('network: remove', 'ms', '≥ 10 × dockerd');
  for await (const round of turns.rounds(COUNTS.networkRounds)) {
    await turns.each(async ({ name, api }) => {
      const created = await time(1, async () => void (await api.call('POST', '/networks/create', { Name: 'fresh' })));
      const removed = await time(1, async () => void (await api.call('DELETE', '/networks/fresh')));
      // The first of each also loads what it needs.
      if (round === 0) return;
      turns.report.add(made, name, ...created);
      turns.report.add(gone, name, ...removed);
    });
  }
  const bare = bareBridge();
  turns.report.add(made, 'bare bridge + address', ...bare.created);
  turns.report.add(gone, 'bare bridge', ...bare.deleted);
}

/**
 * Create and start, to the first answer that a client on the LAN gets. The network's share is what the same start takes more than with `none`:
 * of two that follow each other, without anybody who knocks meanwhile, and by turns one of them first.
 */
export async function starts(turns: Turns, visitor: Visitor): Promise<void> {
  const answered = less('start: create + start to the first answer', 'ms', '≤ 80 ms, ≥ 3.5 × dockerd');
  const bridged = less('start: create + start, user bridge, one port', 'ms');
  const none = less('start: create + start, --network none', 'ms');
  const share = less('start: the network’s share', 'ms', '≤ 5 ms, ≥ 10 × dockerd');
  for await (const round of turns.rounds(COUNTS.startRounds + 1)) {
    await turns.each(async (peer) => {
      const begin = performance.now();
      const connected = visitor.answered(peer.host.address, PORT).then(() => performance.now() - begin);
      // Said below, after the start's own failure.
      connected.catch(() => {});
      await start(peer, 'server', { network: NETWORK, ports: [PORT], cmd: SERVER });
      const first = await connected;
      await peer.api.remove('server');
      if (round > 0) turns.report.add(answered, peer.name, first);
      const taken = { bridged: 0, none: 0 };
      for (const kind of inTurn(round)) taken[kind] = await startOnce(peer, kind);
      if (round === 0) return;
      turns.report.add(bridged, peer.name, taken.bridged);
      turns.report.add(none, peer.name, taken.none);
      turns.report.add(share, peer.name, taken.bridged - taken.none);
    });
  }
}

type Kind = 'bridged' | 'none';

function inTurn(round: number): readonly Kind[] {
  const kinds = ['bridged', 'none'] as const;
  return round % 2 === 0 ? kinds : kinds.toReversed();
}

async function startOnce(peer: Peer, kind: Kind): Promise<number> {
  const container = kind === 'none' ? { network: 'none' } : { network: NETWORK, ports: [PORT] };
  const [taken = 0] = await time(1, () => start(peer, kind, { ...container, cmd: SERVER }));
  await peer.api.remove(kind);
  return taken;
}

/** A running container connected to another network, and disconnected. */
export async function live(turns: Turns): Promise<void> {
  const connected = less('live: connect', 'ms', '≥ 10 × dockerd');
  const disconnected = less('live: disconnect', 'ms', '≥ 10 × dockerd');
  await turns.each(async (peer) => {
    await peer.api.call('POST', '/networks/create', { Name: 'second' });
    await start(peer, 'mover', { network: NETWORK });
  });
  for await (const round of turns.rounds(COUNTS.liveRounds + 1)) {
    await turns.each(async (peer) => {
      const [on, off] = await move(peer, 'mover', 'second');
      if (round === 0) return;
      turns.report.add(connected, peer.name, on);
      turns.report.add(disconnected, peer.name, off);
    });
  }
}

/** Milliseconds to connect a running container to another network, and to disconnect it again. */
export async function move({ api }: Peer, container: string, network: string): Promise<[number, number]> {
  const call = (verb: string) => async (): Promise<void> =>
    void (await api.call('POST', `/networks/${network}/${verb}`, { Container: container }));
  const [on = 0] = await time(1, call('connect'));
  const [off = 0] = await time(1, call('disconnect'));
  return [on, off];
}
