import { type Clock, Emitter, type FairwayError, unavailable } from '../../base/index.ts';
import type { StoreLease } from '../../model/index.ts';

/** What a lease asks of those who keep it. */
export interface LeaseKeeper {
  readonly clock: Clock;
  /** Milliseconds that only ever grow. */
  readonly monotonicMs: () => number;
  renew(lease: EtcdLease): void;
  forget(lease: EtcdLease): void;
  revoke(lease: EtcdLease): Promise<void>;
  keys(lease: EtcdLease): Promise<readonly string[]>;
}

export interface LeaseTimes {
  readonly ttlSeconds: number;
  readonly everySeconds: number;
}

/**
 * A lease of etcd. It counts as held for its time from when the last renewal that was answered was *sent*: the store cannot
 * have begun to count earlier, so it does not end before we say so.
 */
export class EtcdLease implements StoreLease {
  readonly id: string;
  readonly ttlSeconds: number;
  readonly #keeper: LeaseKeeper;
  readonly #everyMs: number;
  readonly #lost: Emitter<void>;
  #state: 'held' | 'released' | 'lost' = 'held';
  #until: number;
  #sentAt: number | undefined;
  #stopRenewing: () => void = () => {};
  #stopWaiting: () => void = () => {};

  /** `since`: when it was asked for, on the keeper's clock. */
  constructor(keeper: LeaseKeeper, id: string, times: LeaseTimes & { readonly since: number }) {
    this.#keeper = keeper;
    this.id = id;
    this.ttlSeconds = times.ttlSeconds;
    this.#everyMs = times.everySeconds * 1000;
    this.#lost = new Emitter();
    this.#until = times.since + times.ttlSeconds * 1000;
    this.#renewLater();
    this.#waitForEnd();
  }

  get held(): boolean {
    return this.#state === 'held' && this.#keeper.monotonicMs() < this.#until;
  }

  onLost(listener: () => void): () => void {
    return this.#lost.on(listener);
  }

  keys(): Promise<readonly string[]> {
    return this.#keeper.keys(this);
  }

  release(): void {
    if (this.#state === 'held') this.#end('released');
  }

  async revoke(): Promise<void> {
    this.release();
    await this.#keeper.revoke(this);
  }

  /** A renewal is on its way. */
  sent(): void {
    this.#sentAt ??= this.#keeper.monotonicMs();
  }

  /** What the store says it has left; 0: it has ended. */
  answered(ttlSeconds: number): void {
    const sentAt = this.#sentAt;
    this.#sentAt = undefined;
    if (this.#state !== 'held') return;
    if (ttlSeconds <= 0) {
      this.lose();
      return;
    }
    if (sentAt === undefined) return;
    this.#until = sentAt + ttlSeconds * 1000;
    this.#waitForEnd();
  }

  /** The stream that carried the renewal is gone, and the answer with it. */
  interrupted(): void {
    this.#sentAt = undefined;
  }

  lose(): void {
    if (this.#state !== 'held') return;
    this.#end('lost');
    this.#lost.emit();
  }

  assertHeld(): void {
    if (!this.held) throw leaseLost(this.id);
  }

  #end(state: 'released' | 'lost'): void {
    this.#state = state;
    this.#stopRenewing();
    this.#stopWaiting();
    this.#keeper.forget(this);
  }

  #renewLater(): void {
    this.#stopRenewing = this.#keeper.clock.after(this.#everyMs, () => {
      this.#keeper.renew(this);
      this.#renewLater();
    });
  }

  #waitForEnd(): void {
    this.#stopWaiting();
    const left = Math.max(0, this.#until - this.#keeper.monotonicMs());
    this.#stopWaiting = this.#keeper.clock.after(left, () => {
      if (this.held) this.#waitForEnd();
      else this.lose();
    });
  }
}

export function leaseLost(id: string, cause?: unknown): FairwayError {
  return unavailable('lease_lost', `the cluster store's lease ${id} has ended: it was not renewed in time`, cause);
}
