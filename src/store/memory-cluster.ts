import { type Clock, Emitter, newId, systemClock, unavailable } from '../base/index.ts';
import type {
  ClusterCommitOptions,
  ClusterStore,
  StoreChange,
  StoreLease,
  StoreOperation,
  Versioned,
} from '../model/index.ts';
import { checkExpectation, checkKey, isChange, type Step, stepsOf, storeClosed } from './record.ts';

interface Row {
  readonly json: string;
  readonly revision: number;
  readonly lease: string | undefined;
}

interface GrantedLease {
  readonly ttlSeconds: number;
  cancelEnd: () => void;
}

export interface MemoryBackup {
  readonly rows: ReadonlyMap<string, Row>;
  /** By id: seconds to live. */
  readonly leases: ReadonlyMap<string, number>;
}

export interface MemoryClusterOptions {
  readonly clock?: Clock;
  /** Waited for before a call reaches the state and before its answer is there: order and delay of a simulated network. */
  readonly latency?: () => Promise<void>;
}

/** What the nodes of a simulated cluster share: records, leases, and the time by which they end. */
export class MemoryCluster {
  readonly #clock: Clock;
  readonly #latency: () => Promise<void>;
  readonly #leases = new Map<string, GrantedLease>();
  readonly #changes = new Emitter<readonly StoreChange[]>();
  #rows = new Map<string, Row>();
  #revision = 0;

  constructor({ clock = systemClock, latency = async () => {} }: MemoryClusterOptions = {}) {
    this.#clock = clock;
    this.#latency = latency;
  }

