import { chmodSync, closeSync, constants, openSync } from 'node:fs';
import { O_PATH } from '../ffi/index.ts';

/**
 * Changes the mode of what is at a path, never of what a link there leads to: where a container can write, it may have put
 * one there just now, and it would lead out into the host.
 */
export function changeMode(path: string, mode: number): void {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    chmodSync(`/proc/self/fd/${fd}`, mode);
  } finally {
    closeSync(fd);
  }
}
