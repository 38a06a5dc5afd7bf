import { internal } from '../../base/index.ts';
import { enterNetns, openFile, startThreadPool, unshareNetns } from '../ffi/index.ts';

/** What {@link runInNetns} needs of a namespace: an open descriptor of it. */
export interface NetnsHandle {
  readonly fd: number;
}

/**
 * /proc/self is the process, whose namespace is that of the main thread; a worker thread may be elsewhere, so only
 * thread-self tells the truth.
 */
export const CURRENT_NETNS_PATH = '/proc/thread-self/ns/net';

/**
 * Runs `work` with the calling thread inside `ns` and comes back. Sockets opened inside belong to `ns` for good. Throws
 * when `work` returns a promise: what follows an `await` would run outside. A child process must not be spawned inside
 * unless it is meant to live there.
 */
export function runInNetns<T>(ns: NetnsHandle, work: () => T): T {
  return elsewhere(() => enterNetns(ns.fd), work);
}

/** Runs `work` inside a fresh namespace that ends with it, unless something opened inside keeps it. */
export function runInNewNetns<T>(work: () => T): T {
  return elsewhere(unshareNetns, work);
}

function elsewhere<T>(go: () => void, work: () => T): T {
  startThreadPool();
  using home = openFile(CURRENT_NETNS_PATH);
  go();
  let result: T;
  try {
    result = work();
  } finally {
    comeBack(home.fd);
  }
  if (isThenable(result)) throw internal('async_in_netns', 'cannot work in a namespace: the work returned a promise');
  return result;
}

function comeBack(home: number): void {
  try {
    enterNetns(home);
  } catch (error) {
    // Going on would do the host's work inside a container. There is nothing to save here: state is on disk.
    process.stderr.write(`fairway: cannot return to the home network namespace: ${String(error)}\n`);
    process.abort();
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
