import type { Log } from './base/index.ts';

/** How long the steps of a start took, and how much of it this thread worked, for whoever asks (`--log-level debug`). */
export class StartPhases {
  readonly #ms: Record<string, number> = {};
  readonly #cpuMs: Record<string, number> = {};
  /** Since the process began. */
  #at = 0;
  #cpuAt = 0;

  constructor() {
    this.done('load');
  }

  /** What was done since the last one has that name. */
  done(name: string): void {
    const now = performance.now();
    const { user, system } = process.threadCpuUsage();
    const cpu = (user + system) / 1000;
    this.#ms[name] = Math.round(now - this.#at);
    this.#cpuMs[name] = Math.round(cpu - this.#cpuAt);
    this.#at = now;
    this.#cpuAt = cpu;
  }

  log(log: Log, what: string): void {
    log.debug({ ms: this.#ms, cpuMs: this.#cpuMs }, `${what} ${Math.round(this.#at)} ms after the process began`);
  }
}
