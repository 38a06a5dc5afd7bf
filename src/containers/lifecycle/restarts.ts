import type { Clock } from '../../base/index.ts';
import type { Container, ExitNotice } from '../records/index.ts';

const FIRST_MS = 100;
const LONGEST_MS = 60_000;
/** A run that lasted so long was a good one: the next wait is short again. */
const GOOD_RUN_MS = 10_000;

/** Does this policy bring the container back after that exit? `retries`: how often it has in a row. */
export function wantsRestart(container: Container, exit: ExitNotice, retries: number): boolean {
  const { restart } = container.record.spec;
  if (container.stopping) return false;
  switch (restart.name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return exit.exitCode !== 0 && (restart.maximumRetryCount === 0 || retries < restart.maximumRetryCount);
    default:
      return false;
  }
}

/** May a power cut not take back that it ran? Only a policy asks for that after the machine has started again. */
export function mustRemember(container: Container): boolean {
  return container.record.spec.restart.name !== 'no';
}

/** Does this policy start the container when the daemon comes up and finds it not running? */
export function startsWithDaemon(container: Container): boolean {
  const { restart } = container.record.spec;
  const { record } = container;
  if (record.state.startedAt.startsWith('0001')) return false;
  if (restart.name === 'always') return true;
  if (restart.name === 'unless-stopped') return !record.stoppedByUser;
  return (
    restart.name === 'on-failure' &&
    !record.stoppedByUser &&
    record.state.exitCode !== 0 &&
    (restart.maximumRetryCount === 0 || record.state.restartCount < restart.maximumRetryCount)
  );
}

interface Pending {
  readonly cancel: () => void;
}

/** Brings containers back, later and later: 100 ms, doubled up to a minute. */
export class RestartManager {
  readonly #clock: Clock;
  readonly #start: (container: Container) => void;
  readonly #waits = new Map<string, number>();
  readonly #pending = new Map<string, Pending>();

  constructor(deps: { readonly clock: Clock; readonly start: (container: Container) => void }) {
    this.#clock = deps.clock;
    this.#start = deps.start;
  }

  /** `ranMs`: how long the run that ended lasted. */
  schedule(container: Container, ranMs: number): number {
    this.cancel(container);
    const last = this.#waits.get(container.id) ?? 0;
    const wait = last === 0 || ranMs >= GOOD_RUN_MS ? FIRST_MS : Math.min(last * 2, LONGEST_MS);
    this.#waits.set(container.id, wait);
    const cancel = this.#clock.after(wait, () => {
      this.#pending.delete(container.id);
      this.#start(container);
    });
    this.#pending.set(container.id, { cancel });
    return wait;
  }

  /** True when a restart was under way. */
  cancel(container: Container): boolean {
    const pending = this.#pending.get(container.id);
    pending?.cancel();
    return this.#pending.delete(container.id);
  }

  /** A user's start begins anew. */
  forget(container: Container): void {
    this.cancel(container);
    this.#waits.delete(container.id);
  }

  close(): void {
    for (const { cancel } of this.#pending.values()) cancel();
    this.#pending.clear();
  }
}
