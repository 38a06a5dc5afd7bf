import { type Log, messageOf } from '../base/index.ts';
import type { NetworkDriver, Store } from '../model/index.ts';
import { knownObjects } from './reconcile/index.ts';
import type { NetworkState } from './state.ts';

export interface SweepDeps {
  readonly state: NetworkState;
  readonly store: Store;
  readonly drivers: ReadonlyMap<string, NetworkDriver>;
  readonly log: Log;
}

/** Removes links that carry our mark and belong to nothing; at any time, for what is being made is known. */
export async function sweepLinks({ state, store, drivers, log }: SweepDeps): Promise<void> {
  for (const driver of drivers.values()) {
    try {
      await driver.sweep?.(await knownObjects(state, store));
    } catch (error) {
      log.error({ reason: messageOf(error) }, `cannot sweep leftovers of driver ${driver.traits.name}`);
    }
  }
}
