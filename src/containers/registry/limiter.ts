/** Lets a number of works run at once. The number may change in between: it is asked each time. */
export class Limiter {
  readonly #limit: () => number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#running >= Math.max(1, this.#limit());
  }

  /** Waits for its turn. Leaves the queue when the signal says so. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    while (this.full) await this.#turn(signal);
    signal?.throwIfAborted();
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(signal?.reason);
      };
      if (signal?.aborted) return reject(signal.reason);
      this.#waiting.push(go);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}

/** At most as many at once as the limiter lets; the first failure stops the others, and is thrown once they have stopped. */
export async function allOrNone<T>(
  items: readonly T[],
  work: (item: T, signal: AbortSignal) => Promise<void>,
  outer: AbortSignal | undefined,
): Promise<void> {
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
  const failures: unknown[] = [];
  const one = async (item: T): Promise<void> => {
    try {
      signal.throwIfAborted();
      await work(item, signal);
    } catch (error) {
      failures.push(error);
      stop.abort(error);
    }
  };
  await Promise.all(items.map(one));
  if (failures.length > 0) throw failures[0];
}
