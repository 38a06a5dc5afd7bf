import type { Log } from './base/index.ts';

/** How long the steps of a start took, for whoever asks (`--log-level debug`). */
export class StartPhases {
  readonly #ms: Record<string, number> = {};
  /** Since the process began. */
  #at = 0;

  constructor() {
    this.done('load');
  }

  /** What was done since the last one has that name. */
  done(name: string): void {
    const now = performance.now();
    this.#ms[name] = Math.round(now - this.#at);
    this.#at = now;
  }

  log(log: Log, what: string): void {
    log.debug({ ms: this.#ms }, `${what} ${Math.round(this.#at)} ms after the process began`);
  }
}