  /** Another node's way to it. */
  open(options: { readonly onWatchError?: (error: unknown) => void } = {}): MemoryClusterStore {
    return new MemoryClusterStore(this, { clock: this.#clock, latency: this.#latency, ...options });
  }

  /** All is gone, leases included, as after a member was set up anew. */
  loseEverything(): void {
    for (const { cancelEnd } of this.#leases.values()) cancelEnd();
    this.#leases.clear();
    this.#apply([...this.#rows.keys()].map((key) => ({ key, action: 'delete', json: undefined, expect: undefined })));
  }

  /** What an operator would put aside, leases included. */
  backUp(): MemoryBackup {
    const leases = new Map([...this.#leases].map(([id, { ttlSeconds }]) => [id, ttlSeconds]));
    return { rows: new Map(this.#rows), leases };
  }

  /** All is as it was then, and leases live from now on; who follows is told the difference. */
  restore({ rows, leases }: MemoryBackup): void {
    for (const { cancelEnd } of this.#leases.values()) cancelEnd();
    this.#leases.clear();
    for (const [id, ttlSeconds] of leases) {
      this.#leases.set(id, { ttlSeconds, cancelEnd: this.#endLater(id, ttlSeconds) });
    }
    const gone = [...this.#rows.keys()].filter((key) => !rows.has(key));
    this.#apply(gone.map((key) => ({ key, action: 'delete', json: undefined, expect: undefined })));
    for (const [key, { json, lease }] of rows) {
      const now = this.#rows.get(key);
      if (now?.json !== json || now.lease !== lease)
        this.#apply([{ key, action: 'put', json, expect: undefined }], lease);
    }
  }

  /** Somebody deletes by hand. */
  deleteAll(prefix: string): void {
    const keys = [...this.#rows.keys()].filter((key) => key.startsWith(prefix));
    this.#apply(keys.map((key) => ({ key, action: 'delete', json: undefined, expect: undefined })));
  }

  get revision(): number {
    return this.#revision;
  }

  row(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  rows(prefix: string): readonly (readonly [string, Row])[] {
    return [...this.#rows].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  commit(steps: readonly Step[], lease: string | undefined): number {
    for (const step of steps) checkExpectation(step, this.#rows.get(step.key)?.revision ?? 0);
    if (lease !== undefined && !this.#leases.has(lease)) throw leaseLost();
    const changes = steps.filter((step) => isChange(step, this.#rows.has(step.key)));
    if (changes.length > 0) this.#apply(changes, lease);
    return this.#revision;
  }

  onChanges(listener: (changes: readonly StoreChange[]) => void): () => void {
    return this.#changes.on(listener);
  }

  grantLease(ttlSeconds: number): string {
    const id = newId().slice(0, 16);
    this.#leases.set(id, { ttlSeconds, cancelEnd: this.#endLater(id, ttlSeconds) });
    return id;
  }

  /** Its time to live; undefined: there is none any more. */
  renewLease(id: string): number | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    lease.cancelEnd();
    lease.cancelEnd = this.#endLater(id, lease.ttlSeconds);
    return lease.ttlSeconds;
  }

  endLease(id: string): void {
    this.#leases.get(id)?.cancelEnd();
    if (!this.#leases.delete(id)) return;
    const bound = [...this.#rows].flatMap(([key, { lease }]) => (lease === id ? [key] : []));
    if (bound.length > 0) {
      this.#apply(bound.map((key) => ({ key, action: 'delete', json: undefined, expect: undefined })));
    }
  }

  #endLater(id: string, ttlSeconds: number): () => void {
    return this.#clock.after(ttlSeconds * 1000, () => this.endLease(id));
  }

  #apply(steps: readonly Step[], lease?: string): void {
    if (steps.length === 0) return;
    this.#revision += 1;
    const revision = this.#revision;
    for (const { key, json } of steps) {
      if (json === undefined) this.#rows.delete(key);
      else this.#rows.set(key, { json, revision, lease });
    }
    this.#changes.emit(steps.map(({ key, json }) => ({ key, value: parsed(json), revision })));
  }
}

interface Follower {
  readonly prefix: string;
  readonly listener: (change: StoreChange) => void;
  /** Revisions of what it was told. */
  readonly known: Map<string, number>;
}

/**
 * One node's way to a {@link MemoryCluster}. It can be cut off and healed, and an answer can be lost. Followers that are
 * connected hear of a change before the commit resolves.
 */
export class MemoryClusterStore implements ClusterStore {
  readonly #cluster: MemoryCluster;
  readonly #clock: Clock;
  readonly #latency: () => Promise<void>;
  readonly #onWatchError: (error: unknown) => void;
  readonly #reach = new Emitter<boolean>();
  readonly #followers = new Set<Follower>();
  readonly #leases = new Set<MemoryLease>();
  readonly #unsubscribe: () => void;
  #connected = true;
  #closed = false;
  #answersToLose = 0;

  constructor(
    cluster: MemoryCluster,
    options: {
      readonly clock: Clock;
      readonly latency: () => Promise<void>;
      readonly onWatchError?: (error: unknown) => void;
    },
  ) {
    this.#cluster = cluster;
    this.#clock = options.clock;
    this.#latency = options.latency;
    this.#onWatchError = options.onWatchError ?? (() => {});
    this.#unsubscribe = cluster.onChanges((changes) => {
      if (this.#connected) for (const change of changes) this.#tell(change);
    });
  }

  get reachable(): boolean {
    return this.#connected;
  }

  onReachable(listener: (reachable: boolean) => void): () => void {
    return this.#reach.on(listener);
  }

  /** Nothing reaches the others from now on, nor comes from them. Repeatable. */
  cut(): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#reach.emit(false);
  }

  /** Followers are told the difference first. Repeatable. */
  heal(): void {
    if (this.#connected || this.#closed) return;
    this.#connected = true;
    for (const follower of this.#followers) this.#catchUp(follower);
    for (const lease of [...this.#leases]) lease.renew();
    this.#reach.emit(true);
  }

  /** The next commit is made, and whoever asked for it hears that the store is not reachable. */
  loseNextAnswer(): void {
    this.#answersToLose += 1;
  }

  get<T>(key: string): Promise<Versioned<T> | undefined> {
    checkKey(key);
    return this.#call(() => {
      const row = this.#cluster.row(key);
      return row === undefined ? undefined : versioned<T>(key, row);
    });
  }

  list<T>(prefix: string): Promise<readonly Versioned<T>[]> {
    return this.#call(() => this.#cluster.rows(prefix).map((row) => versioned<T>(...row)));
  }

  put(key: string, value: unknown): Promise<number> {
    return this.commit([{ put: key, value }]);
  }

  async delete(key: string): Promise<void> {
    await this.commit([{ delete: key }]);
  }

  async commit(operations: readonly StoreOperation[], { lease }: ClusterCommitOptions = {}): Promise<number> {
    const steps = stepsOf(operations);
    return this.#call(() => {
      const revision = this.#cluster.commit(steps, lease?.id);
      if (this.#answersToLose === 0) return revision;
      this.#answersToLose -= 1;
      throw unreachableStore();
    });
  }

  watch(prefix: string, listener: (change: StoreChange) => void): () => void {
    const known = new Map(this.#cluster.rows(prefix).map(([key, { revision }]) => [key, revision]));
    return this.#follow({ prefix, listener, known });
  }

  follow(prefix: string, listener: (change: StoreChange) => void): Promise<() => void> {
    return this.#call(() => {
      const follower = { prefix, listener, known: new Map<string, number>() };
      this.#catchUp(follower);
      return this.#follow(follower);
    });
  }

  grantLease(ttlSeconds: number): Promise<StoreLease> {
    return this.#call(() => this.#lease(this.#cluster.grantLease(ttlSeconds), ttlSeconds));
  }

  resumeLease(id: string): Promise<StoreLease | undefined> {
    return this.#call(() => {
      const ttlSeconds = this.#cluster.renewLease(id);
      return ttlSeconds === undefined ? undefined : this.#lease(id, ttlSeconds);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe();
    this.#followers.clear();
    for (const lease of [...this.#leases]) lease.release();
  }

  #lease(id: string, ttlSeconds: number): MemoryLease {
    const lease: MemoryLease = new MemoryLease(
      { id, ttlSeconds },
      {
        clock: this.#clock,
        renew: () => (this.#connected ? this.#cluster.renewLease(id) !== undefined : undefined),
        keys: () => this.#call(() => this.#cluster.rows('').flatMap(([key, row]) => (row.lease === id ? [key] : []))),
        revoke: () => this.#call(() => this.#cluster.endLease(id)),
        ended: () => this.#leases.delete(lease),
      },
    );
    this.#leases.add(lease);
    return lease;
  }

  async #call<T>(work: () => T): Promise<T> {
    this.#assertUsable();
    await this.#latency();
    this.#assertUsable();
    const result = work();
    await this.#latency();
    if (!this.#connected) throw unreachableStore();
    return result;
  }

  #assertUsable(): void {
    if (this.#closed) throw storeClosed();
    if (!this.#connected) throw unreachableStore();
  }

  #follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => {
      this.#followers.delete(follower);
    };
  }

  #catchUp(follower: Follower): void {
    const now = new Map(this.#cluster.rows(follower.prefix));
    for (const key of [...follower.known.keys()].sort()) {
      if (!now.has(key)) this.#hear(follower, { key, value: undefined, revision: this.#cluster.revision });
    }
    for (const [key, { json, revision }] of now) {
      if (follower.known.get(key) !== revision) this.#hear(follower, { key, value: parsed(json), revision });
    }
  }

  #tell(change: StoreChange): void {
    for (const follower of [...this.#followers]) {
      if (change.key.startsWith(follower.prefix)) this.#hear(follower, structuredClone(change));
    }
  }

  #hear({ known, listener }: Follower, change: StoreChange): void {
    if (change.value === undefined) known.delete(change.key);
    else known.set(change.key, change.revision);
    try {
      listener(change);
    } catch (error) {
      this.#onWatchError(error);
    }
  }
}

interface LeaseDeps {
  readonly clock: Clock;
  /** Whether it is still there; undefined: not known. */
  readonly renew: () => boolean | undefined;
  readonly keys: () => Promise<readonly string[]>;
  readonly revoke: () => Promise<void>;
  readonly ended: () => void;
}

class MemoryLease implements StoreLease {
  readonly id: string;
  readonly ttlSeconds: number;
  readonly #deps: LeaseDeps;
  readonly #lost = new Emitter<void>();
  #held = true;
  #renewed: number;
  #cancelRenewal = (): void => {};

  constructor({ id, ttlSeconds }: { readonly id: string; readonly ttlSeconds: number }, deps: LeaseDeps) {
    this.id = id;
    this.ttlSeconds = ttlSeconds;
    this.#deps = deps;
    this.#renewed = deps.clock.now();
    this.#renewLater();
  }

  get held(): boolean {
    return this.#held;
  }

  onLost(listener: () => void): () => void {
    return this.#lost.on(listener);
  }

  keys(): Promise<readonly string[]> {
    return this.#deps.keys();
  }

  release(): void {
    this.#stop();
  }

  async revoke(): Promise<void> {
    await this.#deps.revoke();
    this.#held = false;
    this.#stop();
  }

  renew(): void {
    this.#cancelRenewal();
    const there = this.#deps.renew();
    const { clock } = this.#deps;
    if (there === true) this.#renewed = clock.now();
    if (there === false || clock.now() - this.#renewed >= this.ttlSeconds * 1000) this.#lose();
    else this.#renewLater();
  }

  #renewLater(): void {
    this.#cancelRenewal = this.#deps.clock.after((this.ttlSeconds * 1000) / 3, () => this.renew());
  }

  #lose(): void {
    this.#held = false;
    this.#stop();
    this.#lost.emit();
  }

  #stop(): void {
    this.#cancelRenewal();
    this.#deps.ended();
  }
}

function versioned<T>(key: string, { json, revision }: Row): Versioned<T> {
  return { key, value: JSON.parse(json) as T, revision };
}

function parsed(json: string | undefined): unknown {
  return json === undefined ? undefined : (JSON.parse(json) as unknown);
}

function unreachableStore(): Error {
  return unavailable('store_unreachable', 'the cluster store is not reachable');
}

function leaseLost(): Error {
  return unavailable('lease_lost', 'the lease has ended');
}
