import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { LogHoldOptions } from './containers/io/index.ts';

const SCRIPT = fileURLToPath(new URL('log-holder.ts', import.meta.url));
/** How long the one before us may take to write down what it has read. */
const PATIENCE_MS = 10_000;
const POLL_MS = 5;

/**
 * Ends the holder that an earlier daemon left behind and arms one for ourselves: a shell that waits for the end of a pipe
 * whose other end is only ours, and becomes the holder when we are gone. Costs a megabyte, and nothing has to notice our end.
 */
export async function armLogHolder(options: LogHoldOptions & { readonly store: string }): Promise<void> {
  const pidFile = pidFileOf(options);
  const child: ChildProcess = spawn(
    '/bin/sh',
    ['-c', 'read -r line; exec "$@"', 'fairway-log-holder', process.execPath, SCRIPT, JSON.stringify(options)],
    { detached: true, stdio: ['pipe', 'ignore', 'ignore'], cwd: '/' },
  );
  child.on('error', () => {});
  child.unref();
  writeFileSync(pidFile, `${child.pid}\n`);
}

/** Resolves when nobody else reads the pipes. To be called before containers are restored. */
export async function endLogHolder(options: Pick<LogHoldOptions, 'execRoot'>): Promise<void> {
  const pidFile = pidFileOf(options);
  const pid = pidOf(pidFile);
  const deadline = Date.now() + PATIENCE_MS;
  let signal: NodeJS.Signals = 'SIGTERM';
  while (pid !== undefined && isHolder(pid)) {
    process.kill(pid, signal);
    // Once is enough for the first; a second one would end it before it has written everything.
    await untilGone(pid, deadline);
    signal = 'SIGKILL';
  }
  rmSync(pidFile, { force: true });
}

async function untilGone(pid: number, deadline: number): Promise<void> {
  while (isHolder(pid) && Date.now() < deadline) await sleep(POLL_MS);
}

function pidFileOf({ execRoot }: Pick<LogHoldOptions, 'execRoot'>): string {
  return join(execRoot, 'log-holder.pid');
}

function pidOf(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    // Nobody was armed.
    return undefined;
  }
}

/** Its number may be another program's by now. */
function isHolder(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('log-holder');
  } catch {
    return false;
  }
}
