import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { scheduleThread } from './ffi/index.ts';

/** The least that the kernel takes. */
const SLICE_US = 100;

/**
 * Lets the calling process go before others that want the processor, as `nice` says (negative: before). Where the kernel
 * groups processes by session (`sched_autogroup_enabled`), a nice value counts only within the session, so that of the group
 * is set as well: the process must lead a session of its own. Its main thread takes its turns in small pieces, which come
 * sooner. What is not allowed is left.
 */
export function raisePriority(nice: number): void {
  for (const raise of [
    () => setPriority(0, nice),
    () => writeFileSync('/proc/self/autogroup', String(nice)),
    () => scheduleThread({ nice, sliceUs: SLICE_US }),
  ]) {
    try {
      raise();
    } catch {
      // Not allowed, or not in this kernel: only slower under load.
    }
  }
}
