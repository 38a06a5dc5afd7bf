import { stat } from 'node:fs';
import koffi from 'koffi';
import { libc } from './libc.ts';

let started = false;

/**
 * Makes libuv's pool threads exist. A thread inherits the network namespace of the thread that creates it, and libuv
 * creates all of its pool at the first piece of work; were that first piece handed over while the main thread is inside
 * another namespace, every later `dns.lookup` and the like would run in there for good. Entering a namespace calls this
 * first, so callers need not.
 */
export function startThreadPool(): void {
  if (started) return;
  started = true;
  // Submitting is enough: the threads are created, and waited for, before this returns.
  stat('/', () => {});
}

/** Of glibc's sigset_t. */
const SET_BYTES = 128;
const SIG_SETMASK = 2;

const ALL = new Uint8Array(SET_BYTES).fill(0xff);

let setMask: ((how: number, set: Uint8Array, old: Uint8Array | null) => number) | undefined;

/**
 * Does some work while this thread takes no signal (pthread_sigmask(3)); those to the process go to another thread, those to this
 * one wait. For libraries that take an interrupted call for a failed one.
 */
export function withoutSignals<T>(work: () => T): T {
  setMask ??= koffi.load('libc.so.6').func('int pthread_sigmask(int, const void *, _Out_ void *)');
  const before = new Uint8Array(SET_BYTES);
  // Safe: both sets are as large as a sigset_t, and the call keeps neither. It cannot fail with a valid first argument.
  setMask(SIG_SETMASK, ALL, before);
  try {
    return work();
  } finally {
    setMask(SIG_SETMASK, before, null);
  }
}

/**
 * Collects what nobody needs any more, and gives back to the kernel what the engine and the C library keep for later: for good,
 * in a process that has little to do. Nothing else runs meanwhile, for some 20 ms with a daemon of usual size. Without
 * `--expose-gc` only the C library gives something back.
 */
export function giveBackMemory(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  libc().malloc_trim(0);
}
