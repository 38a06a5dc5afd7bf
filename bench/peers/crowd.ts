import { setTimeout as sleep } from 'node:timers/promises';
import { time } from '../stats.ts';
import { move } from './control.ts';
import { COUNTS } from './counts.ts';
import { footprint, inspect, NETWORK, type Peer, start } from './engines.ts';
import { ask } from './names.ts';
import { inParallel, upTo } from './parallel.ts';
import { less, more } from './report.ts';
import type { Turns } from './turns.ts';

const FEW = 10;
const PARALLEL = [1, 8, 32];
const SETTLE_MS = 2000;
const MOVES = 7;
const LOOKS = 15;
const ASKING_MS = 500;
/** A daemon's start. */
const LONG_MS = 8000;

/** Memory of an engine with nothing to do; first of all parts. */
export async function idle(turns: Turns): Promise<void> {
  await sleep(SETTLE_MS);
  const memory = less('memory, idle: all processes of the engine', 'MiB', '≤ 150 MB');
  await turns.each(async (peer) => turns.report.add(memory, peer.name, footprint(peer).memory));
}

/**
 * Many containers on one network: started and removed so many at once, memory of each, and what a network with 1, 10 and all
 * of them costs those who attach to it, look at it and ask for names.
 */
export async function crowd(turns: Turns): Promise<void> {
  const memory = less('memory: of each container', 'MiB', '≤ 3 MB');
  await turns.each(async (peer) => {
    await peer.api.call('POST', '/networks/create', { Name: 'aside' });
    await start(peer, 'mover', { network: 'aside' });
  });
  for (const parallel of PARALLEL) {
    // One after the other they say as much in less time.
    const indices = upTo(parallel === 1 ? FEW : COUNTS.crowd);
    const started = more(`crowd: started, ${parallel} at once`, '/s');
    const removed = more(`crowd: removed, ${parallel} at once`, '/s');
    await turns.each(async (peer) => {
      const before = footprint(peer).memory;
      const run = (index: number): Promise<void> => start(peer, `crowd${index}`, { network: NETWORK });
      let alone = 0;
      if (parallel === 1) {
        [alone = 0] = await time(1, () => run(0));
        await look(turns, peer, 1);
      }
      const [up = 0] = await time(1, () => inParallel(indices.slice(parallel === 1 ? 1 : 0), parallel, run));
      turns.report.add(started, peer.name, (indices.length * 1000) / (alone + up));
      if (parallel < 32) await look(turns, peer, indices.length);
      if (parallel === 8) {
        await sleep(SETTLE_MS);
        turns.report.add(memory, peer.name, (footprint(peer).memory - before) / indices.length);
      }
      turns.goOn();
      const [down = 0] = await time(1, () =>
        inParallel(indices, parallel, (index) => peer.api.remove(`crowd${index}`)),
      );
      turns.report.add(removed, peer.name, (indices.length * 1000) / down);
    });
  }
}

/** A network with so many endpoints: attach, `network inspect`, `ps`, names. */
async function look(turns: Turns, peer: Peer, count: number): Promise<void> {
  const { report } = turns;
  const many = `${count} endpoint${count === 1 ? '' : 's'}`;
  for (const round of upTo(MOVES)) {
    const [on] = await move(peer, 'mover', NETWORK);
    if (round > 0) report.add(less(`endpoints, attach: to a network with ${many}`, 'ms', 'as with 10'), peer.name, on);
  }
  const shown = less(`endpoints, network inspect: ${many}`, 'ms', 'flat or linear');
  const listed = less(`endpoints, ps: ${many}`, 'ms', 'flat or linear');
  report.add(
    shown,
    peer.name,
    ...(await time(LOOKS, async () => void (await peer.api.call('GET', `/networks/${NETWORK}`)))),
  );
  report.add(
    listed,
    peer.name,
    ...(await time(LOOKS, async () => void (await peer.api.call('GET', '/containers/json')))),
  );
  const question = { what: 'a container’s name', name: 'crowd0', code: 0, ms: ASKING_MS };
  const { rate } = await ask(peer, await inspect(peer, 'crowd0'), question);
  report.add(more(`endpoints, names: rate among ${many}`, '/s', 'flat'), peer.name, rate);
}

