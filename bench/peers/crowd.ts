import { setTimeout as sleep } from 'node:timers/promises';
import { time } from '../stats.ts';
import { footprint, type Peer, start } from './engines.ts';
import type { Measure, Report } from './report.ts';

const CONTAINERS = 100;
/** One after the other they say as much in less time. */
const ONE_BY_ONE = 20;
const PARALLEL = [1, 8, 32];
const SETTLE_MS = 3000;

/** Memory of an engine with nothing to do; first of all suites. */
export async function idle(peers: readonly Peer[], report: Report): Promise<void> {
  await sleep(SETTLE_MS);
  const measure: Measure = {
    what: 'memory, idle: all processes of the engine',
    unit: 'MiB',
    lower: true,
    target: '≤ 150 MB',
  };
  for (const peer of peers) report.add(measure, peer.name, footprint(peer).memory);
}

/** A hundred containers: started and removed so many at once; memory of each. */
export async function crowd(peers: readonly Peer[], report: Report): Promise<void> {
  const memory: Measure = { what: 'memory: of each container', unit: 'MiB', lower: true, target: '≤ 3 MB' };
  for (const parallel of PARALLEL) {
    const count = parallel === 1 ? ONE_BY_ONE : CONTAINERS;
    const started: Measure = { what: `crowd: started, ${parallel} at once`, unit: '/s', lower: false };
    const removed: Measure = { what: `crowd: removed, ${parallel} at once`, unit: '/s', lower: false };
    for (const peer of peers) {
      const before = footprint(peer).memory;
      const [up = 0] = await time(1, () =>
        each(count, parallel, (index) => start(peer, `crowd${index}`, { network: 'bench' })),
      );
      report.add(started, peer.name, (count * 1000) / up);
      if (count === CONTAINERS) {
        await sleep(SETTLE_MS);
        report.add(memory, peer.name, (footprint(peer).memory - before) / count);
      }
      const [down = 0] = await time(1, () => each(count, parallel, (index) => peer.api.remove(`crowd${index}`)));
      report.add(removed, peer.name, (count * 1000) / down);
    }
  }
}

async function each(count: number, parallel: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
