import { readFileSync } from 'node:fs';
import type { TestHost } from '../test/support/index.ts';
import type { Api } from './api.ts';
import { latency } from './latency.ts';
import type { Row } from './stats.ts';

const MANY = 50;

/** What containers cost besides their network: starts, execs, whole short runs, memory of the shims. */
export async function containers(api: Api, host: TestHost): Promise<Row[]> {
  const rows = await latency(api, host);
  for (let index = 0; index < MANY; index += 1) await api.run(`many${index}`, 'none');
  const shims = host.processes().filter(({ command }) => command === 'containerd-shim');
  const each = shims.reduce((sum, { pid }) => sum + proportionalSize(pid), 0) / MANY;
  for (let index = 0; index < MANY; index += 1) await api.remove(`many${index}`);
  return [
    ...rows,
    { what: `memory of shims for each of ${MANY} containers`, value: `${each.toFixed(1)} MiB`, target: '≤ 4 MB' },
  ];
}

/** MiB, pages that are shared with others counted in part. */
function proportionalSize(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
}
