import { readFileSync } from 'node:fs';

/** `address perms offset device inode`, as proc_pid_maps(5) has it. */
const MAPPING = /^[\da-f]+-[\da-f]+ \S+ ([\da-f]+) ([\da-f]+:[\da-f]+) (\d+)/;
const FIELD = /^(Rss|Pss|Anonymous):\s+(\d+) kB/;

interface Mapping {
  /** File and place in it; empty for memory without a file. */
  readonly key: string;
  readonly kib: Map<string, number>;
}

/**
 * MiB that some processes have in memory together (proc_pid_smaps(5)): pages of a file that several of them have count once, whoever
 * else has them, so that neither another process with the same program nor its end changes anything. Whoever is gone counts nothing.
 */
export function residentMiB(pids: readonly number[]): number {
  const files = new Map<string, number>();
  let own = 0;
  for (const pid of pids) {
    for (const { key, kib } of mappingsOf(pid)) {
      if (key === '') {
        // Shared with a child that has not written to it yet.
        own += kib.get('Pss') ?? 0;
        continue;
      }
      const written = kib.get('Anonymous') ?? 0;
      own += written;
      files.set(key, Math.max(files.get(key) ?? 0, (kib.get('Rss') ?? 0) - written));
    }
  }
  return (own + files.values().reduce((sum, one) => sum + one, 0)) / 1024;
}

function mappingsOf(pid: number): Mapping[] {
  const found: Mapping[] = [];
  for (const line of read(`/proc/${pid}/smaps`).split('\n')) {
    const [mapping, offset, device, inode] = MAPPING.exec(line) ?? [];
    if (mapping !== undefined) found.push({ key: inode === '0' ? '' : `${device} ${inode} ${offset}`, kib: new Map() });
    const [field, name = '', kib] = FIELD.exec(line) ?? [];
    if (field !== undefined) found.at(-1)?.kib.set(name, Number(kib));
  }
  return found;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
