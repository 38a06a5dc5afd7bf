import type { Clock } from '../../base/index.ts';

/** A registry that wants to be left alone for longer than this is told of instead. */
const PATIENCE_MS = 60_000;
const LONGEST_MS = 16_000;

/** Statuses by which a server says that the same request may go well later. */
export function isBusy(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || (status >= 502 && status <= 504);
}

/**
 * Milliseconds until the next attempt: what the server asks for (`Retry-After`: seconds, or a date), else 1, 2, 4 … seconds.
 * Null when it asks for too much.
 */
export function delayBefore(attempt: number, retryAfter: string | undefined, now: number): number | null {
  if (retryAfter !== undefined) {
    const asked = /^\d+$/.test(retryAfter.trim()) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now;
    if (!Number.isNaN(asked)) return asked > PATIENCE_MS ? null : Math.max(0, asked);
  }
  return Math.min(1000 * 2 ** (attempt - 1), LONGEST_MS);
}

/** As Docker's clients show it. */
export function retryingIn(ms: number): string {
  return `Retrying in ${ms / 1000} second${ms === 1000 ? '' : 's'}`;
}

/** Rejects with the signal's reason when that comes first. */
export function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', stop);
      resolve();
    });
    signal?.addEventListener('abort', stop, { once: true });
  });
}
