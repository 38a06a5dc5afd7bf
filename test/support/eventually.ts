import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Tries until it no longer throws; fails with the last error after the deadline. The deadline is generous because it only
 * bounds a broken test: a passing one never waits for it.
 */
export async function eventually<T>(attempt: () => Promise<T> | T, deadlineMs = 30_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(50);
    }
  }
}