/** One, ten and a hundred networks: attach, `network ls`, memory of each. */
export async function manyNetworks(turns: Turns): Promise<void> {
  const memory = less('memory: of each network', 'KiB');
  const before = new Map<string, number>();
  await turns.each(async (peer) => {
    await start(peer, 'mover', { network: NETWORK });
    await sleep(SETTLE_MS);
    before.set(peer.name, footprint(peer).memory);
  });
  let made = 0;
  for (const count of COUNTS.networks) {
    const fresh = upTo(count).slice(made);
    await turns.each(async (peer) => {
      for (const index of fresh) await makeNetwork(peer, index);
      const taken: number[] = [];
      for (const round of upTo(MOVES)) {
        const [on] = await move(peer, 'mover', `many${count - 1}`);
        if (round > 0) taken.push(on);
      }
      turns.report.add(less(`networks, attach: with ${count}`, 'ms', 'flat'), peer.name, ...taken);
      const listed = await time(LOOKS, async () => void (await peer.api.call('GET', '/networks')));
      turns.report.add(less(`networks, network ls: with ${count}`, 'ms', 'flat or linear'), peer.name, ...listed);
      if (count < Math.max(...COUNTS.networks)) return;
      await sleep(SETTLE_MS);
      const more = footprint(peer).memory - (before.get(peer.name) ?? 0);
      turns.report.add(memory, peer.name, (more * 1024) / count);
    });
    made = count;
  }
}

/** With addresses of its own: dockerd has only thirty networks to give by itself. */
export async function makeNetwork({ api }: Peer, index: number): Promise<void> {
  const IPAM = { Config: [{ Subnet: `10.${100 + (index >> 8)}.${index & 255}.0/24` }] };
  await api.call('POST', '/networks/create', { Name: `many${index}`, IPAM });
}

/** A daemon that starts and finds networks and running containers. */
export async function restarts(turns: Turns): Promise<void> {
  const { containers, more, networks } = COUNTS.restart;
  const restartable = (peer: Peer): boolean => peer.restart !== undefined;
  await turns.each(async (peer) => {
    for (const index of upTo(networks)) await makeNetwork(peer, index);
    await populate(peer, upTo(containers));
    await restart(turns, peer, containers);
    // More says the same about dockerd, and takes it a minute.
    if (peer.name !== 'fairway') return;
    await populate(peer, upTo(containers + more).slice(containers));
    await restart(turns, peer, containers + more);
  }, restartable);
}

async function populate(peer: Peer, indices: readonly number[]): Promise<void> {
  const { networks } = COUNTS.restart;
  await inParallel(indices, 8, (index) => start(peer, `kept${index}`, { network: `many${index % networks}` }));
}

async function restart(turns: Turns, peer: Peer, count: number): Promise<void> {
  const found = `${COUNTS.restart.networks} networks and ${count} containers`;
  const answers = less(`restart, API answers: ${found}`, 'ms', '≤ 1 s');
  const ready = less(`restart, all is known to be in order: ${found}`, 'ms', '≤ 3 s');
  const taken: number[] = [];
  for (const _ of upTo(3)) {
    turns.goOn();
    const ms = (await peer.restart?.()) ?? 0;
    taken.push(ms);
    if (peer.name !== 'fairway') {
      // Once more would say the same.
      if (ms > LONG_MS) break;
      continue;
    }
    const answered = performance.now();
    const { Drift } = (await peer.api.call('GET', '/fairway/verify')) as { Drift: unknown[] };
    if (Drift.length > 0) throw new Error(`not in order after a restart: ${JSON.stringify(Drift)}`);
    turns.report.add(ready, peer.name, ms + performance.now() - answered);
  }
  const running = (await peer.api.call('GET', '/containers/json')) as unknown[];
  if (running.length < count) throw new Error(`${running.length} of ${count} containers are there after a restart`);
  turns.report.add(answers, peer.name, ...taken);
}
