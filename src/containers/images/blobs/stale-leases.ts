import type { Clock, Log } from '../../../base/index.ts';
import { messageOf } from '../../../base/index.ts';
import type { ImageEngine } from './engine.ts';
import { LEASE_PREFIX } from './leased.ts';

/** So long after our start an interrupted pull can be taken up where it was. */
const KEPT_MS = 3_600_000;

/**
 * Leases of a daemon before us that was killed at work. What they hold lets the next pull go on where that one stopped;
 * then, or after an hour, it is given to the garbage collector.
 */
export class StaleLeases implements Disposable {
  readonly #engine: Pick<ImageEngine, 'leases'>;
  readonly #log: Log;
  #leases: string[] = [];
  #cancel: () => void = () => {};

  constructor(deps: { engine: Pick<ImageEngine, 'leases'>; log: Log }) {
    this.#engine = deps.engine;
    this.#log = deps.log;
  }

  /** To be called before there are leases of our own. */
  async find(clock: Clock): Promise<void> {
    const leases = await this.#engine.leases.list();
    this.#leases = leases.map(({ id }) => id).filter((id) => id.startsWith(LEASE_PREFIX));
    if (this.#leases.length > 0) this.#cancel = clock.after(KEPT_MS, () => void this.release());
  }

  /** Never fails: what cannot be freed now ends by itself some day. */
  async release(): Promise<void> {
    const leases = this.#leases;
    this.#leases = [];
    this.#cancel();
    for (const id of leases) {
      try {
        await this.#engine.leases.delete(id);
      } catch (error) {
        this.#log.debug({ lease: id, reason: messageOf(error) }, 'a forgotten lease stays until it ends');
      }
    }
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }
}
