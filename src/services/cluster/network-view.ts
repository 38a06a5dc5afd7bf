import { Emitter, type Id, type Ip } from '../../base/index.ts';
import type { ClusterEndpoint, ClusterStore, EndpointNews, NetworkRecord, StoreChange } from '../../model/index.ts';
import { KnownAddresses } from './addresses.ts';
import { keys, leafOf, type StoredAddress } from './keys.ts';
import type { Members } from './members.ts';

export interface NetworkViewDeps {
  readonly store: ClusterStore;
  readonly members: Members;
  readonly selfId: Id;
  /** An endpoint of this node has come to the store or has gone, whoever did that. */
  readonly onOwn: (endpointId: Id, there: boolean) => void;
}

type Seen = EndpointNews['set'][number];

/** The endpoints of one network, followed, together with where their nodes are and whether these are alive. */
export class NetworkView {
  readonly id: Id;
  readonly addresses: KnownAddresses;
  readonly #deps: NetworkViewDeps;
  readonly #endpoints = new Map<Id, ClusterEndpoint>();
  /** What listeners know, as text. */
  readonly #told = new Map<Id, string>();
  readonly #news = new Emitter<EndpointNews>();
  readonly #endOfMembers: () => void;
  #following: Promise<void> | undefined;
  #end = (): void => {};
  #ready = false;
  #stopped = false;

  constructor(network: Pick<NetworkRecord, 'id' | 'pools'>, deps: NetworkViewDeps) {
    this.id = network.id;
    this.#deps = deps;
    this.addresses = new KnownAddresses(network);
    this.#endOfMembers = deps.members.onChange((nodeId) => {
      if (this.#ready) this.#tell([...this.#endpoints.values()].filter((one) => one.nodeId === nodeId));
    });
  }

  /** Everything is known; throws where it cannot be. Repeatable. */
  ready(): Promise<void> {
    this.#following ??= this.#follow().catch((error: unknown) => {
      this.#following = undefined;
      throw error;
    });
    return this.#following;
  }

  endpoints(): readonly ClusterEndpoint[] {
    return [...this.#endpoints.values()];
  }

  /** First all that is known, if it is. */
  listen(listener: (news: EndpointNews) => void): () => void {
    const end = this.#news.on(listener);
    if (this.#ready) listener(this.#all());
    return end;
  }

  /** Looks at the addresses themselves. `pending`: those that calls of this node are claiming. */
  async refresh(pending: Iterable<readonly [Ip, Id]>): Promise<void> {
    const rows = await this.#deps.store.list<StoredAddress>(keys.addressesOf(this.id));
    this.addresses.reset(rows.map(({ key, value }) => [leafOf(key) as Ip, value.endpointId] as const));
    for (const [ip, endpointId] of pending) {
      if (this.addresses.ownerOf(ip) === undefined) this.addresses.take(ip, endpointId);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#endOfMembers();
    this.#end();
  }

  async #follow(): Promise<void> {
    const end = await this.#deps.store.follow(keys.endpointsOf(this.id), (change) => this.#hear(change));
    if (this.#stopped) {
      end();
      return;
    }
    this.#end = end;
    this.#ready = true;
    this.#news.emit(this.#all());
  }

  #hear({ key, value }: StoreChange): void {
    const id = leafOf(key) as Id;
    const before = this.#endpoints.get(id);
    const after = value as ClusterEndpoint | undefined;
    for (const ip of addressesOf(before)) this.addresses.release(ip, id);
    if (after === undefined) this.#endpoints.delete(id);
    else this.#endpoints.set(id, after);
    for (const ip of addressesOf(after)) this.addresses.take(ip, id);
    const own = (after ?? before)?.nodeId === this.#deps.selfId;
    if (own && this.#ready) this.#deps.onOwn(id, after !== undefined);
    if (this.#ready) this.#tell([after ?? before].filter((one) => one !== undefined));
  }

  #all(): EndpointNews {
    const set = [...this.#endpoints.values()].flatMap((endpoint) => this.#seen(endpoint) ?? []);
    this.#told.clear();
    for (const one of set) this.#told.set(one.endpointId, JSON.stringify(one));
    return { all: true, set, removed: [] };
  }

  #tell(endpoints: readonly ClusterEndpoint[]): void {
    const set: Seen[] = [];
    const removed: Id[] = [];
    for (const { endpointId } of endpoints) {
      const endpoint = this.#endpoints.get(endpointId);
      const seen = endpoint === undefined ? undefined : this.#seen(endpoint);
      const text = seen === undefined ? undefined : JSON.stringify(seen);
      if (text === this.#told.get(endpointId)) continue;
      if (seen === undefined || text === undefined) {
        this.#told.delete(endpointId);
        removed.push(endpointId);
      } else {
        this.#told.set(endpointId, text);
        set.push(seen);
      }
    }
    if (set.length + removed.length > 0) this.#news.emit({ all: false, set, removed });
  }

  /** Of another node that is known. */
  #seen(endpoint: ClusterEndpoint): Seen | undefined {
    if (endpoint.nodeId === this.#deps.selfId) return undefined;
    const node = this.#deps.members.get(endpoint.nodeId);
    return node === undefined ? undefined : { ...endpoint, underlay: node.address, names: node.alive };
  }
}

export function addressesOf(endpoint: Pick<ClusterEndpoint, 'ipv4' | 'ipv6'> | undefined): readonly Ip[] {
  return [endpoint?.ipv4, endpoint?.ipv6].flatMap((cidr) => cidr?.ip ?? []);
}

/** Views by network, each for as long as somebody needs it. */
export class NetworkViews {
  readonly #deps: NetworkViewDeps;
  readonly #views = new Map<Id, { readonly view: NetworkView; users: number }>();

  constructor(deps: NetworkViewDeps) {
    this.#deps = deps;
  }

  get(networkId: Id): NetworkView | undefined {
    return this.#views.get(networkId)?.view;
  }

  all(): readonly NetworkView[] {
    return [...this.#views.values()].map(({ view }) => view);
  }

  /** Its end belongs to it. */
  open(network: Pick<NetworkRecord, 'id' | 'pools'>): { readonly view: NetworkView } & Disposable {
    const entry = this.#views.get(network.id) ?? { view: new NetworkView(network, this.#deps), users: 0 };
    this.#views.set(network.id, entry);
    entry.users += 1;
    let open = true;
    const close = (): void => {
      if (!open) return;
      open = false;
      entry.users -= 1;
      if (entry.users > 0) return;
      if (this.#views.get(network.id) === entry) this.#views.delete(network.id);
      entry.view.stop();
    };
    return { view: entry.view, [Symbol.dispose]: close };
  }

  stop(): void {
    for (const { view } of this.#views.values()) view.stop();
    this.#views.clear();
  }
}
