import {
  type Clock,
  Emitter,
  FairwayError,
  type Id,
  type Log,
  messageOf,
  newId,
  silentLog,
  systemClock,
  unavailable,
} from '../../base/index.ts';
import type {
  Cluster,
  ClusterEndpoint,
  ClusterNode,
  ClusterStore,
  EndpointNews,
  JoinRequest,
  NetworkClash,
  NetworkNews,
  NetworkRecord,
  PlannedGlobalNetwork,
  Store,
  StoreLease,
} from '../../model/index.ts';
import type { AddressPool } from '../ipam/index.ts';
import { Claims } from './claims.ts';
import { KeptLease } from './kept-lease.ts';
import { keys, SCHEMA_VERSION, type StoredNode, type StoredSchema } from './keys.ts';
import { Members } from './members.ts';
import { NetworkViews } from './network-view.ts';
import { GlobalNetworks } from './networks.ts';
import { DEFAULT_GLOBAL_POOLS } from './pools.ts';
import { Upkeep } from './upkeep.ts';

export interface StoreClusterDeps {
  readonly store: ClusterStore;
  /** This node's own: ids of its leases. */
  readonly local: Store;
  readonly clock?: Clock;
  /** From 0 to 1, as Math.random: nodes that were in each other's way go apart by it. */
  readonly random?: () => number;
  readonly log?: Log;
}

export interface StoreClusterOptions {
  readonly self: Pick<ClusterNode, 'id' | 'name' | 'address'>;
  /** How long a node counts as alive that is not heard of. */
  readonly presenceSeconds?: number;
  /** How often it tells that it lives; a third of the above when absent. */
  readonly heartbeatSeconds?: number;
  /** How long its addresses are kept for it. */
  readonly claimSeconds?: number;
  /** Subnets of networks for which none is given. */
  readonly pools?: readonly AddressPool[];
}

const PRESENCE_SECONDS = 10;
const CLAIM_SECONDS = 3600;
const SCHEMA = 'cluster_schema';

/**
 * A node of a cluster whose state is in a {@link ClusterStore}. All that is to be kept up (leases, registration, what is
 * followed, claims) is brought about by one repeatable pass, {@link #sync}, whenever something may be otherwise.
 */
export class StoreCluster implements Cluster {
  readonly #store: ClusterStore;
  readonly #log: Log;
  readonly #self: StoreClusterOptions['self'];
  readonly #members: Members;
  readonly #networks: GlobalNetworks;
  readonly #views: NetworkViews;
  readonly #claims: Claims;
  readonly #presence: KeptLease;
  readonly #claim: KeptLease;
  readonly #upkeep: Upkeep;
  readonly #ends: (() => void)[] = [];
  readonly #allKnown = new Emitter<void>();
  readonly #clashes = new Emitter<NetworkClash>();
  /** Reasons that were told. */
  readonly #clashing = new Map<Id, string>();
  /** After each pass, with what was in its way. */
  readonly #passed = new Emitter<unknown>();
  /** By key: under which lease it was put. */
  readonly #registered = new Map<string, string>();
  #clusterId: Id | undefined;
  #problem: string | undefined = 'not connected yet';
  #code = 'store_unreachable';
  #ready = false;
  #started = false;
  #closed = false;
  /** Whether others were seen to be told of this node. */
  #whole = false;

