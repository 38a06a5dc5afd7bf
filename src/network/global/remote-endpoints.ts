import { type Id, type Log, messageOf, Serial } from '../../base/index.ts';
import type { Cluster, EndpointNews, NetworkRecord, Peer, Resolver } from '../../model/index.ts';
import { resolvesNames } from '../lookup.ts';
import type { LiveNetwork, NetworkState } from '../state.ts';

type Remote = EndpointNews['set'][number];

export interface RemoteEndpointsDeps {
  readonly cluster: Cluster;
  readonly state: NetworkState;
  readonly resolver: Resolver;
  readonly log: Log;
}

interface Followed {
  readonly end: () => void;
  readonly known: Map<Id, Remote>;
  /** Whose names are answered. */
  readonly named: Set<Id>;
  /** The kernel may have something else: everything is told anew. */
  astray: boolean;
}

/** Endpoints on other nodes, of the networks that exist here: their names for the resolver, their places for the driver. */
export class RemoteEndpoints {
  readonly #deps: RemoteEndpointsDeps;
  readonly #followed = new Map<Id, Followed>();
  readonly #turns = new Serial<Id>();

  constructor(deps: RemoteEndpointsDeps) {
    this.#deps = deps;
  }

  /** Repeatable. */
  follow(record: NetworkRecord): void {
    if (this.#followed.has(record.id)) return;
    const hear = (news: EndpointNews): void => {
      void this.#turns.run(record.id, () => this.#hear(record.id, news));
    };
    const end = this.#deps.cluster.followEndpoints(record, hear);
    this.#followed.set(record.id, { end, known: new Map(), named: new Set(), astray: true });
  }

  /** The network goes from this node: nobody asks for its names any more. */
  async unfollow(networkId: Id): Promise<void> {
    const followed = this.#followed.get(networkId);
    if (followed === undefined) return;
    this.#followed.delete(networkId);
    followed.end();
    await this.#turns.run(networkId, async () => {
      for (const id of followed.named) await this.#deps.resolver.removeEndpoint(id);
    });
  }

  /** Names and places stay as they are. */
  stop(): void {
    for (const { end } of this.#followed.values()) end();
    this.#followed.clear();
  }

  async #hear(networkId: Id, news: EndpointNews): Promise<void> {
    const followed = this.#followed.get(networkId);
    const network = this.#deps.state.networks.get(networkId);
    if (followed === undefined || network === undefined) return;
    const gone = news.all ? missingFrom(news.set, followed.known) : news.removed;
    for (const id of gone) followed.known.delete(id);
    for (const remote of news.set) followed.known.set(remote.endpointId, remote);
    this.#tellDriver(network, followed, { ...news, removed: gone });
    try {
      await this.#tellResolver(network, followed, { set: news.set, removed: gone });
    } catch (error) {
      this.#deps.log.error({ network: networkId, reason: messageOf(error) }, 'cannot tell the resolver of other hosts');
    }
  }

  #tellDriver({ driver, record }: LiveNetwork, followed: Followed, news: EndpointNews): void {
    if (driver?.replacePeers === undefined) return;
    const all = news.all || followed.astray;
    try {
      if (all) driver.replacePeers(record, [...followed.known.values()].map(peerOf));
      else driver.changePeers?.(record, { set: news.set.map(peerOf), remove: news.removed });
      followed.astray = false;
    } catch (error) {
      followed.astray = true;
      const reason = messageOf(error);
      this.#deps.log.error(
        { network: record.name, reason },
        'cannot tell the kernel where containers of other hosts are',
      );
    }
  }

  async #tellResolver(
    network: LiveNetwork,
    { named }: Followed,
    news: Pick<EndpointNews, 'set' | 'removed'>,
  ): Promise<void> {
    const { resolver } = this.#deps;
    if (!resolvesNames(network)) return;
    const silent = [...news.removed, ...news.set.flatMap(({ names, endpointId }) => (names ? [] : [endpointId]))];
    for (const id of silent) if (named.delete(id)) await resolver.removeEndpoint(id);
    for (const { names, endpointId, dnsNames, ipv4, ipv6 } of news.set) {
      if (!names) continue;
      named.add(endpointId);
      await resolver.addEndpoint({
        endpointId,
        networkId: network.record.id,
        networkName: network.record.name,
        names: dnsNames,
        ...(ipv4 === undefined ? {} : { ipv4: ipv4.ip }),
        ...(ipv6 === undefined ? {} : { ipv6: ipv6.ip }),
      });
    }
  }
}

function missingFrom(set: readonly Remote[], known: ReadonlyMap<Id, Remote>): readonly Id[] {
  const there = new Set(set.map(({ endpointId }) => endpointId));
  return [...known.keys()].filter((id) => !there.has(id));
}

function peerOf({ endpointId, ipv4, ipv6, mac, underlay }: Remote): Peer {
  return {
    endpointId,
    mac,
    underlay,
    ...(ipv4 === undefined ? {} : { ipv4: ipv4.ip }),
    ...(ipv6 === undefined ? {} : { ipv6: ipv6.ip }),
  };
}
