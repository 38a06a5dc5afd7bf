/** A stored record with the revision of its last change. */
export interface Versioned<T> {
  readonly key: string;
  readonly value: T;
  /** Grows with every change of the store; compare-and-swap compares it. */
  readonly revision: number;
}

/**
 * One step of a transaction. `expect`: 0 = must not exist, n = must be at that revision, absent = whatever. A `check` changes
 * nothing: it only holds the others to what it expects.
 */
export type StoreOperation =
  | { readonly put: string; readonly value: unknown; readonly expect?: number }
  | { readonly delete: string; readonly expect?: number }
  | { readonly check: string; readonly expect: number };

export interface CommitOptions {
  /**
   * What the commit describes (namespaces, links, what is begun on them) does not outlive this boot of the machine. It
   * outlives the process as any commit does, and is on disk no later than the next one without this; nobody waits for the
   * disk.
   */
  readonly thisBoot?: boolean;
}

export interface StoreChange {
  readonly key: string;
  /** undefined: deleted. */
  readonly value: unknown;
  readonly revision: number;
}

/**
 * Versioned records by key (`networks/<id>`), JSON values. One conformance suite for every implementation.
 * Source of the semantics: etcd v3 (transactions, revisions, watch).
 */
export interface Store {
  get<T>(key: string): Promise<Versioned<T> | undefined>;
  /** Everything under a prefix, by key. */
  list<T>(prefix: string): Promise<readonly Versioned<T>[]>;
  put(key: string, value: unknown): Promise<number>;
  /** Repeatable: deleting what is not there changes nothing. */
  delete(key: string): Promise<void>;
  /**
   * All or nothing; durable when it resolves, unless it is for this boot only. Throws conflict `store_conflict` when an
   * expectation fails. Returns the new revision.
   */
  commit(operations: readonly StoreOperation[], options?: CommitOptions): Promise<number>;
  /** Calls back for every later change under the prefix, in order. Returns the end of the watch. */
  watch(prefix: string, listener: (change: StoreChange) => void): () => void;
  close(): Promise<void>;
}
