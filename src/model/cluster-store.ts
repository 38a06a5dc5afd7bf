import type { CommitOptions, Store, StoreChange, StoreOperation } from './store.ts';

/**
 * A promise to the store that its holder lives: renewed until it is released or revoked. When it ends, everything that was put
 * with it is deleted, as one change. Source of the semantics: etcd leases.
 */
export interface StoreLease {
  /** By which a later process takes it up. */
  readonly id: string;
  readonly ttlSeconds: number;
  /** false: it has ended, or nobody could renew it for so long that it must have. */
  readonly held: boolean;
  /** Calls back once, when it has ended against our will: what was put with it is gone, or will be. */
  onLost(listener: () => void): () => void;
  /** What is bound to it now. */
  keys(): Promise<readonly string[]>;
  /** Renews it no longer; it ends by itself, unless somebody takes it up before. Repeatable. */
  release(): void;
  /** Ends it now, and what is bound to it. Repeatable. */
  revoke(): Promise<void>;
}

export interface ClusterCommitOptions extends CommitOptions {
  /** What is put lives no longer than this. Throws unavailable `lease_lost` when it has ended. */
  readonly lease?: StoreLease;
}

/**
 * A store that several nodes share, by way of a network that may fail. Calls that cannot reach it throw unavailable
 * `store_unreachable`, after a bounded time; whether a commit that failed so was made is not known, so its caller looks.
 * Source of the semantics: etcd v3.
 */
export interface ClusterStore extends Store {
  commit(operations: readonly StoreOperation[], options?: ClusterCommitOptions): Promise<number>;
  /**
   * Tells everything that is under the prefix now, as changes by key, then every later change in order; resolves when the
   * first part is told. Nothing is missed in between, nor over an interruption: afterwards (also where the store no longer
   * has the changes, etcd's compaction) the difference is told. Returns the end of it.
   */
  follow(prefix: string, listener: (change: StoreChange) => void): Promise<() => void>;
  /** `ttlSeconds`: after how long without renewal it ends; it is renewed `everySeconds`, a third of that unless said. */
  grantLease(ttlSeconds: number, options?: { readonly everySeconds?: number }): Promise<StoreLease>;
  /** The lease of an earlier process; undefined when it has ended. */
  resumeLease(id: string): Promise<StoreLease | undefined>;
  /** Whether it answered last. */
  readonly reachable: boolean;
  onReachable(listener: (reachable: boolean) => void): () => void;
}
