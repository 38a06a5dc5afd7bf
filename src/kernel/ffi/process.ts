import { stat } from 'node:fs';
import koffi from 'koffi';
import { check } from './errors.ts';
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

const SCHED_SETATTR: Readonly<Record<string, number>> = { x64: 314, arm64: 274 };
/** struct sched_attr, first version. */
const SCHED_ATTR = { bytes: 48, size: 0, nice: 16, runtime: 24 } as const;

/**
 * Sets the calling thread's nice value, and the time it gets at a stretch in microseconds: with less than the usual 2 to 4 ms it
 * gets its turn sooner, also while somebody is in the middle of his. Kernels before 6.12 take the nice value alone.
 */
export function scheduleThread({ nice, sliceUs }: { readonly nice: number; readonly sliceUs: number }): void {
  const attributes = Buffer.alloc(SCHED_ATTR.bytes);
  attributes.writeUInt32LE(SCHED_ATTR.bytes, SCHED_ATTR.size);
  attributes.writeInt32LE(nice, SCHED_ATTR.nice);
  attributes.writeBigUInt64LE(BigInt(sliceUs * 1000), SCHED_ATTR.runtime);
  // Safe: the kernel reads as many bytes as the structure says it has, which is all of the buffer.
  check(libc().syscall(SCHED_SETATTR[process.arch] ?? -1, 0, attributes, 0), 'sched_setattr');
}
