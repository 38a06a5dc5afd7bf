import { type Clock, type Log, silentLog, systemClock } from '../../base/index.ts';
import type {
  ClusterCommitOptions,
  ClusterStore,
  StoreChange,
  StoreLease,
  StoreOperation,
  Versioned,
} from '../../model/index.ts';
import { checkKey, stepsOf, storeClosed } from '../record.ts';
import { Follower } from './follower.ts';
import { Keys } from './keys.ts';
import { EtcdLease, leaseLost } from './lease.ts';
import { Leases } from './leases.ts';
import { Link } from './link.ts';
import type { EtcdStoreOptions } from './options.ts';
import { type Listing, parsed, Records } from './records.ts';
import { Watches } from './watches.ts';
import { isLeaseGone } from './wire/index.ts';

export interface EtcdStoreDeps {
  readonly clock?: Clock;
  readonly log?: Log;
  /** Milliseconds that only ever grow: by it leases are found lost. */
  readonly monotonicMs?: () => number;
}

/**
 * Records in etcd: keys below a prefix, values as JSON text, revisions etcd's own. A commit is one etcd transaction, so it
 * has at most 128 operations and 1.5 MiB (`--max-txn-ops`, `--max-request-bytes`); more is refused as invalid
 * `store_too_large`.
 */
export class EtcdStore implements ClusterStore {
  readonly #link: Link;
  readonly #records: Records;
  readonly #watches: Watches;
  readonly #leases: Leases;
  readonly #followers = new Set<Follower>();
  readonly #follower: (view: { prefix: string; silent: boolean }, listener: (change: StoreChange) => void) => Follower;
  /** Watches that begin: what is committed after `watch` was called must not come before them. */
  readonly #beginning = new Set<Promise<void>>();
  #closed = false;

  private constructor(
    link: Link,
    options: EtcdStoreOptions,
    deps: Required<Pick<EtcdStoreDeps, 'clock' | 'log'>> & EtcdStoreDeps,
  ) {
    const { clock, log } = deps;
    const keys = new Keys(options.prefix);
    this.#link = link;
    this.#records = new Records(link, keys);
    this.#watches = new Watches({ link, clock, log });
    this.#leases = new Leases({ link, keys, clock, ...(deps.monotonicMs && { monotonicMs: deps.monotonicMs }) });
    const onWentBack = (): void =>
      link.lost(new Error('it has older records than before, as after a backup was put back'));
    const followerDeps = { records: this.#records, watches: this.#watches, keys, clock, log, onWentBack };
    this.#follower = (view, listener) => new Follower(followerDeps, view, listener);
  }

  /** Reads certificates; asks nobody yet, so it does not fail when etcd is away. */
  static async open(options: EtcdStoreOptions, deps: EtcdStoreDeps = {}): Promise<EtcdStore> {
    const { clock = systemClock, log = silentLog } = deps;
    return new EtcdStore(await Link.open(options, { clock, log }), options, { ...deps, clock, log });
  }

  get reachable(): boolean {
    return this.#link.reachable;
  }

  onReachable(listener: (reachable: boolean) => void): () => void {
    return this.#link.onReachable(listener);
  }

  /** Up to which revision every follower has heard of everything. */
  get followedTo(): number {
    return Math.min(...[...this.#followers].map(({ next }) => next - 1));
  }

  async get<T>(key: string): Promise<Versioned<T> | undefined> {
    checkKey(key);
    this.#assertOpen();
    const found = await this.#records.get(key);
    return found && versioned<T>(found);
  }

  async list<T>(prefix: string): Promise<readonly Versioned<T>[]> {
    this.#assertOpen();
    return (await this.#records.list(prefix)).records.map((record) => versioned<T>(record));
  }

  put(key: string, value: unknown): Promise<number> {
    return this.commit([{ put: key, value }]);
  }

  async delete(key: string): Promise<void> {
    await this.commit([{ delete: key }]);
  }

  async commit(operations: readonly StoreOperation[], { lease }: ClusterCommitOptions = {}): Promise<number> {
    this.#assertOpen();
    const steps = stepsOf(operations);
    if (lease !== undefined && !lease.held) throw leaseLost(lease.id);
    await Promise.all(this.#beginning);
    try {
      return await this.#records.commit(steps, lease?.id);
    } catch (error) {
      if (lease === undefined || !isLeaseGone(error)) throw error;
      if (lease instanceof EtcdLease) lease.lose();
      throw leaseLost(lease.id, error);
    }
  }

  watch(prefix: string, listener: (change: StoreChange) => void): () => void {
    const follower = this.#begin({ prefix, silent: true }, listener);
    const started: Promise<void> = follower
      .start()
      .catch(() => follower.startLater())
      .finally(() => this.#beginning.delete(started));
    this.#beginning.add(started);
    return () => this.#end(follower);
  }

  async follow(prefix: string, listener: (change: StoreChange) => void): Promise<() => void> {
    this.#assertOpen();
    const follower = this.#begin({ prefix, silent: false }, listener);
    try {
      await follower.start();
    } catch (error) {
      this.#end(follower);
      throw error;
    }
    return () => this.#end(follower);
  }

  async grantLease(ttlSeconds: number, { everySeconds = ttlSeconds / 3 } = {}): Promise<StoreLease> {
    this.#assertOpen();
    return this.#leases.grant(ttlSeconds, everySeconds);
  }

  async resumeLease(id: string): Promise<StoreLease | undefined> {
    this.#assertOpen();
    return this.#leases.resume(id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const follower of this.#followers) follower.end();
    this.#followers.clear();
    this.#leases.close();
    this.#watches.close();
    this.#link.close();
  }

  #begin(view: { prefix: string; silent: boolean }, listener: (change: StoreChange) => void): Follower {
    const follower = this.#follower(view, listener);
    this.#followers.add(follower);
    return follower;
  }

  #end(follower: Follower): void {
    this.#followers.delete(follower);
    follower.end();
  }

  #assertOpen(): void {
    if (this.#closed) throw storeClosed();
  }
}

function versioned<T>({ key, json, revision }: Listing['records'][number]): Versioned<T> {
  return { key, value: parsed(key, json) as T, revision };
}
