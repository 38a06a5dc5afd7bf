import { type Clock, type Log, messageOf, rfc3339Nano } from '../../base/index.ts';
import type { HealthState } from '../contract.ts';
import type { HealthOptions } from '../options.ts';
import type { Container } from '../records/index.ts';

export type Probe = (
  container: Container,
  cmd: readonly string[],
  options: { readonly signal: AbortSignal; readonly limit: number },
) => Promise<{ readonly exitCode: number; readonly output: string }>;

export interface HealthDeps {
  readonly probe: Probe;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when the status has changed. */
  readonly changed: (container: Container, status: HealthState['status']) => void;
}

const NANOS_PER_MS = 1e6;
const OUTPUT_BYTES = 4096;
const KEPT_RESULTS = 5;

export interface HealthPlan {
  readonly cmd: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

/** Docker's defaults: 30 s, 30 s, no start period, every 5 s in it, 3 retries. Null: nothing is checked. */
export function healthPlan(options: HealthOptions | undefined): HealthPlan | null {
  const [kind, ...rest] = options?.test ?? [];
  if (kind === undefined || kind === 'NONE' || rest.length === 0) return null;
  const ms = (nanos: number | undefined, fallback: number): number => (nanos ? nanos / NANOS_PER_MS : fallback);
  return {
    cmd: kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...rest] : rest,
    intervalMs: ms(options?.interval, 30_000),
    timeoutMs: ms(options?.timeout, 30_000),
    startPeriodMs: ms(options?.startPeriod, 0),
    startIntervalMs: ms(options?.startInterval, 5_000),
    retries: options?.retries || 3,
  };
}

/** Checks the health of running containers, one check at a time for each. */
export class HealthMonitor {
  readonly #deps: HealthDeps;
  readonly #running = new Map<string, { readonly stop: () => void }>();

  constructor(deps: HealthDeps) {
    this.#deps = deps;
  }

  /** Begins with `starting`; nothing happens for containers without a check. */
  start(container: Container): void {
    this.stop(container);
    const plan = healthPlan(container.record.effective.health);
    if (!plan) {
      container.health = undefined;
      return;
    }
    container.health = { status: 'starting', failingStreak: 0, log: [] };
    const controller = new AbortController();
    let cancel = (): void => {};
    const startedAt = this.#deps.clock.now();
    const inStartPeriod = (): boolean => this.#deps.clock.now() - startedAt < plan.startPeriodMs;
    const next = (): void => {
      const starting = container.health?.status === 'starting' && inStartPeriod();
      cancel = this.#deps.clock.after(
        starting ? Math.min(plan.startIntervalMs, plan.intervalMs) : plan.intervalMs,
        () => {
          this.#check(container, plan, { signal: controller.signal, inStartPeriod })
            .catch((error: unknown) => {
              this.#deps.log.debug({ container: container.id, reason: messageOf(error) }, 'a health check was lost');
            })
            .finally(() => {
              if (!controller.signal.aborted) next();
            });
        },
      );
    };
    this.#running.set(container.id, {
      stop: () => {
        cancel();
        controller.abort();
      },
    });
    next();
  }

  /** The container has ended; its last results stay to be seen. Nobody looks after it, so it is not well, as in Docker. */
  stop(container: Container): void {
    this.#running.get(container.id)?.stop();
    if (this.#running.delete(container.id) && container.health) {
      container.health = { ...container.health, status: 'unhealthy' };
    }
  }

  close(): void {
    for (const { stop } of this.#running.values()) stop();
    this.#running.clear();
  }

  async #check(
    container: Container,
    plan: HealthPlan,
    run: { readonly signal: AbortSignal; readonly inStartPeriod: () => boolean },
  ): Promise<void> {
    const { clock } = this.#deps;
    // A paused container answers nothing; that is no failure of its own.
    if (container.record.state.status === 'paused') return;
    const start = rfc3339Nano(clock.nowNanos());
    const limit = new AbortController();
    const cancel = clock.after(plan.timeoutMs, () => limit.abort());
    let exitCode = -1;
    let output: string;
    try {
      const signal = AbortSignal.any([limit.signal, run.signal]);
      // What the check has started may outlive it and hold its output open: nobody waits for that.
      const probe = this.#deps.probe(container, plan.cmd, { signal, limit: OUTPUT_BYTES });
      const result = await Promise.race([probe, whenAborted(signal)]);
      output = limit.signal.aborted ? `Health check exceeded timeout (${durationText(plan.timeoutMs)})` : result.output;
      if (!limit.signal.aborted) exitCode = result.exitCode;
    } catch (error) {
      output = messageOf(error);
    } finally {
      cancel();
    }
    if (run.signal.aborted || !container.health) return;
    this.#record(container, plan, {
      entry: { start, end: rfc3339Nano(clock.nowNanos()), exitCode, output },
      inStartPeriod: run.inStartPeriod(),
    });
  }

  #record(
    container: Container,
    plan: HealthPlan,
    result: { readonly entry: HealthState['log'][number]; readonly inStartPeriod: boolean },
  ): void {
    const before = container.health;
    if (!before) return;
    const log = [...before.log, result.entry].slice(-KEPT_RESULTS);
    let { status, failingStreak } = before;
    if (result.entry.exitCode === 0) {
      status = 'healthy';
      failingStreak = 0;
    } else if (!(status === 'starting' && result.inStartPeriod)) {
      failingStreak += 1;
      if (failingStreak >= plan.retries) status = 'unhealthy';
    }
    container.health = { status, failingStreak, log };
    if (status !== before.status) this.#deps.changed(container, status);
  }
}

function durationText(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

function whenAborted(signal: AbortSignal): Promise<{ readonly exitCode: number; readonly output: string }> {
  return new Promise((resolve) => {
    const settle = (): void => resolve({ exitCode: -1, output: '' });
    if (signal.aborted) settle();
    else signal.addEventListener('abort', settle, { once: true });
  });
}
