import { Backoff, type Clock, type Id, type Log, messageOf, Serial } from '../../base/index.ts';
import type { Cluster, EndpointNews, NetworkRecord, Peer, Resolver, Store } from '../../model/index.ts';
import { drop, loadRemote, put, type RemoteEndpoint, THIS_BOOT } from '../journal.ts';
import { resolvesNames } from '../lookup.ts';
import type { LiveNetwork, NetworkState } from '../state.ts';

export interface RemoteEndpointsDeps {
  readonly cluster: Cluster;
  readonly state: NetworkState;
  readonly store: Store;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Log;
}

interface Followed {
  end: () => void;
  readonly known: Map<Id, RemoteEndpoint>;
  /** Whose names are answered. */
  readonly named: Set<Id>;
  /** Who may have something else than what is known, with the reason: they are told everything anew. */
  readonly astray: Map<Listener, string>;
}

/** Who is told, in this order: what the kernel has is remembered already. */
const LISTENERS = ['store', 'driver', 'resolver'] as const;
type Listener = (typeof LISTENERS)[number];

const FAILED: Readonly<Record<Listener, string>> = {
  store: 'cannot remember containers of other hosts for the next daemon',
  driver: 'cannot tell the kernel where containers of other hosts are',
  resolver: 'cannot tell the resolver of other hosts',
};

const RETRY_LONGEST_MS = 30_000;

/**
 * Endpoints on other nodes, of the networks that exist here: their names for the resolver, their places for the driver.
 * Remembered on this host, so that a daemon that starts while the cluster cannot be asked goes on with those of before; the
 * first that the cluster tells is all there is, and takes the place of it.
 */
export class RemoteEndpoints {
  readonly #deps: RemoteEndpointsDeps;
  readonly #followed = new Map<Id, Followed>();
  readonly #turns = new Serial<Id>();
  readonly #retry: Backoff;

  constructor(deps: RemoteEndpointsDeps) {
    this.#deps = deps;
    this.#retry = new Backoff(
      { clock: deps.clock, work: () => this.#tellAgain(), onError: () => {} },
      { longestMs: RETRY_LONGEST_MS },
    );
  }

  /** To be called once, before {@link follow}: what is remembered, of networks that are here. Other networks' is forgotten. */
  async resume(stored: readonly RemoteEndpoint[]): Promise<void> {
    const { state, store } = this.#deps;
    const strays = stored.filter(({ networkId }) => !state.made.has(networkId));
    if (strays.length > 0) await store.commit(strays.map(dropOf), THIS_BOOT);
    for (const [networkId, remotes] of Map.groupBy(stored, (remote) => remote.networkId)) {
      if (!state.made.has(networkId)) continue;
      const followed = newFollowed(remotes);
      // It has them; the others may not.
      followed.astray.delete('store');
      this.#followed.set(networkId, followed);
      await this.#turns.run(networkId, () => this.#tell(networkId, followed, []));
    }
  }

