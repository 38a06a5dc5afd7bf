import type { Clock } from '../base/index.ts';

export interface IdleDeps {
  readonly clock: Clock;
  /** Milliseconds that this thread has worked, all told; {@link workedMs} outside of tests. */
  readonly workedMs: () => number;
}

const LOOK_MS = 5000;
/** Who works less than this between two looks is idle. */
const IDLE_MS = 250;
/** Less than this has left nothing that is worth while putting away. */
const WORK_MS = 1000;

/** Calls `putAway` when there was work, the start included, and now is none. Returns the end of it. */
export function whenIdle({ clock, workedMs }: IdleDeps, putAway: () => void): () => void {
  let last = workedMs();
  let sincePutAway = WORK_MS;
  let cancel = (): void => {};
  const look = (): void => {
    const now = workedMs();
    sincePutAway += now - last;
    if (now - last < IDLE_MS && sincePutAway >= WORK_MS) {
      putAway();
      sincePutAway = 0;
    }
    // What putting away took is no work.
    last = workedMs();
    cancel = clock.after(LOOK_MS, look);
  };
  cancel = clock.after(LOOK_MS, look);
  return () => cancel();
}

export function workedMs(): number {
  return performance.eventLoopUtilization().active;
}
