import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { LogHoldOptions, PipeKeeper } from './containers/io/index.ts';
import { DescriptorQueue, isErrno } from './kernel/index.ts';

const SCRIPT = fileURLToPath(new URL('log-holder.ts', import.meta.url));
/** How long the one before us may take to write down what it has read. */
const PATIENCE_MS = 10_000;
const POLL_MS = 5;
/** Owners that are gone stay in the queue until they are so many. */
const MAX_GONE = 100;
/**
 * What the shell does when the end of its input tells that we are gone: runs the log holder, again after a while if that one
 * fails (its files may have been replaced or removed by an upgrade), until it is told to end or somebody else was armed. It
 * keeps the pipes meanwhile, so nothing is lost; containers that write more than the pipes take have to wait.
 */
const HOLD = `read -r line
trap told=1 TERM
armed=$1; shift
while [ -z "$told" ] && [ "$(cat "$armed")" = $$ ]; do
  if [ -x "$1" ] && [ -e "$2" ]; then
    "$@" & child=$!
    [ -z "$told" ] || kill $child
    wait $child
    status=$?
    [ -z "$told" ] || wait
    [ $status -ne 0 ] || exit 0
  fi
  [ -n "$told" ] || { sleep 1 3>&- & wait $!; }
done`;

export type LogHolderOptions = LogHoldOptions & { readonly store: string };

/**
 * A process beside the daemon for the time after it: a shell that waits for the end of a pipe whose other end is only
 * ours, and runs the log holder when we are gone. Until then it costs a megabyte, and nothing has to notice our end. It
 * has inherited a socket in whose queue the pipes of all containers lie open, so what is in them does not depend on us.
 */
export class LogHolder implements PipeKeeper, Disposable {
  readonly #queue = new DescriptorQueue();
  readonly #kept = new Map<string, readonly number[]>();
  /** How many messages lie in the queue. */
  #queued = 0;
  #found: readonly number[] = [];
  /** Its messages, the first in the queue. */
  #foundQueued = 0;

  private constructor() {}

  /** Ends the holder that an earlier daemon left behind, keeps what it kept, and arms one for ourselves. */
  static async takeOver(options: LogHolderOptions): Promise<LogHolder> {
    const holder = new LogHolder();
    try {
      // Opened before the one who keeps them goes.
      holder.#found = openPipes(options.execRoot);
      await endLogHolder(options);
      holder.#arm(options);
      holder.#push(holder.#found);
      holder.#foundQueued = holder.#queued;
      return holder;
    } catch (error) {
      holder[Symbol.dispose]();
      throw error;
    }
  }

  keep(owner: string, descriptors: readonly number[]): void {
    const again = this.#kept.has(owner);
    this.#kept.set(owner, descriptors);
    if (again) this.#compact();
    else this.#push(descriptors);
  }

  forget(owner: string): void {
    if (!this.#kept.delete(owner)) return;
    if (this.#queued - this.#kept.size > MAX_GONE + this.#kept.size) this.#compact();
  }

  /** What an earlier daemon left has found its owners. */
  forgetFound(): void {
    for (; this.#foundQueued > 0; this.#foundQueued -= 1, this.#queued -= 1) this.#queue.drop();
    for (const fd of this.#found) closeSync(fd);
    this.#found = [];
  }

  /** The shell notices by itself when we end. */
  [Symbol.dispose](): void {
    for (const fd of this.#found) closeSync(fd);
    this.#found = [];
    this.#queue[Symbol.dispose]();
  }

  /** First everything that counts once more, then away with the old: there is no moment without. */
  #compact(): void {
    const old = this.#queued;
    this.#queued = 0;
    this.#push(this.#found);
    this.#foundQueued = this.#queued;
    for (const descriptors of this.#kept.values()) this.#push(descriptors);
    for (let count = 0; count < old; count += 1) this.#queue.drop();
  }

  #push(descriptors: readonly number[]): void {
    for (let at = 0; at < descriptors.length; at += MAX_DESCRIPTORS) {
      if (this.#queue.push(descriptors.slice(at, at + MAX_DESCRIPTORS))) this.#queued += 1;
    }
  }

  #arm(options: LogHolderOptions): void {
    const child = spawn(
      '/bin/sh',
      ['-c', HOLD, 'fairway-log-holder', pidFileOf(options), process.execPath, SCRIPT, JSON.stringify(options)],
      { detached: true, stdio: ['pipe', 'ignore', 'ignore', this.#queue.farFd], cwd: '/' },
    );
    child.on('error', () => {});
    child.unref();
    writeFileSync(pidFileOf(options), `${child.pid}\n`);
  }
}

/** What one message may carry (SCM_MAX_FD is 253). */
const MAX_DESCRIPTORS = 200;

/** Every pipe of every container's output. */
function openPipes(execRoot: string): number[] {
  const root = join(execRoot, 'containers');
  const inside = (folder: string): string[] => {
    try {
      return readdirSync(folder).map((name) => join(folder, name));
    } catch {
      // None yet.
      return [];
    }
  };
  return inside(root)
    .flatMap(inside)
    .filter((path) => /\/init-std(?:out|err)(?:\.held)?$/.test(path))
    .map((path) => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
}

/** Resolves when nobody else reads the pipes. */
async function endLogHolder(options: Pick<LogHoldOptions, 'execRoot'>): Promise<void> {
  const pidFile = pidFileOf(options);
  const pid = pidOf(pidFile);
  const deadline = Date.now() + PATIENCE_MS;
  let signal: NodeJS.Signals = 'SIGTERM';
  while (pid !== undefined && isHolder(pid)) {
    signalGroup(pid, signal);
    // Once is enough for the first; a second one would end it before it has written everything.
    await untilGone(pid, deadline);
    signal = 'SIGKILL';
  }
  rmSync(pidFile, { force: true });
}

/** The shell and what it runs. */
function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
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
