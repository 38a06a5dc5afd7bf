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

/** RFC 3339 with nine fractional digits, as Docker prints times. */
export function rfc3339Nano(nanos: bigint): string {
  const seconds = new Date(Number(nanos / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${(nanos % 1_000_000_000n).toString().padStart(9, '0')}Z`;
}
