import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = '/sys/fs/cgroup';
const TRIES = 20;
const PAUSE_MS = 25;

/**
 * Ends what is in the control groups of that path, in every hierarchy, and removes them: what runc leaves when it is killed
 * before it has noted that it made them. Groups that are not there are fine. Throws what keeps one from going.
 */
export async function removeControlGroups(path: string, root = ROOT): Promise<void> {
  const hierarchies = ['', ...childFolders(root)];
  for (const hierarchy of hierarchies) {
    const group = join(root, hierarchy, path);
    for (let attempt = 1; ; attempt += 1) {
      try {
        removeTree(group);
        break;
      } catch (error) {
        if (attempt === TRIES) throw error;
        await sleep(PAUSE_MS);
      }
    }
  }
}

function removeTree(group: string): void {
  for (const child of childFolders(group)) removeTree(join(group, child));
  for (const pid of processesOf(group)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  ifThere(() => rmdirSync(group));
}

const childFolders = (path: string): string[] =>
  ifThere(() =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name),
  ) ?? [];

/** 0 stands for one that cannot be named from here. */
const processesOf = (group: string): number[] =>
  (ifThere(() => readFileSync(join(group, 'cgroup.procs'), 'utf8')) ?? '')
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);

function ifThere<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
