import {
  type Cidr,
  cidrContains,
  cidrText,
  conflict,
  familyOf,
  type Id,
  type Ip,
  invalid,
  type Log,
  type Mac,
  networkOf,
} from '../../base/index.ts';
import type { Link, NetlinkError, Rtnl } from '../../kernel/index.ts';
import {
  type AttachSpec,
  blockOf,
  type Drift,
  type FirewallEntry,
  type NetworkRecord,
  type NetworkSetup,
  type Peer,
} from '../../model/index.ts';
import { macOfEndpoint } from '../address-mac.ts';
import { MTU_OPTION } from '../option-values.ts';
import type { About } from '../sandbox-link-drift.ts';
import { directBridgeDrift, forward, makeGoodDirectBridge } from './direct-bridge.ts';
import {
  type DirectTables,
  foreignTo,
  isOnLink,
  makeGoodTables,
  ourRoutes,
  removeRoutes,
  tablesDrift,
} from './direct-routes.ts';
import { parseOverlayOptions } from './options.ts';
import { throwRefused } from './peer-entries.ts';
import type { PeerChange } from './peers.ts';
import { bridgeNameOf, poolEntry } from './plan.ts';
import { findUnderlay } from './underlay.ts';

export interface DirectPathDeps {
  readonly rtnl: Rtnl;
  readonly underlay: () => Ip | undefined;
  /** false: the operator turns forwarding on, or not. */
  readonly ipForward: boolean;
  readonly log: Log;
}

interface Live {
  readonly subnets: readonly Cidr[];
  underlayIndex: number;
  readonly here: Map<
    Id,
    { readonly addresses: readonly { readonly ip: Ip; readonly block: Cidr }[]; readonly mac: Mac }
  >;
  readonly peers: Map<Id, Peer>;
  /** Nobody has told of other nodes' endpoints yet: the routes of before stay. */
  told: boolean;
}

/** `driverState` key of the link to other nodes, for when the address that it is found by is away. */
const UNDERLAY_LINK = 'underlayLink';

/**
 * Direct routing: each node has a bridge with the endpoints of its block, and a route to each other node's block. The bridge
 * answers ARP and neighbour discovery for what is elsewhere (proxy_arp, proxy_ndp), so containers have the whole subnet on their
 * link as with VXLAN; who is here is told to the kernel, not asked for.
 */
export class DirectPath {
  readonly #deps: DirectPathDeps;
  readonly #live = new Map<Id, Live>();

  constructor(deps: DirectPathDeps) {
    this.#deps = deps;
  }

  /** Throws `invalid_underlay` when this node's address for others is not of the family that the network needs. */
  check({ name, enableIpv6 }: Pick<NetworkRecord, 'name' | 'enableIpv6'>): void {
    const address = this.#deps.underlay();
    if (address !== undefined) assertFamily(address, { enableIpv6, failed: `cannot create network "${name}"` });
  }

  /** Makes the network or completes what there is of it. Undone by {@link remove}, which is called when this throws, too. */
  makeGood(network: NetworkRecord, restoring: boolean): NetworkSetup {
    const { rtnl } = this.#deps;
    const subnets = subnetsOf(network);
    const underlay = this.#findUnderlay(network, restoring);
    const mtu = mtuOf(network, underlay);
    for (const subnet of restoring ? [] : subnets) {
      const taken = foreignTo(rtnl, subnet);
      if (taken === undefined) continue;
      const failed = `cannot use network "${network.name}" on this host`;
      throw conflict('subnet_taken', `${failed}: its ${taken} is in the subnet ${cidrText(subnet)}`);
    }
    forward(network, this.#deps.ipForward);
    const live = this.#live.get(network.id) ?? {
      ...{ subnets, underlayIndex: underlay.index, here: new Map(), peers: new Map(), told: !restoring },
    };
    live.underlayIndex = underlay.index;
    this.#live.set(network.id, live);
    makeGoodDirectBridge(rtnl, network, mtu);
    this.#report(network, this.#settle(network, live));
    return { firewall: firewallOf(network, underlay), state: { [UNDERLAY_LINK]: underlay.name } };
  }

  /** Its routes: the bridge goes as all do. Repeatable. */
  remove(network: NetworkRecord): void {
    this.#live.delete(network.id);
    const subnets = subnetsOf(network);
    const { rtnl } = this.#deps;
    removeRoutes(
      rtnl,
      ourRoutes(rtnl, ({ ip }) => subnets.some((subnet) => cidrContains(subnet, ip))),
    );
  }

