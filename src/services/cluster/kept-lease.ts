import type { ClusterStore, Store, StoreLease } from '../../model/index.ts';

export interface KeptLeaseDeps {
  readonly store: ClusterStore;
  /** Where a later daemon of this node finds its id. */
  readonly local: Store;
  /** It has ended against our will. */
  readonly onLost: () => void;
}

/** A lease that outlives the daemon: taken up by the next, granted anew when it has ended. */
export class KeptLease {
  readonly #deps: KeptLeaseDeps;
  readonly #key: string;
  readonly #ttlSeconds: number;
  readonly #every: { readonly everySeconds?: number };
  #lease: StoreLease | undefined;
  #dropped = false;
  #granting: Promise<StoreLease> | undefined;

  constructor(
    deps: KeptLeaseDeps,
    options: { readonly key: string; readonly ttlSeconds: number; readonly everySeconds?: number | undefined },
  ) {
    this.#deps = deps;
    this.#key = options.key;
    this.#ttlSeconds = options.ttlSeconds;
    this.#every = options.everySeconds === undefined ? {} : { everySeconds: options.everySeconds };
  }

  /** The one that is held; undefined: none now. */
  get current(): StoreLease | undefined {
    return !this.#dropped && this.#lease?.held === true ? this.#lease : undefined;
  }

  /** Several at once get the same. */
  ensure(): Promise<StoreLease> {
    if (this.current !== undefined) return Promise.resolve(this.current);
    this.#granting ??= this.#grant().finally(() => {
      this.#granting = undefined;
    });
    return this.#granting;
  }

  async #grant(): Promise<StoreLease> {
    const { store, local, onLost } = this.#deps;
    const lease = (await this.#resume()) ?? (await store.grantLease(this.#ttlSeconds, this.#every));
    await local.put(this.#key, { id: lease.id });
    lease.onLost(onLost);
    this.#lease = lease;
    this.#dropped = false;
    return lease;
  }

  /** It has turned out to have ended. */
  drop(): void {
    this.#lease?.release();
    this.#dropped = true;
  }

  /** For the next daemon. */
  release(): void {
    this.#lease?.release();
  }

  /** For good: what is bound to it goes now, or where the store cannot be told, when its time is over. */
  async end(): Promise<void> {
    const { local } = this.#deps;
    try {
      const lease = this.#lease ?? (await this.#resume());
      await lease?.revoke();
    } finally {
      await local.delete(this.#key);
    }
  }

  /** That of an earlier daemon; one of ours that is lost stays lost. */
  async #resume(): Promise<StoreLease | undefined> {
    if (this.#lease !== undefined) return undefined;
    const { store, local } = this.#deps;
    const stored = await local.get<{ readonly id: string }>(this.#key);
    const lease = stored === undefined ? undefined : await store.resumeLease(stored.value.id);
    if (lease === undefined || lease.ttlSeconds === this.#ttlSeconds) return lease;
    lease.release();
    return undefined;
  }
}
