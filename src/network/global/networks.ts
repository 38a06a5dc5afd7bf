import { type Id, type Ip, type Log, messageOf, Serial, unavailable } from '../../base/index.ts';
import type {
  Cluster,
  EventSink,
  NetworkDriver,
  NetworkNews,
  NetworkRecord,
  PlannedGlobalNetwork,
  Store,
} from '../../model/index.ts';
import { drop, put } from '../journal.ts';
import type { NetworkState } from '../state.ts';
import type { Presence } from './presence.ts';

export interface GlobalNetworksDeps {
  readonly cluster: Cluster;
  readonly state: NetworkState;
  readonly store: Store;
  readonly presence: Presence;
  readonly drivers: ReadonlyMap<string, NetworkDriver>;
  readonly events: EventSink;
  readonly log: Log;
}

/**
 * Networks of global scope as this host knows them: what the cluster tells, kept in the local store, so that a daemon that begins
 * without the cluster knows them, too.
 */
export class GlobalNetworkList {
  readonly #deps: GlobalNetworksDeps;
  readonly #turns = new Serial();
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;
  #end = (): void => {};

  constructor(deps: GlobalNetworksDeps) {
    this.#deps = deps;
  }

  /** Undoes {@link close}. */
  follow(): void {
    this.#closed = false;
    this.#end = this.#deps.cluster.followNetworks((news) => {
      void this.#turns.run('', () => this.#hear(news));
    });
  }

  stop(): void {
    this.#end();
  }

  /** Hears no more, and refuses to create and to remove. Resolves when what was under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.stop();
    await Promise.allSettled(this.#underWay);
    await this.#turns.idle();
  }

  /** Known here when it resolves; other hosts are told. */
  create(plan: PlannedGlobalNetwork): Promise<NetworkRecord> {
    return this.#whileOpen(`create network "${plan.name}"`, async () => {
      const record = await this.#deps.cluster.createNetwork(plan);
      await this.#turns.run('', () => this.#appear(record));
      return record;
    });
  }

  /** Nobody of this host is on it. */
  remove(record: NetworkRecord): Promise<void> {
    return this.#whileOpen(`remove network "${record.name}"`, async () => {
      await this.#deps.cluster.removeNetwork(record);
      await this.#turns.run('', () => this.#disappear(record.id));
    });
  }

  /** The nodes that have endpoints on it. */
  async peersOf(networkId: Id): Promise<readonly { readonly name: string; readonly ip: Ip }[]> {
    const { cluster, log } = this.#deps;
    try {
      const there = new Set((await cluster.endpointsOf(networkId)).map(({ nodeId }) => nodeId));
      const nodes = cluster.nodes().filter(({ id }) => there.has(id));
      return nodes.map(({ name, address }) => ({ name, ip: address })).sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      log.debug({ network: networkId, reason: messageOf(error) }, 'cannot ask who is on a network');
      return [];
    }
  }

  async #whileOpen<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw unavailable('cluster_leaving', `cannot ${what}: this host is leaving the cluster`);
    const running = work();
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  async #hear({ all, set, removed }: NetworkNews): Promise<void> {
    if (this.#closed) return;
    const { state, log } = this.#deps;
    const there = new Set(set.map(({ id }) => id));
    const known = [...state.networks.values()].filter(({ record }) => record.scope === 'global');
    const gone = all ? known.map(({ record }) => record.id).filter((id) => !there.has(id)) : removed;
    for (const work of [
      ...gone.map((id) => () => this.#disappear(id)),
      ...set.map((record) => () => this.#appear(record)),
    ]) {
      await work().catch((error: unknown) => log.error({ reason: messageOf(error) }, 'cannot follow the cluster'));
    }
  }

  async #appear(record: NetworkRecord): Promise<void> {
    const { state, store, presence, drivers } = this.#deps;
    const wasLost = presence.adopt(record.id);
    if (state.networks.has(record.id)) {
      if (wasLost) this.#publish('create', record);
      return;
    }
    await store.commit([put.network(record)]);
    state.setNetwork({ record, driver: drivers.get(record.driver), setup: { firewall: [] } });
    this.#publish('create', record);
  }

  /** Containers that are on it all the same go on, with whom they knew; nobody joins. */
  async #disappear(id: Id): Promise<void> {
    const { state, store, presence, log } = this.#deps;
    const network = state.networks.get(id);
    if (network === undefined || presence.isOrphaned(id)) return;
    this.#publish('destroy', network.record);
    if (!presence.orphan(id)) {
      log.warn({ network: network.record.name }, 'the cluster has lost a network that containers of this host are on');
      return;
    }
    state.deleteNetwork(id);
    await store.commit([drop.network(id)]);
  }

  #publish(action: 'create' | 'destroy', { id, name, driver: type }: NetworkRecord): void {
    this.#deps.events.publish({ type: 'network', action, id, attributes: { name, type }, scope: 'global' });
  }
}