  /** Repeatable. */
  follow(record: NetworkRecord): void {
    const followed = this.#followed.get(record.id) ?? newFollowed([]);
    if (followed.end !== notFollowed) return;
    this.#followed.set(record.id, followed);
    followed.end = this.#deps.cluster.followEndpoints(record, (news) => {
      void this.#turns.run(record.id, () => this.#hear(record.id, news));
    });
  }

  /** The network goes from this node: nobody asks for its names any more. */
  async unfollow(networkId: Id): Promise<void> {
    const followed = this.#followed.get(networkId);
    if (followed === undefined) return;
    this.#followed.delete(networkId);
    followed.end();
    await this.#turns.run(networkId, async () => {
      for (const id of followed.named) await this.#deps.resolver.removeEndpoint(id);
      await this.#commit([...followed.known.values()].map(dropOf));
    });
  }

  /** Names and places stay as they are. */
  stop(): void {
    for (const { end } of this.#followed.values()) end();
    this.#followed.clear();
    this.#retry[Symbol.dispose]();
  }

  async #hear(networkId: Id, news: EndpointNews): Promise<void> {
    const followed = this.#followed.get(networkId);
    if (followed === undefined) return;
    const { known } = followed;
    const gone = news.all ? missingFrom(news.set, known) : news.removed;
    const changed = news.set.filter((one) => JSON.stringify(one) !== JSON.stringify(known.get(one.endpointId)));
    for (const id of gone) known.delete(id);
    for (const remote of changed) known.set(remote.endpointId, remote);
    // Whatever the kernel has beside them goes.
    if (news.all) followed.astray.set('driver', followed.astray.get('driver') ?? '');
    await this.#tell(networkId, followed, [...gone, ...changed.map(({ endpointId }) => endpointId)]);
  }

  /** Those who may be astray, everything; the others, of these endpoints. Whom it fails for is told again later. */
  async #tell(networkId: Id, followed: Followed, touched: readonly Id[]): Promise<void> {
    const { state, log } = this.#deps;
    const network = state.networks.get(networkId);
    if (network === undefined) return;
    const tell: Readonly<Record<Listener, (all: boolean) => Promise<void> | void>> = {
      store: (all) => this.#remember(networkId, followed, all ? undefined : touched),
      driver: (all) => this.#tellDriver(network, followed, all ? undefined : touched),
      resolver: (all) => this.#tellResolver(network, followed, all ? undefined : touched),
    };
    for (const listener of LISTENERS) {
      const before = followed.astray.get(listener);
      try {
        await tell[listener](before !== undefined);
        followed.astray.delete(listener);
      } catch (error) {
        const reason = messageOf(error);
        followed.astray.set(listener, reason);
        if (reason !== before) log.error({ network: network.record.name, reason }, FAILED[listener]);
        this.#retry.ask();
      }
    }
  }

  async #tellAgain(): Promise<boolean> {
    // Those that nobody has told of anything yet have failed in nothing.
    const hasFailed = ({ astray }: Followed): boolean => [...astray.values()].some((reason) => reason !== '');
    const astray = [...this.#followed].filter(([, followed]) => hasFailed(followed));
    for (const [networkId, followed] of astray) {
      await this.#turns.run(networkId, async () => {
        if (this.#followed.get(networkId) === followed) await this.#tell(networkId, followed, []);
      });
    }
    return astray.length > 0;
  }

  /** `touched` undefined: it is not known what the store has. */
  async #remember(networkId: Id, { known }: Followed, touched: readonly Id[] | undefined): Promise<void> {
    const stored = touched === undefined ? await loadRemote(this.#deps.store, networkId) : [];
    const ids = new Set([...(touched ?? known.keys()), ...stored.map(({ endpointId }) => endpointId)]);
    await this.#commit(
      [...ids].map((id) => {
        const remote = known.get(id);
        return remote === undefined ? drop.remote(networkId, id) : put.remote(remote);
      }),
    );
  }

  async #commit(operations: Parameters<Store['commit']>[0]): Promise<void> {
    if (operations.length > 0) await this.#deps.store.commit(operations, THIS_BOOT);
  }

  #tellDriver({ driver, record }: LiveNetwork, { known }: Followed, touched: readonly Id[] | undefined): void {
    if (driver?.replacePeers === undefined) return;
    if (touched === undefined) {
      driver.replacePeers(record, [...known.values()].map(peerOf));
      return;
    }
    const set = touched.flatMap((id) => known.get(id) ?? []).map(peerOf);
    driver.changePeers?.(record, { set, remove: touched.filter((id) => !known.has(id)) });
  }

  async #tellResolver(
    network: LiveNetwork,
    { known, named }: Followed,
    touched: readonly Id[] | undefined,
  ): Promise<void> {
    const { resolver } = this.#deps;
    if (!resolvesNames(network)) return;
    const ids = touched ?? new Set([...named, ...known.keys()]);
    // An address that moved is answered for its new name last.
    for (const id of ids) {
      if (known.get(id)?.names === true || !named.has(id)) continue;
      await resolver.removeEndpoint(id);
      named.delete(id);
    }
    for (const id of ids) {
      const remote = known.get(id);
      if (remote?.names !== true) continue;
      named.add(id);
      await resolver.addEndpoint(dnsEndpointOf(network.record, remote));
    }
  }
}

function notFollowed(): void {}

function newFollowed(known: readonly RemoteEndpoint[]): Followed {
  return {
    end: notFollowed,
    known: new Map(known.map((remote) => [remote.endpointId, remote])),
    named: new Set(),
    astray: new Map(LISTENERS.map((listener) => [listener, ''])),
  };
}

function missingFrom(set: readonly RemoteEndpoint[], known: ReadonlyMap<Id, RemoteEndpoint>): readonly Id[] {
  const there = new Set(set.map(({ endpointId }) => endpointId));
  return [...known.keys()].filter((id) => !there.has(id));
}

function dropOf({ networkId, endpointId }: RemoteEndpoint): ReturnType<typeof drop.remote> {
  return drop.remote(networkId, endpointId);
}

function peerOf({ endpointId, ipv4, ipv6, mac, underlay }: RemoteEndpoint): Peer {
  return {
    endpointId,
    mac,
    underlay,
    ...(ipv4 === undefined ? {} : { ipv4: ipv4.ip }),
    ...(ipv6 === undefined ? {} : { ipv6: ipv6.ip }),
  };
}

function dnsEndpointOf(
  network: NetworkRecord,
  { endpointId, dnsNames, ipv4, ipv6 }: RemoteEndpoint,
): Parameters<Resolver['addEndpoint']>[0] {
  return {
    ...{ endpointId, networkId: network.id, networkName: network.name, names: dnsNames },
    ...(ipv4 === undefined ? {} : { ipv4: ipv4.ip }),
    ...(ipv6 === undefined ? {} : { ipv6: ipv6.ip }),
  };
}
