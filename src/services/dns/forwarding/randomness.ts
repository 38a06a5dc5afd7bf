import { randomFillSync } from 'node:crypto';

/** Filled at once: asking for two bytes at a time costs as much as for many. */
const pool = new Uint16Array(1024);
let left = 0;

/** A number of 16 bits that nobody can guess. */
export function random16(): number {
  if (left === 0) {
    randomFillSync(pool);
    left = pool.length;
  }
  left -= 1;
  return pool[left] ?? 0;
}