  constructor(deps: StoreClusterDeps, options: StoreClusterOptions) {
    const { store, local, clock = systemClock, random = Math.random } = deps;
    const { presenceSeconds = PRESENCE_SECONDS, claimSeconds = CLAIM_SECONDS, pools = DEFAULT_GLOBAL_POOLS } = options;
    this.#store = store;
    this.#log = deps.log ?? silentLog;
    this.#self = options.self;
    const selfId = options.self.id;
    const onLost = (): void => this.#upkeep.ask();
    this.#presence = new KeptLease(
      { store, local, onLost },
      { key: 'cluster/presence', ttlSeconds: presenceSeconds, everySeconds: options.heartbeatSeconds },
    );
    this.#claim = new KeptLease({ store, local, onLost }, { key: 'cluster/claim', ttlSeconds: claimSeconds });
    this.#members = new Members({ store });
    this.#networks = new GlobalNetworks({ store, clock, random, selfId }, { pools });
    const onOwn = (endpointId: Id, there: boolean): void => {
      if (this.#claims.has(endpointId) !== there) this.#upkeep.ask();
    };
    this.#views = new NetworkViews({ store, members: this.#members, selfId, onOwn });
    this.#claims = new Claims({
      ...{ store, clock, random, selfId, networks: this.#networks, views: this.#views },
      lease: () => this.#claim.current,
      onUnsettled: () => this.#upkeep.ask(),
    });
    this.#upkeep = new Upkeep({ clock, random, work: () => this.#sync(), onEnd: (problem) => this.#note(problem) });
  }

  get self(): ClusterNode {
    return { ...this.#self, alive: this.#presence.current !== undefined };
  }

  get reachable(): boolean {
    return this.#ready && this.#store.reachable;
  }

  get problem(): string | undefined {
    if (this.#problem !== undefined) return this.#problem;
    return this.#store.reachable ? undefined : 'the cluster store is not reachable';
  }

  start(endpoints: readonly ClusterEndpoint[], networks: readonly NetworkRecord[] = []): void {
    this.#started = true;
    this.#claims.resume(endpoints, networks);
    this.#ends.push(
      this.#members.onChange((id) => this.#watchSelf(id)),
      this.#networks.listen(({ removed }) => {
        if (this.#claims.networks().some(({ id }) => removed.includes(id))) this.#upkeep.ask();
      }),
      this.#store.onReachable((reachable) => {
        if (reachable) this.#upkeep.ask();
        else this.#log.warn({}, 'the cluster store is not reachable: what is known of other hosts stays as it is');
      }),
    );
    this.#upkeep.ask();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of this.#ends) end();
    await this.#upkeep.close();
    this.#presence.release();
    this.#claim.release();
    this.#views.stop();
    this.#members.stop();
    this.#networks.stop();
  }

  async resign(): Promise<void> {
    await this.close();
    try {
      await this.#presence.end();
    } finally {
      await this.#claim.end();
    }
  }

  /**
   * Resolves when this node takes part ({@link reachable}). Rejects when the store is of another schema, and with the reason of
   * `signal`, where that is aborted before.
   */
  takesPart(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (problem: unknown): void => {
      if (this.reachable) resolve();
      else if (problem instanceof FairwayError && problem.code === SCHEMA) reject(problem);
    };
    const onAbort = (): void => reject(signal.reason);
    const end = this.#passed.on(look);
    signal.addEventListener('abort', onAbort);
    look(undefined);
    if (signal.aborted) onAbort();
    return promise.finally(() => {
      end();
      signal.removeEventListener('abort', onAbort);
    });
  }

  /** The lease of what this node may keep for an hour after it was cut off. Throws when the store is not reachable. */
  claim(): Promise<StoreLease> {
    return this.#claim.ensure();
  }

  nodes(): readonly ClusterNode[] {
    const known = this.#members.list();
    return known.some(({ id }) => id === this.#self.id) ? known : [...known, this.self];
  }

  onNodes(listener: () => void): () => void {
    const ends = [this.#members.onChange(listener), this.#allKnown.on(listener)];
    return () => {
      for (const end of ends) end();
    };
  }

  followNetworks(listener: (news: NetworkNews) => void): () => void {
    return this.#networks.listen(listener);
  }

  onTaken(listener: (endpoint: ClusterEndpoint) => void): () => void {
    return this.#claims.onTaken(listener);
  }

  onClash(listener: (clash: NetworkClash) => void): () => void {
    return this.#clashes.on(listener);
  }

  async createNetwork(plan: PlannedGlobalNetwork): Promise<NetworkRecord> {
    return await this.#networks.create(plan, this.#assertUsable());
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    this.#assertUsable();
    await this.#networks.remove(network);
  }

  async join(request: JoinRequest): Promise<ClusterEndpoint> {
    this.#assertUsable();
    return await this.#claims.join(request);
  }

  rename(endpoint: ClusterEndpoint): Promise<void> {
    return this.#claims.rename(endpoint);
  }

  async leave(networkId: Id, endpointId: Id): Promise<void> {
    // Before it has begun: it is not told of the endpoint then, so what is claimed for it is given back.
    if (this.#started) await this.#claims.leave(networkId, endpointId);
  }

  followEndpoints(network: Pick<NetworkRecord, 'id' | 'pools'>, listener: (news: EndpointNews) => void): () => void {
    const opened = this.#views.open(network);
    const end = opened.view.listen(listener);
    // Names need to know which nodes there are; the next pass begins to follow otherwise.
    if (this.#ready) opened.view.ready().catch(() => this.#upkeep.ask());
    return () => {
      end();
      opened[Symbol.dispose]();
    };
  }

  async endpointsOf(networkId: Id): Promise<readonly ClusterEndpoint[]> {
    const known = this.#views.get(networkId);
    try {
      const rows = await this.#store.list<ClusterEndpoint>(keys.endpointsOf(networkId));
      return rows.map(({ value }) => value);
    } catch (error) {
      if (known === undefined || !(error instanceof FairwayError) || error.code !== 'store_unreachable') throw error;
      return known.endpoints();
    }
  }

  /** One pass: each step finds what it has to do. What it cannot do it throws, and it is tried again. */
  async #sync(): Promise<void> {
    this.#clusterId = await this.#checkSchema();
    await this.#register();
    await this.#members.follow();
    await this.#networks.follow();
    await this.#putBackLost();
    await this.#claims.settle();
    await Promise.all(this.#views.all().map((view) => view.ready()));
    const before = this.#ready;
    this.#ready = true;
    if (!before) this.#allKnown.emit();
    await this.#networks.finishRemovals();
  }

  async #checkSchema(): Promise<Id> {
    const found = await this.#store.get<StoredSchema>(keys.schema);
    if (found === undefined) {
      // A store that lost everything is that of the same cluster for those who were in it.
      const before = this.#clusterId ?? this.#claims.networks().find((one) => one.cluster !== undefined)?.cluster;
      const cluster = before ?? newId();
      const schema: StoredSchema = { version: SCHEMA_VERSION, cluster };
      await this.#store.commit([{ put: keys.schema, value: schema, expect: 0 }]).catch((error: unknown) => {
        if (!(error instanceof FairwayError) || error.code !== 'store_conflict') throw error;
      });
      return this.#checkSchema();
    }
    const { version, cluster } = found.value;
    if (version === SCHEMA_VERSION) return cluster;
    throw new FairwayError(
      `the cluster store has schema version ${version}, this program knows version ${SCHEMA_VERSION}: ` +
        'use programs of one version on all hosts, or another prefix',
      { code: SCHEMA, kind: 'unavailable' },
    );
  }

  async #register(): Promise<void> {
    const { id, name, address } = this.#self;
    const node: StoredNode = { name, address };
    await this.#keepUnder(this.#claim, keys.node(id), node);
    await this.#keepUnder(this.#presence, keys.aliveNode(id), {});
  }

  /** A store that lost its data does not know the lease, which shows here long before its next renewal. */
  async #keepUnder(kept: KeptLease, key: string, value: unknown): Promise<void> {
    const lease = await kept.ensure();
    if (this.#registered.get(key) === lease.id && (await lease.keys()).includes(key)) return;
    try {
      await this.#store.commit([{ put: key, value }], { lease });
      this.#registered.set(key, lease.id);
    } catch (error) {
      if (error instanceof FairwayError && error.code === 'lease_lost') kept.drop();
      throw error;
    }
  }

  /** Somebody deleted what says that we are there: it is said again. */
  #watchSelf(id: Id): void {
    if (id !== this.#self.id) return;
    const whole = this.#members.get(id)?.alive === true;
    if (this.#whole && !whole) this.#upkeep.ask();
    this.#whole = whole;
  }

  /** Networks of another cluster, which this host was in before, do not belong here. */
  async #putBackLost(): Promise<void> {
    for (const network of this.#claims.networks()) {
      if (this.#networks.get(network.id) !== undefined || network.cluster !== this.#clusterId) continue;
      const done = await this.#networks.putBack(network);
      const context = { network: network.name, id: network.id };
      if (done === 'made')
        this.#log.warn(context, 'the cluster had lost a network that containers are on: it is put back');
      if (typeof done === 'string') this.#clashing.delete(network.id);
      else if (this.#clashing.get(network.id) !== done.reason) {
        this.#clashing.set(network.id, done.reason);
        this.#clashes.emit({ network, ...done });
      }
    }
  }

  #note(problem: unknown): void {
    const text = problem === undefined ? undefined : messageOf(problem);
    const before = this.#problem;
    this.#problem = text;
    this.#code = problem instanceof FairwayError ? problem.code : 'store_unreachable';
    this.#passed.emit(problem);
    if (text === before) return;
    if (text !== undefined) this.#log.warn({ reason: text }, 'cannot take part in the cluster: trying again');
    else this.#log.info({ nodes: this.nodes().length }, 'taking part in the cluster');
  }

  #assertUsable(): Id {
    if (this.#clusterId !== undefined && this.#ready && this.problem === undefined) return this.#clusterId;
    const code = this.#problem === undefined ? 'store_unreachable' : this.#code;
    throw unavailable(code, `the cluster cannot be asked: ${this.problem ?? 'not connected yet'}`);
  }
}
