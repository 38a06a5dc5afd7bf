import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Tries until it no longer throws; fails with the last error after the deadline. The deadline is generous because it only
 * bounds a broken test: a passing one never waits for it.
 */
export async function eventually<T>(attempt: () => Promise<T> | T, deadlineMs = 30_000, pauseMs = 50): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(pauseMs);
    }
  }
}

/** {@link eventually}, and how long it took as a text: a figure to print, never one to assert. */
export async function timeUntil(attempt: () => Promise<unknown> | unknown): Promise<string> {
  const start = performance.now();
  await eventually(attempt, undefined, 2);
  return `${(performance.now() - start).toFixed(0)} ms`;
}
