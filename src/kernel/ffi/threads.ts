import { stat } from 'node:fs';

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
