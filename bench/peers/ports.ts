import { median, time } from '../stats.ts';
import { COUNTS } from './counts.ts';
import { create, footprint, inspect, NETWORK, type Peer, start } from './engines.ts';
import { upTo } from './parallel.ts';
import { less, type Measure } from './report.ts';
import type { Turns } from './turns.ts';

/** A peer is left out where it would take longer than this, going by what it took before. */
const PATIENCE_MS = 25_000;
/** Of starts with the same ports; who has had its time before sits the rest out. */
const ROUNDS = 10;
const ROUNDS_MS = 8000;
/** Steps between which the price of a port is taken: with fewer ports it is lost in what a start takes now and then. */
const STEPS = [1, 206, 1000, 10_000];
const FIRST_PORT = 20_000;
/** Containers whose starts are compared: the first and the last of a row. */
const ENDS = 5;

/** Milliseconds for each port, at least, as each peer has shown. */
export type Pace = Map<string, number>;

/** One container with ever more ports. */
export async function ports(turns: Turns, pace: Pace): Promise<void> {
  await onOne(turns, pace);
  const paceApart: Pace = new Map(pace);
  for (const count of COUNTS.portsApart) await apart(turns, paceApart, count);
}

/** Many containers with some ports each. */
export async function portsOnMany(turns: Turns, pace: Pace): Promise<void> {
  for (const size of COUNTS.portsOnMany) await onMany(turns, pace, size);
}

/** Time of a start with so many ports, and what each costs more than in the step before: flat, or growing. */
async function onOne(turns: Turns, pace: Pace): Promise<void> {
  const before = new Map<string, { count: number; ms: number }>();
  for (const count of COUNTS.ports) {
    const taken = less(`ports: start with ${count}`, 'ms', count === 206 ? '≤ 150 ms' : undefined);
    const memory = less(`ports, memory of each: of ${count}`, 'KiB a port', '≤ 4 KiB');
    const processes = less(`ports, processes: with ${count}`, 'more processes', 'none');
    const found = new Map<string, number[]>();
    const spent = new Map<string, number>();
    for (const round of upTo(ROUNDS)) {
      if (round > 0 && turns.timeIsOver) break;
      await turns.each(
        async (peer) => {
          const begin = performance.now();
          const measured = await startWithPorts(peer, count);
          spent.set(peer.name, (spent.get(peer.name) ?? 0) + performance.now() - begin);
          found.set(peer.name, [...(found.get(peer.name) ?? []), measured.ms]);
          turns.report.add(taken, peer.name, measured.ms);
          if (count < 206) return;
          turns.report.add(memory, peer.name, (measured.memory * 1024) / count);
          turns.report.add(processes, peer.name, measured.processes);
        },
        (peer) =>
          (spent.get(peer.name) ?? 0) < ROUNDS_MS && patient(turns, peer, taken, (pace.get(peer.name) ?? 0) * count),
      );
    }
    for (const [name, all] of found) {
      const ms = median(all);
      // What it takes grows at least with the ports.
      if (count > 1) pace.set(name, ms / count);
      if (!STEPS.includes(count)) continue;
      const last = before.get(name);
      before.set(name, { count, ms });
      if (last === undefined) continue;
      const each = less(`ports, time of each: from ${last.count} to ${count}`, 'ms a port', '≤ 0.2 ms, flat');
      turns.report.add(each, name, (ms - last.ms) / (count - last.count));
    }
  }
}

/** No two of them neighbours, for podman makes one rule of a whole range. */
async function apart(turns: Turns, pace: Pace, count: number): Promise<void> {
  const taken = less(`ports: start with ${count}, no two of them neighbours`, 'ms');
  await turns.each(
    async (peer) => {
      const { ms } = await startWithPorts(peer, count, 2);
      turns.report.add(taken, peer.name, ms);
      pace.set(peer.name, ms / count);
    },
    (peer) => patient(turns, peer, taken, (pace.get(peer.name) ?? 0) * count),
  );
}

/** Started one after the other: the first beside the last. */
async function onMany(turns: Turns, pace: Pace, size: { containers: number; each: number }): Promise<void> {
  const total = size.containers * size.each;
  const row = `ports on many: ${size.containers} containers with ${size.each} each`;
  const first = less(`${row}, start of one of the first ${ENDS}`, 'ms');
  const last = less(`${row}, start of one of the last ${ENDS}`, 'ms', 'as the first');
  await turns.each(
    async (peer) => {
      const taken: number[] = [];
      const begin = performance.now();
      for (const index of upTo(size.containers)) {
        const ports = upTo(size.each).map((port) => FIRST_PORT + index * size.each + port);
        await create(peer, `many${index}`, { network: NETWORK, ports });
        taken.push(
          ...(await time(1, async () => void (await peer.api.call('POST', `/containers/many${index}/start`)))),
        );
        turns.goOn();
        // It has become slower than expected: enough has been seen.
        if (performance.now() - begin > PATIENCE_MS) break;
      }
      turns.report.add(first, peer.name, ...taken.slice(0, ENDS));
      turns.report.add(last, peer.name, ...taken.slice(-ENDS));
      if (taken.length < size.containers) {
        turns.report.note(last, `${peer.name}: of ${taken.length} containers, then the time was over`);
      }
      for (const index of upTo(taken.length)) await peer.api.remove(`many${index}`);
    },
    (peer) => patient(turns, peer, first, (pace.get(peer.name) ?? 0) * total),
  );
}

/** Fairway is measured in any case. */
function patient(turns: Turns, peer: Peer, measure: Measure, expectedMs: number): boolean {
  if (expectedMs <= PATIENCE_MS || peer.name === 'fairway') return true;
  turns.report.note(measure, `${peer.name} left out: ${Math.round(expectedMs / 1000)} s or more, by its pace before`);
  return false;
}

/** With what the engine has more, compared with the same container without ports. */
async function startWithPorts(
  peer: Peer,
  count: number,
  step = 1,
): Promise<{ ms: number; memory: number; processes: number }> {
  await start(peer, 'plain', { network: NETWORK });
  const before = footprint(peer);
  await peer.api.remove('plain');
  await create(peer, 'many', { network: NETWORK, ports: upTo(count).map((index) => FIRST_PORT + index * step) });
  const [taken = 0] = await time(1, async () => void (await peer.api.call('POST', '/containers/many/start')));
  const after = footprint(peer);
  const { pid } = await inspect(peer, 'many');
  if (pid === 0) throw new Error(`a container with ${count} ports does not run`);
  await peer.api.remove('many');
  return {
    ms: taken,
    memory: Math.max(after.memory - before.memory, 0),
    processes: after.processes - before.processes,
  };
}
