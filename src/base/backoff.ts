import type { Clock } from './clock.ts';

export interface BackoffDeps {
  readonly clock: Clock;
  /** Resolves to true when there was something to do. */
  readonly work: () => Promise<boolean>;
  /** Work that fails counts as done, and goes on when it is asked for again. */
  readonly onError: (error: unknown) => void;
}

/** What belongs to one cause comes together, and is worked on together. */
const SETTLE_MS = 20;
const CALM_MS = 60_000;

/**
 * Does work a moment after it is asked for, once for all who ask meanwhile. What has to be done again and again is done
 * later and later: the delay doubles with each time, up to `longestMs`, and is forgotten after a calm minute.
 */
export class Backoff implements Disposable {
  readonly #deps: BackoffDeps;
  readonly #longestMs: number;
  #delay = SETTLE_MS;
  #last = 0;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(deps: BackoffDeps, { longestMs }: { readonly longestMs: number }) {
    this.#deps = deps;
    this.#longestMs = longestMs;
  }

  ask(): void {
    if (this.#closed || this.#cancel !== undefined) return;
    const { clock } = this.#deps;
    if (clock.now() - this.#last > CALM_MS) this.#delay = SETTLE_MS;
    this.#cancel = clock.after(this.#delay, () => {
      this.#cancel = undefined;
      void this.#run();
    });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #run(): Promise<void> {
    const { clock, work, onError } = this.#deps;
    try {
      if (!(await work())) return;
    } catch (error) {
      onError(error);
    }
    this.#delay = Math.min(this.#delay * 2, this.#longestMs);
    this.#last = clock.now();
  }
}
