import {
  type Clock,
  conflict,
  Emitter,
  FairwayError,
  forbidden,
  type Id,
  isKind,
  Serial,
  shortId,
  unavailable,
} from '../../base/index.ts';
import type {
  ClusterEndpoint,
  ClusterStore,
  NetworkNews,
  NetworkRecord,
  PlannedGlobalNetwork,
  StoreChange,
  StoreOperation,
  Versioned,
} from '../../model/index.ts';
import { VNI } from '../../model/index.ts';
import type { AddressPool } from '../ipam/index.ts';
import { blockState } from './blocks.ts';
import { type Clash, clashOf, withoutOwnState } from './clash.ts';
import { keys, leafOf, type StoredNetwork, type StoredOwner, type StoredPools } from './keys.ts';
import { choosePools, lowestFreeVni, withoutPools, withPools } from './pools.ts';

export interface GlobalNetworksDeps {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly selfId: Id;
}

export interface KnownNetwork extends StoredNetwork {
  readonly revision: number;
}

/** Every node of a large cluster may be creating one at this moment; one of them gets through each time. */
const ATTEMPTS = 60;
const ATTEMPTS_AT_ONCE = 4;
const LONGEST_PAUSE_MS = 200;

/** `networks/` and what belongs to each: followed, created and removed. */
export class GlobalNetworks {
  readonly #deps: GlobalNetworksDeps;
  readonly #pools: readonly AddressPool[];
  readonly #known = new Map<Id, KnownNetwork>();
  /** At which revision it went: what is told of before is old. */
  readonly #gone = new Map<Id, number>();
  readonly #news = new Emitter<NetworkNews>();
  readonly #creating = new Serial<string>();
  readonly #removals = new Set<Id>();
  #end: (() => void) | undefined;

  constructor(deps: GlobalNetworksDeps, options: { readonly pools: readonly AddressPool[] }) {
    this.#deps = deps;
    this.#pools = options.pools;
  }

