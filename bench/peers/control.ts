import { bareBridge } from '../control-plane.ts';
import { median, time } from '../stats.ts';
import { create, footprint, inspect, type Peer, start } from './engines.ts';
import type { Measure, Report } from './report.ts';
import type { Visitor } from './visitor.ts';

const NETWORK_ROUNDS = 25;
const START_ROUNDS = 15;
const LIVE_ROUNDS = 20;
const PORT = 8000;
const SERVER = ['httpd', '-f', '-p', String(PORT)];
const PORT_COUNTS = [1, 32, 206, 1000, 10_000];
/** A peer is left out where it would take longer than this, going by what it took before. */
const PATIENCE_MS = 45_000;
const FIRST_PORT = 20_000;

const less = (what: string, unit: string, target?: string): Measure =>
  target === undefined ? { what, unit, lower: true } : { what, unit, lower: true, target };

/** Networks made and removed. */
export async function networks(peers: readonly Peer[], report: Report): Promise<void> {
  const made = less('network: create', 'ms', '≥ 10 × dockerd');
  const gone = less('network: remove', 'ms', '≥ 10 × dockerd');
  for (let round = 0; round < NETWORK_ROUNDS; round += 1) {
    for (const { name, api } of peers) {
      const created = await time(1, async () => void (await api.call('POST', '/networks/create', { Name: 'fresh' })));
      const removed = await time(1, async () => void (await api.call('DELETE', '/networks/fresh')));
      // The first of each also loads what it needs.
      if (round === 0) continue;
      report.add(made, name, ...created);
      report.add(gone, name, ...removed);
    }
  }
  const bare = bareBridge();
  report.add(made, 'bare bridge + address', ...bare.created);
  report.add(gone, 'bare bridge', ...bare.deleted);
}

/** Create and start, to the first connection from the LAN; the network's share is what `none` does not take. */
export async function starts(peers: readonly Peer[], report: Report, visitor: Visitor): Promise<void> {
  const answered = less('start: create + start to the first connection', 'ms', '≤ 80 ms, ≥ 3.5 × dockerd');
  const bridged = less('start: create + start, user bridge, one port', 'ms');
  const none = less('start: create + start, --network none', 'ms');
  const share = less('start: the network’s share', 'ms', '≤ 5 ms, ≥ 10 × dockerd');
  const taken = new Map(peers.map(({ name }) => [name, { bridged: [] as number[], none: [] as number[] }]));
  for (let round = 0; round <= START_ROUNDS; round += 1) {
    for (const peer of peers) {
      const begin = performance.now();
      const connected = visitor.until(peer.host.address, PORT).then(() => performance.now() - begin);
      await start(peer, 'server', { network: 'bench', ports: [PORT], cmd: SERVER });
      const started = performance.now() - begin;
      const first = await connected;
      await peer.api.remove('server');
      const [alone = 0] = await time(1, () => start(peer, 'alone', { network: 'none' }));
      await peer.api.remove('alone');
      if (round === 0) continue;
      report.add(answered, peer.name, first);
      report.add(bridged, peer.name, started);
      report.add(none, peer.name, alone);
      taken.get(peer.name)?.bridged.push(started);
      taken.get(peer.name)?.none.push(alone);
    }
  }
  for (const [name, by] of taken) report.add(share, name, median(by.bridged) - median(by.none));
}

/** A running container connected to another network, and disconnected. */
export async function live(peers: readonly Peer[], report: Report): Promise<void> {
  const connected = less('live: connect', 'ms', '≥ 10 × dockerd');
  const disconnected = less('live: disconnect', 'ms', '≥ 10 × dockerd');
  for (const peer of peers) {
    await peer.api.call('POST', '/networks/create', { Name: 'second' });
    await start(peer, 'mover', { network: 'bench' });
  }
  for (let round = 0; round <= LIVE_ROUNDS; round += 1) {
    for (const { name, api } of peers) {
      const call = (verb: string) => async (): Promise<void> =>
        void (await api.call('POST', `/networks/second/${verb}`, { Container: 'mover' }));
      const on = await time(1, call('connect'));
      const off = await time(1, call('disconnect'));
      if (round === 0) continue;
      report.add(connected, name, ...on);
      report.add(disconnected, name, ...off);
    }
  }
  for (const { api } of peers) {
    await api.remove('mover');
    await api.call('DELETE', '/networks/second');
  }
}

/** One container with many ports: time of its start, and what each port costs beyond the first. */
export async function ports(peers: readonly Peer[], report: Report): Promise<void> {
  const one = new Map<string, number>();
  const last = new Map<string, { count: number; taken: number }>();
  for (const count of PORT_COUNTS) {
    const target = count === 206 ? '≤ 150 ms' : undefined;
    const taken = less(`ports: start with ${count}`, 'ms', target);
    const each = less(`ports, time of each: of ${count}`, 'ms a port', '≤ 0.2 ms, flat');
    const memory = less(`ports, memory of each: of ${count}`, 'KiB a port', '≤ 4 KiB');
    const processes = less(`ports, processes: with ${count}`, 'more processes', 'none');
    for (let round = 0; round < (count > 206 ? 1 : 2); round += 1) {
      for (const peer of peers) {
        const before = last.get(peer.name);
        const expected = before === undefined ? 0 : (before.taken * count) / before.count;
        // What it takes grows at least with the ports; a peer that has not answered within its time has no more to show.
        if (before !== undefined && before.count !== count && expected > PATIENCE_MS && peer.name !== 'fairway') {
          report.note(
            taken,
            `${peer.name} left out: ${Math.round(expected / 1000)} s or more, from its ${before.count}`,
          );
          continue;
        }
        const measured = await startWithPorts(peer, count);
        report.add(taken, peer.name, measured.ms);
        if (count === 1) one.set(peer.name, Math.min(measured.ms, one.get(peer.name) ?? Number.POSITIVE_INFINITY));
        else report.add(each, peer.name, Math.max(measured.ms - (one.get(peer.name) ?? 0), 0) / (count - 1));
        if (count >= 206) {
          report.add(memory, peer.name, (measured.memory * 1024) / count);
          report.add(processes, peer.name, measured.processes);
        }
        last.set(peer.name, { count, taken: measured.ms });
      }
    }
  }
}

/** With what the engine has more, compared with the same container without ports. */
async function startWithPorts(peer: Peer, count: number): Promise<{ ms: number; memory: number; processes: number }> {
  await start(peer, 'plain', { network: 'bench' });
  const before = footprint(peer);
  await peer.api.remove('plain');
  const list = Array.from({ length: count }, (_, index) => FIRST_PORT + index);
  await create(peer, 'many', { network: 'bench', ports: list });
  const [taken = 0] = await time(1, async () => void (await peer.api.call('POST', '/containers/many/start')));
  const after = footprint(peer);
  const { pid } = await inspect(peer, 'many', 'bench');
  if (pid === 0) throw new Error(`${peer.name}: a container with ${count} ports does not run`);
  await peer.api.remove('many');
  return {
    ms: taken,
    memory: Math.max(after.memory - before.memory, 0),
    processes: after.processes - before.processes,
  };
}
