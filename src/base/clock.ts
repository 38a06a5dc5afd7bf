/** Time as a dependency, so that tests can turn it by hand. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Wall clock in nanoseconds since the epoch, strictly increasing within the process. */
  nowNanos(): bigint;
  /** Calls back once after `ms`; does not keep the process alive. Returns the cancellation. */
  after(ms: number, callback: () => void): () => void;
}

class SystemClock implements Clock {
  #last = 0n;

  now(): number {
    return Date.now();
  }

  nowNanos(): bigint {
    const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return this.#last;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  }
}

export const systemClock: Clock = new SystemClock();

/** Time that is turned by hand: tests and simulations. */
export class ManualClock implements Clock {
  #now: number;
  #nanos = 0n;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  constructor(now = 1_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  nowNanos(): bigint {
    const now = BigInt(Math.round(this.#now)) * 1_000_000n;
    this.#nanos = now > this.#nanos ? now : this.#nanos + 1n;
    return this.#nanos;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets what is due happen, in order, each with all that follows from it without waiting. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((one, other) => one.at - other.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }
}

/** Every promise that waits for nothing but other promises has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** RFC 3339 with nine fractional digits, as Docker prints times. */
export function rfc3339Nano(nanos: bigint): string {
  const seconds = new Date(Number(nanos / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${(nanos % 1_000_000_000n).toString().padStart(9, '0')}Z`;
}
