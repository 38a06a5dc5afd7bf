import { readFileSync } from 'node:fs';
import type { TestHost } from '../test/support/index.ts';
import type { Api } from './api.ts';
import { latency } from './latency.ts';
import type { Row } from './stats.ts';

const LOG_MB = 200;
const MANY = 50;

/** What containers cost besides their network: starts, execs, whole short runs, logs, memory of the shims. */
export async function containers(api: Api, host: TestHost): Promise<Row[]> {
  const rows = await latency(api, host);
  const rate = await logRate(api);
  for (let index = 0; index < MANY; index += 1) await api.run(`many${index}`, 'none');
  const shims = host.processes().filter(({ command }) => command === 'containerd-shim');
  const each = shims.reduce((sum, { pid }) => sum + proportionalSize(pid), 0) / MANY;
  for (let index = 0; index < MANY; index += 1) await api.remove(`many${index}`);
  return [
    ...rows,
    { what: `log of ${LOG_MB} MB, json-file`, value: `${rate.toFixed(0)} MB/s`, target: '≥ 100 MB/s' },
    { what: `memory of shims for each of ${MANY} containers`, value: `${each.toFixed(1)} MiB`, target: '≤ 4 MB' },
  ];
}

async function logRate(api: Api): Promise<number> {
  const script = `yes $(head -c 1000 /dev/zero | tr '\\0' x) | head -c ${LOG_MB * 1_000_000}`;
  const id = await api.create('talker', 'none', ['sh', '-c', script]);
  const ended = api.call('POST', `/containers/${id}/wait?condition=next-exit`);
  const start = performance.now();
  await api.call('POST', `/containers/${id}/start`);
  await ended;
  const seconds = (performance.now() - start) / 1000;
  await api.remove('talker');
  return LOG_MB / seconds;
}

/** MiB, pages that are shared with others counted in part. */
function proportionalSize(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
}