  /** Repeatable. */
  async follow(): Promise<void> {
    if (this.#end !== undefined) return;
    let all = false;
    const end = await this.#deps.store.follow(keys.networks, (change) => this.#hear(change, all));
    this.#end = end;
    all = true;
    this.#news.emit(this.#all());
  }

  stop(): void {
    this.#end?.();
    this.#end = undefined;
  }

  listen(listener: (news: NetworkNews) => void): () => void {
    const end = this.#news.on(listener);
    if (this.#end !== undefined) listener(this.#all());
    return end;
  }

  get(id: Id): KnownNetwork | undefined {
    return this.#known.get(id);
  }

  /** Looks at the store itself. */
  async look(id: Id): Promise<KnownNetwork | undefined> {
    const row = await this.#deps.store.get<StoredNetwork>(keys.network(id));
    return row === undefined ? undefined : { ...row.value, revision: row.revision };
  }

  /** Of one node one at a time: they would only be in each other's way. */
  create(plan: PlannedGlobalNetwork, cluster: Id): Promise<NetworkRecord> {
    return this.#creating.run('', async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const record = await this.#tryToCreate(plan, cluster);
        if (record !== undefined) return record;
        await this.#pause(attempt);
      }
      throw unavailable(
        'cluster_contention',
        `cannot create network "${plan.name}": too many are being created at once`,
      );
    });
  }

  /** Marks it first, so that nobody joins while we look whether anybody is there; what fails in between is gone on with later. */
  async remove({ id, name }: Pick<NetworkRecord, 'id' | 'name'>): Promise<void> {
    this.#removals.add(id);
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        if (await this.#tryToRemove(id)) return;
        await this.#pause(attempt);
      }
    } finally {
      this.#removals.delete(id);
    }
    throw unavailable('cluster_contention', `cannot remove network "${name}": somebody changes it all the while`);
  }

  /** Goes on with removals of this node that were cut off half-way. */
  async finishRemovals(): Promise<void> {
    for (const { network, removing } of [...this.#known.values()]) {
      if (removing !== this.#deps.selfId || this.#removals.has(network.id)) continue;
      await this.remove(network).catch((error: unknown) => {
        if (!isKind(error, 'forbidden')) throw error;
      });
    }
  }

  /**
   * One that the store has lost, although endpoints of this node are on it. Several nodes may do it at once: they put back the
   * same. Its caller tries again after a pause.
   */
  async putBack(network: NetworkRecord): Promise<'there' | 'made' | Clash> {
    for (let attempt = 0; attempt < ATTEMPTS_AT_ONCE; attempt += 1) {
      const found = await this.look(network.id);
      if (found !== undefined) {
        this.#learnNew(network.id, found);
        return 'there';
      }
      const done = await this.#tryToPutBack(network);
      if (done !== undefined) return done;
    }
    throw unavailable('cluster_contention', `cannot put back network "${network.name}": too many are being created`);
  }

  /** Undefined: somebody else changed something meanwhile. */
  async #tryToPutBack(lost: NetworkRecord): Promise<'made' | Clash | undefined> {
    const { store } = this.#deps;
    const network = withoutOwnState(lost);
    const { id } = network;
    const vni = network.driverState?.[VNI];
    const [pools, name, identifier] = await Promise.all([
      store.get<StoredPools>(keys.pools),
      store.get<StoredOwner>(keys.name(network.name)),
      typeof vni === 'number' ? store.get<StoredOwner>(keys.vni(vni)) : undefined,
    ]);
    const taken = pools?.value ?? [];
    const clash = clashOf(network, { pools: taken, name: name?.value, identifier: identifier?.value });
    if (clash !== undefined) return clash;
    const subnets = network.pools.map(({ subnet }) => subnet);
    const owner: StoredOwner = { networkId: id };
    const made = await this.#commit(
      [
        ...(subnets.length === 0
          ? []
          : [{ put: keys.pools, value: withPools(taken, id, subnets), expect: pools?.revision ?? 0 }]),
        { put: keys.name(network.name), value: owner, expect: name?.revision ?? 0 },
        ...(typeof vni === 'number' ? [{ put: keys.vni(vni), value: owner, expect: identifier?.revision ?? 0 }] : []),
        { put: keys.network(id), value: { network } satisfies StoredNetwork, expect: 0 },
      ],
      async () => (await this.look(id))?.revision,
    );
    if (made === undefined) return undefined;
    this.#learnNew(id, { network, revision: made });
    return 'made';
  }

  /** Undefined: somebody else changed something meanwhile. */
  async #tryToCreate(plan: PlannedGlobalNetwork, cluster: Id): Promise<NetworkRecord | undefined> {
    const { store } = this.#deps;
    const [pools, name, vnis] = await Promise.all([
      store.get<StoredPools>(keys.pools),
      store.get<StoredOwner>(keys.name(plan.name)),
      plan.needsVni ? store.list<StoredOwner>(keys.vnis) : [],
    ]);
    if (name !== undefined) throw conflict('network_exists', `network with name ${plan.name} already exists`);
    const taken = pools?.value ?? [];
    const chosen = choosePools(plan, taken, { cluster, pools: this.#pools });
    const vni = plan.needsVni ? chooseVni(plan.vni, vnis) : undefined;
    const { requests: _requests, vni: _vni, needsVni: _needsVni, busy: _busy, blocks, ...facts } = plan;
    const driverState = {
      ...(vni === undefined ? {} : { [VNI]: vni }),
      ...(blocks === undefined ? {} : blockState(chosen, blocks)),
    };
    const network: NetworkRecord = {
      ...facts,
      cluster,
      pools: chosen,
      ...(Object.keys(driverState).length === 0 ? {} : { driverState }),
    };
    const subnets = chosen.map(({ subnet }) => subnet);
    const owner: StoredOwner = { networkId: plan.id };
    const made = await this.#commit(
      [
        ...(subnets.length === 0
          ? []
          : [{ put: keys.pools, value: withPools(taken, plan.id, subnets), expect: pools?.revision ?? 0 }]),
        { put: keys.name(plan.name), value: owner, expect: 0 },
        ...(vni === undefined ? [] : [{ put: keys.vni(vni), value: owner, expect: 0 }]),
        { put: keys.network(plan.id), value: { network } satisfies StoredNetwork, expect: 0 },
      ],
      async () => (await this.look(plan.id))?.revision,
    );
    if (made === undefined) return undefined;
    this.#learnNew(plan.id, { network, revision: made });
    return network;
  }

  /** false: somebody else changed it meanwhile. */
  async #tryToRemove(id: Id): Promise<boolean> {
    const { store, selfId } = this.#deps;
    const found = await this.look(id);
    if (found === undefined) {
      this.#removed(id, Number.MAX_SAFE_INTEGER);
      return true;
    }
    const { network } = found;
    const removing: StoredNetwork = { network, removing: selfId };
    const marked = await this.#commit([{ put: keys.network(id), value: removing, expect: found.revision }]);
    if (marked === undefined) return false;
    const endpoints = await store.list<ClusterEndpoint>(keys.endpointsOf(id));
    if (endpoints.length > 0) {
      await this.#commit([{ put: keys.network(id), value: { network }, expect: marked }]);
      throw activeEndpoints(network, endpoints);
    }
    const pools = await store.get<StoredPools>(keys.pools);
    const vni = network.driverState?.[VNI];
    const rest = withoutPools(pools?.value ?? [], id);
    const gone = await this.#commit(
      [
        { delete: keys.network(id), expect: marked },
        { delete: keys.name(network.name) },
        ...(typeof vni === 'number' ? [{ delete: keys.vni(vni) }] : []),
        ...(pools === undefined || rest.length === pools.value.length
          ? []
          : [{ put: keys.pools, value: rest, expect: pools.revision }]),
      ],
      async () => ((await this.look(id)) === undefined ? Number.MAX_SAFE_INTEGER : undefined),
    );
    if (gone === undefined) return false;
    this.#removed(id, gone);
    return true;
  }

  /** By us, before we are told; what we are told of before is old then. */
  #removed(id: Id, revision: number): void {
    if (!this.#known.has(id)) return;
    this.#gone.set(id, revision);
    this.#forget(id, this.#end !== undefined);
  }

  /**
   * Its revision; undefined: an expectation failed. `look` is asked when the answer was lost: the revision that shows that it
   * was made.
   */
  async #commit(
    operations: readonly StoreOperation[],
    look: () => Promise<number | undefined> = async () => undefined,
  ): Promise<number | undefined> {
    try {
      return await this.#deps.store.commit(operations);
    } catch (error) {
      if (!(error instanceof FairwayError)) throw error;
      if (error.code === 'store_conflict') return undefined;
      if (error.code !== 'store_unreachable') throw error;
      const made = await look();
      if (made !== undefined) return made;
      throw error;
    }
  }

  #pause(attempt: number): Promise<void> {
    const { clock, random } = this.#deps;
    const longest = Math.min(2 ** attempt, LONGEST_PAUSE_MS);
    return new Promise((resolve) => {
      clock.after(random() * longest, resolve);
    });
  }

  #hear({ key, value, revision }: StoreChange, tell: boolean): void {
    const id = leafOf(key) as Id;
    if (value === undefined) {
      this.#forget(id, tell);
      this.#gone.delete(id);
    } else if (revision > (this.#gone.get(id) ?? 0)) this.#learn(id, { ...(value as StoredNetwork), revision }, tell);
  }

  /** Found out by asking, before we are told. */
  #learnNew(id: Id, known: KnownNetwork): void {
    if (!this.#known.has(id)) this.#learn(id, known, this.#end !== undefined);
  }

  #learn(id: Id, known: KnownNetwork, tell: boolean): void {
    const before = this.#known.get(id);
    this.#known.set(id, known);
    const same = before !== undefined && JSON.stringify(before.network) === JSON.stringify(known.network);
    if (tell && !same) this.#news.emit({ all: false, set: [known.network], removed: [] });
  }

  #forget(id: Id, tell: boolean): void {
    if (this.#known.delete(id) && tell) this.#news.emit({ all: false, set: [], removed: [id] });
  }

  #all(): NetworkNews {
    return { all: true, set: [...this.#known.values()].map(({ network }) => network), removed: [] };
  }
}

function chooseVni(wanted: number | undefined, rows: readonly Versioned<StoredOwner>[]): number {
  const taken = new Set(rows.map(({ key }) => Number(leafOf(key))));
  if (wanted === undefined) return lowestFreeVni(taken);
  if (!taken.has(wanted)) return wanted;
  throw forbidden('vni_taken', `VXLAN network identifier ${wanted} is in use by another network`);
}

function activeEndpoints(network: NetworkRecord, endpoints: readonly Versioned<ClusterEndpoint>[]): FairwayError {
  const list = endpoints.map(({ value }) => `name:"${value.name}" id:"${shortId(value.endpointId)}"`).join(', ');
  return forbidden(
    'network_in_use',
    `error while removing network: network ${network.name} has active endpoints (${list})`,
  );
}
