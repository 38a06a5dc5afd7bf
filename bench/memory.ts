import { readFileSync } from 'node:fs';
import type { Api } from './api.ts';
import type { Row } from './stats.ts';

const CONTAINERS = 50;

export async function memory(api: Api, pid: number): Promise<Row[]> {
  const idle = resident(pid);
  await api.call('POST', '/networks/create', { Name: 'bench' });
  for (let index = 0; index < CONTAINERS; index += 1) await api.run(`many${index}`, 'bench');
  const full = resident(pid);
  for (let index = 0; index < CONTAINERS; index += 1) await api.remove(`many${index}`);
  await api.call('DELETE', '/networks/bench');
  return [
    { what: 'daemon, resident memory idle', value: `${idle.toFixed(0)} MiB`, target: '≤ 150 MB' },
    {
      what: `more for each of ${CONTAINERS} containers`,
      value: `${((full - idle) / CONTAINERS).toFixed(2)} MiB`,
      target: '≤ 1 MB',
    },
  ];
}

function resident(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