  /** Throws conflict `not_on_link` when packets to another node would need a router. */
  assertReachable({ id, name, enableIpv6 }: NetworkRecord): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    const { rtnl } = this.#deps;
    const astray = [...live.peers.values()].find(
      ({ underlay }) => !carries(underlay, enableIpv6) || !isOnLink(rtnl, underlay, live.underlayIndex),
    );
    if (astray === undefined) return;
    const reason = `${astray.underlay}, which has containers on it, is not on the link that this host has to the others`;
    throw conflict('not_on_link', `cannot attach to network "${name}": ${reason}, and direct routing passes no router`);
  }

  /** The endpoint is here. Undone by {@link detached}. */
  attached(spec: AttachSpec): void {
    this.remember(spec);
    const live = this.#live.get(spec.network.id);
    if (live !== undefined) this.#report(spec.network, this.#settle(spec.network, live));
  }

  /** Of before; touches nothing. */
  remember({ endpointId, network, ...rest }: AttachSpec): void {
    const addresses = ownAddresses(rest).flatMap((ip) => {
      const block = blockOf(network, ip);
      return block === undefined ? [] : [{ ip, block }];
    });
    const mac = macOfEndpoint({ endpointId, network, ...rest });
    this.#live.get(network.id)?.here.set(endpointId, { addresses, mac });
  }

  /** Repeatable. */
  detached(spec: AttachSpec): void {
    const { endpointId, network } = spec;
    const live = this.#live.get(network.id);
    live?.here.delete(endpointId);
    const bridge = this.#deps.rtnl.links.get(bridgeNameOf(network.id));
    if (bridge === undefined) return;
    const here = new Set(live === undefined ? [] : addressesHere(live).map(({ ip }) => ip));
    for (const ip of ownAddresses(spec)) if (!here.has(ip)) this.#deps.rtnl.neighbours.remove(bridge.index, ip);
    if (live !== undefined) this.#report(network, this.#settle(network, live));
  }

  replacePeers(network: NetworkRecord, peers: readonly Peer[]): void {
    const live = this.#live.get(network.id);
    if (live === undefined) return;
    live.peers.clear();
    live.told = true;
    for (const peer of peers) live.peers.set(peer.endpointId, peer);
    throwRefused(this.#settle(network, live));
  }

  changePeers(network: NetworkRecord, { set, remove }: PeerChange): void {
    const live = this.#live.get(network.id);
    if (live === undefined) return;
    const before = { beyond: textOf(beyondOf(network, live)), proxies: proxiesOf(network, live) };
    for (const id of remove) live.peers.delete(id);
    for (const peer of set) {
      // The last that was set counts.
      live.peers.delete(peer.endpointId);
      live.peers.set(peer.endpointId, peer);
    }
    const routed = before.beyond === textOf(beyondOf(network, live));
    const refused = routed
      ? this.#answerFor(network, before.proxies, proxiesOf(network, live))
      : this.#settle(network, live);
    throwRefused(refused);
  }

  verify(network: NetworkRecord): readonly Drift[] {
    const { rtnl } = this.#deps;
    const about: About = { networkId: network.id };
    const name = bridgeNameOf(network.id);
    const bridge = rtnl.links.get(name);
    if (bridge?.kind !== 'bridge') return [{ ...about, kind: 'link', problem: 'missing', object: name }];
    const live = this.#live.get(network.id);
    return [
      ...directBridgeDrift(rtnl, network, bridge),
      ...(live === undefined || !live.told ? [] : tablesDrift(rtnl, tablesOf(network, live, bridge), about)),
    ];
  }

  /** Routes of networks that are not here. */
  orphans(): readonly Drift[] {
    return this.#orphanRoutes().map(({ destination }): Drift => {
      const object = destination === undefined ? 'default' : cidrText(destination);
      return { kind: 'route', problem: 'orphan', object };
    });
  }

  sweep(): void {
    removeRoutes(this.#deps.rtnl, this.#orphanRoutes());
  }

  #orphanRoutes(): ReturnType<typeof ourRoutes> {
    const subnets = [...this.#live.values()].flatMap((live) => live.subnets);
    return ourRoutes(this.#deps.rtnl, ({ ip }) => !subnets.some((subnet) => cidrContains(subnet, ip)));
  }

  /** Returns what the kernel refused. */
  #settle(network: NetworkRecord, live: Live): readonly NetlinkError[] {
    const { rtnl } = this.#deps;
    const bridge = rtnl.links.get(bridgeNameOf(network.id));
    return bridge === undefined ? [] : makeGoodTables(rtnl, tablesOf(network, live, bridge), { only: live.told });
  }

  /** Nothing is lost by it: what is remembered is compared with what is there, and made good. */
  #report({ name: network }: NetworkRecord, [first, ...more]: readonly NetlinkError[]): void {
    if (first === undefined) return;
    const context = { network, failures: more.length + 1, first: first.message };
    const failed = 'the kernel does not take the routes to other hosts';
    this.#deps.log.error(context, `${failed}: direct routing needs all of them on one link`);
  }

  /** News of endpoints in blocks that are known already, which is most of them. Returns what the kernel refused. */
  #answerFor({ id }: NetworkRecord, before: ReadonlySet<Ip>, now: ReadonlySet<Ip>): readonly NetlinkError[] {
    const { rtnl } = this.#deps;
    const set = [...now].filter((ip) => !before.has(ip));
    const remove = [...before].filter((ip) => !now.has(ip));
    const bridge = set.length + remove.length === 0 ? undefined : rtnl.links.get(bridgeNameOf(id));
    return bridge === undefined ? [] : rtnl.neighbours.changeProxies(bridge.index, { set, remove });
  }

  #findUnderlay(network: NetworkRecord, restoring: boolean): Link {
    const { rtnl } = this.#deps;
    try {
      const { address, link } = findUnderlay(rtnl, this.#deps.underlay(), network);
      const failed = `cannot use network "${network.name}" on this host`;
      assertFamily(address, { enableIpv6: network.enableIpv6, failed });
      return link;
    } catch (error) {
      // It may be on its way back: what runs goes on as it was.
      const before = restoring ? network.driverState?.[UNDERLAY_LINK] : undefined;
      const link = typeof before === 'string' ? rtnl.links.get(before) : undefined;
      if (link === undefined) throw error;
      return link;
    }
  }
}

