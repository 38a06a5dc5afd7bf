import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** A pid alone may come to mean another process; with its start time it cannot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, as /proc spells it. */
  readonly startedAt: string;
}

/** Null when there is no such process, or only its zombie. */
export async function processIdentity(pid: number): Promise<ProcessIdentity | null> {
  return identityIn(pid, await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''));
}

/** The same at once, for whoever asks of many. */
export function processIdentitySync(pid: number): ProcessIdentity | null {
  try {
    return identityIn(pid, readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return null;
  }
}

function identityIn(pid: number, text: string): ProcessIdentity | null {
  // The program's name, in parentheses, may hold anything; the state and what follows come after the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startedAt = fields[19];
  if (startedAt === undefined || fields[0] === 'Z' || fields[0] === 'X') return null;
  return { pid, startedAt };
}

export async function isRunning(process: ProcessIdentity): Promise<boolean> {
  return (await processIdentity(process.pid))?.startedAt === process.startedAt;
}
