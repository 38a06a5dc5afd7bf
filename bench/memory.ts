import { readdirSync, readFileSync } from 'node:fs';
import type { Api } from './api.ts';
import { residentMiB } from './resident.ts';
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
    {
      what: 'daemon and resolver, resident memory idle, shared pages once',
      value: `${idle.toFixed(0)} MiB`,
      target: '≤ 150 MB',
    },
    {
      what: `more for each of ${CONTAINERS} containers`,
      value: `${((full - idle) / CONTAINERS).toFixed(2)} MiB`,
      target: '≤ 1 MB',
    },
  ];
}

/** MiB of the daemon and the processes of ours that it started (resolver, log holder). */
function resident(daemonPid: number): number {
  return residentMiB([daemonPid, ...childrenOf(daemonPid).filter((pid) => !commandOf(pid).startsWith('containerd'))]);
}

function childrenOf(pid: number): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8');
}