function ownAddresses({ ipv4, ipv6 }: Pick<AttachSpec, 'ipv4' | 'ipv6'>): readonly Ip[] {
  return [ipv4, ipv6].flatMap((cidr) => (cidr === undefined ? [] : [cidr.ip]));
}

/** IPv4 may go by way of an IPv6 address, IPv6 not by way of an IPv4 address. */
function carries(underlay: Ip, enableIpv6: boolean): boolean {
  return familyOf(underlay) === 6 || !enableIpv6;
}

function assertFamily(
  address: Ip,
  { enableIpv6, failed }: { readonly enableIpv6: boolean; readonly failed: string },
): void {
  if (carries(address, enableIpv6)) return;
  const needed = 'direct routing of IPv6 goes by IPv6 addresses of the hosts (--cluster-advertise)';
  throw invalid('invalid_underlay', `${failed}: ${needed}, and this host's for the others is ${address}`);
}

function subnetsOf({ pools }: NetworkRecord): readonly Cidr[] {
  return pools.map(({ subnet }) => networkOf(subnet));
}

function mtuOf(network: NetworkRecord, underlay: Link): number {
  const { mtu } = parseOverlayOptions(network.options);
  if (mtu === undefined || mtu <= underlay.mtu) return mtu ?? underlay.mtu;
  const bears = `${underlay.name} bears ${underlay.mtu}`;
  throw invalid('invalid_mtu', `invalid value "${mtu}" of option "${MTU_OPTION}" on this host: ${bears}`);
}

function firewallOf(network: NetworkRecord, underlay: Link): readonly FirewallEntry[] {
  return network.pools.map((pool) => {
    const entry = poolEntry(network, pool);
    return { ...entry, beyond: { link: underlay.name, subnet: entry.subnet } };
  });
}

function tablesOf(network: NetworkRecord, live: Live, bridge: Link): DirectTables {
  return {
    ...{ subnets: live.subnets, bridgeIndex: bridge.index, underlayIndex: live.underlayIndex },
    here: [...new Map(addressesHere(live).map(({ block }) => [cidrText(block), block])).values()],
    beyond: beyondOf(network, live),
    neighbours: new Map(addressesHere(live).map(({ ip, mac }) => [ip, mac])),
    proxies: proxiesOf(network, live),
  };
}

function addressesHere({ here }: Live): readonly { readonly ip: Ip; readonly mac: Mac; readonly block: Cidr }[] {
  return [...here.values()].flatMap(({ addresses, mac }) => addresses.map((address) => ({ ...address, mac })));
}

/** A block that is ours is ours, whatever late news say. */
function beyondOf(network: NetworkRecord, live: Live): DirectTables['beyond'] {
  const beyond = new Map<string, { readonly block: Cidr; readonly underlay: Ip }>();
  for (const { ipv4, ipv6, underlay } of live.peers.values()) {
    for (const ip of [ipv4, ipv6]) {
      const block = ip === undefined ? undefined : blockOf(network, ip);
      if (ip === undefined || block === undefined || !carries(underlay, familyOf(ip) === 6)) continue;
      beyond.set(cidrText(block), { block, underlay });
    }
  }
  for (const { block } of addressesHere(live)) beyond.delete(cidrText(block));
  return beyond;
}

function proxiesOf(network: NetworkRecord, live: Live): ReadonlySet<Ip> {
  const own = new Set(addressesHere(live).map(({ block }) => cidrText(block)));
  const beyond = [...live.peers.values()].flatMap(({ ipv6 }) => {
    const block = ipv6 === undefined ? undefined : blockOf(network, ipv6);
    return ipv6 === undefined || block === undefined || own.has(cidrText(block)) ? [] : [ipv6];
  });
  return new Set(beyond);
}

function textOf(beyond: DirectTables['beyond']): string {
  return [...beyond]
    .map(([block, { underlay }]) => `${block} ${underlay}`)
    .sort()
    .join();
}
