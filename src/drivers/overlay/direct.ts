import {
  type Cidr,
  cidrContains,
  cidrText,
  conflict,
  familyOf,
  type Id,
  type Ip,
  internal,
  invalid,
  type Log,
  type Mac,
  networkOf,
  unavailable,
} from '../../base/index.ts';
import { isErrno, type Link, type NetlinkError, type Rtnl, readSysctl, writeSysctl } from '../../kernel/index.ts';
import {
  type AttachSpec,
  blockOf,
  type Drift,
  type FirewallEntry,
  type NetworkRecord,
  type NetworkSetup,
  type Peer,
} from '../../model/index.ts';
import { macOfEndpoint, macOfNetwork } from '../address-mac.ts';
import { overlayMark } from '../marks.ts';
import { MTU_OPTION } from '../option-values.ts';
import { type About, down } from '../sandbox-link-drift.ts';
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
  readonly subnet: Cidr;
  underlayIndex: number;
  readonly here: Map<Id, { readonly ip: Ip; readonly mac: Mac; readonly block: Cidr }>;
  readonly peers: Map<Id, Peer>;
  /** Nobody has told of other nodes' endpoints yet: the routes of before stay. */
  told: boolean;
}

/** `driverState` key of the link to other nodes, for when the address that it is found by is away. */
const UNDERLAY_LINK = 'underlayLink';

/**
 * Direct routing: each node has a bridge without addresses with the endpoints of its block, and a route to each other node's
 * block. The bridge answers ARP for what is elsewhere (proxy_arp), so containers have the whole subnet on their link as with
 * VXLAN; who is here is told to the kernel, not asked for.
 */
export class DirectPath {
  readonly #deps: DirectPathDeps;
  readonly #live = new Map<Id, Live>();

  constructor(deps: DirectPathDeps) {
    this.#deps = deps;
  }

  /** Makes the network or completes what there is of it. Undone by {@link remove}, which is called when this throws, too. */
  makeGood(network: NetworkRecord, restoring: boolean): NetworkSetup {
    const { rtnl } = this.#deps;
    const subnet = subnetOf(network);
    const underlay = this.#findUnderlay(network, restoring);
    const mtu = mtuOf(network, underlay);
    const taken = foreignTo(rtnl, subnet);
    if (taken !== undefined && !restoring) {
      const failed = `cannot use network "${network.name}" on this host`;
      throw conflict('subnet_taken', `${failed}: its ${taken} is in the subnet ${cidrText(subnet)}`);
    }
    this.#forward(network);
    const live = this.#live.get(network.id) ?? {
      ...{ subnet, underlayIndex: underlay.index, here: new Map(), peers: new Map(), told: !restoring },
    };
    live.underlayIndex = underlay.index;
    this.#live.set(network.id, live);
    makeGoodBridge(rtnl, network, mtu);
    this.#report(network, this.#settle(network, live));
    return { firewall: firewallOf(network, subnet, underlay), state: { [UNDERLAY_LINK]: underlay.name } };
  }

  /** Its routes: the bridge goes as all do. Repeatable. */
  remove(network: NetworkRecord): void {
    this.#live.delete(network.id);
    const subnet = subnetOf(network);
    removeRoutes(
      this.#deps.rtnl,
      ourRoutes(this.#deps.rtnl, ({ ip }) => cidrContains(subnet, ip)),
    );
  }

  /** Throws conflict `not_on_link` when packets to another node would need a router. */
  assertReachable({ id, name }: NetworkRecord): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    const { rtnl } = this.#deps;
    const astray = [...live.peers.values()].find(
      ({ underlay }) => familyOf(underlay) !== 4 || !isOnLink(rtnl, underlay, live.underlayIndex),
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
    const ip = rest.ipv4?.ip;
    const block = ip === undefined ? undefined : blockOf(network, ip);
    if (ip === undefined || block === undefined) return;
    const mac = macOfEndpoint({ endpointId, network, ...rest });
    this.#live.get(network.id)?.here.set(endpointId, { ip, mac, block });
  }

  /** Repeatable. */
  detached({ endpointId, network, ipv4 }: AttachSpec): void {
    const live = this.#live.get(network.id);
    live?.here.delete(endpointId);
    const bridge = this.#deps.rtnl.links.get(bridgeNameOf(network.id));
    if (ipv4 === undefined || bridge === undefined) return;
    const again = live !== undefined && [...live.here.values()].some(({ ip }) => ip === ipv4.ip);
    if (!again) this.#deps.rtnl.neighbours.remove(bridge.index, ipv4.ip);
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
    const before = beyondOf(network, live);
    for (const id of remove) live.peers.delete(id);
    for (const peer of set) {
      // The last that was set counts.
      live.peers.delete(peer.endpointId);
      live.peers.set(peer.endpointId, peer);
    }
    if (textOf(before) !== textOf(beyondOf(network, live))) throwRefused(this.#settle(network, live));
  }

  verify(network: NetworkRecord): readonly Drift[] {
    const { rtnl } = this.#deps;
    const about: About = { networkId: network.id };
    const name = bridgeNameOf(network.id);
    const bridge = rtnl.links.get(name);
    if (bridge?.kind !== 'bridge') return [{ ...about, kind: 'link', problem: 'missing', object: name }];
    const live = this.#live.get(network.id);
    return [
      ...(bridge.flags.up ? [] : [down(name, about)]),
      ...settingsOf(name).flatMap(({ key, value }): readonly Drift[] => {
        const now = settingNow(key);
        if (now === undefined || now === String(value)) return [];
        const detail = `is ${now}, should be ${value}`;
        return [{ ...about, kind: 'sysctl', problem: 'different', object: key.join('.'), detail }];
      }),
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
    const subnets = [...this.#live.values()].map(({ subnet }) => subnet);
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

  #findUnderlay(network: NetworkRecord, restoring: boolean): Link {
    const { rtnl } = this.#deps;
    try {
      const { address, link } = findUnderlay(rtnl, this.#deps.underlay(), network);
      if (familyOf(address) === 4) return link;
      const failed = `cannot use network "${network.name}" on this host`;
      throw invalid(
        'invalid_underlay',
        `${failed}: direct routing is for IPv4, and its address for other nodes is ${address}`,
      );
    } catch (error) {
      // It may be on its way back: what runs goes on as it was.
      const before = restoring ? network.driverState?.[UNDERLAY_LINK] : undefined;
      const link = typeof before === 'string' ? rtnl.links.get(before) : undefined;
      if (link === undefined) throw error;
      return link;
    }
  }

  #forward({ name }: NetworkRecord): void {
    if (readSysctl('net.ipv4.ip_forward') === '1') return;
    if (this.#deps.ipForward) writeSysctl('net.ipv4.ip_forward', 1);
    else throw unavailable('no_forwarding', `cannot use network "${name}" on this host: net.ipv4.ip_forward is off`);
  }
}

function subnetOf({ name, pools }: NetworkRecord): Cidr {
  const pool = pools.find(({ family }) => family === 4);
  if (pool === undefined) throw internal('subnet_missing', `network "${name}" has no IPv4 subnet`);
  return networkOf(pool.subnet);
}

function mtuOf(network: NetworkRecord, underlay: Link): number {
  const { mtu } = parseOverlayOptions(network.options);
  if (mtu === undefined || mtu <= underlay.mtu) return mtu ?? underlay.mtu;
  const bears = `${underlay.name} bears ${underlay.mtu}`;
  throw invalid('invalid_mtu', `invalid value "${mtu}" of option "${MTU_OPTION}" on this host: ${bears}`);
}

function firewallOf(network: NetworkRecord, subnet: Cidr, underlay: Link): readonly FirewallEntry[] {
  return network.pools.map((pool) => ({ ...poolEntry(network, pool), beyond: { link: underlay.name, subnet } }));
}

/** The host has no address there, and answers for what is on other nodes at once. */
function settingsOf(bridge: string): readonly { readonly key: readonly string[]; readonly value: number }[] {
  return [
    { key: ['net', 'ipv4', 'conf', bridge, 'arp_ignore'], value: 8 },
    { key: ['net', 'ipv4', 'conf', bridge, 'proxy_arp'], value: 1 },
    { key: ['net', 'ipv4', 'conf', bridge, 'send_redirects'], value: 0 },
    { key: ['net', 'ipv4', 'neigh', bridge, 'proxy_delay'], value: 0 },
    { key: ['net', 'ipv6', 'conf', bridge, 'disable_ipv6'], value: 1 },
  ];
}

function settingNow(key: readonly string[]): string | undefined {
  try {
    return readSysctl(key);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function makeGoodBridge(rtnl: Rtnl, network: NetworkRecord, mtu: number): void {
  const name = bridgeNameOf(network.id);
  const found = rtnl.links.get(name);
  if (found !== undefined && found.kind !== 'bridge') {
    throw conflict('link_name_taken', `cannot use network "${network.name}": link ${name} is there and is no bridge`);
  }
  const { index } = found ?? rtnl.links.createBridge({ name, mac: macOfNetwork(network.id), multicastSnooping: false });
  rtnl.links.set(index, { alias: overlayMark(network.id), ipv6AddressGeneration: 'none', mtu });
  for (const { key, value } of settingsOf(name)) {
    try {
      writeSysctl(key, value);
    } catch (error) {
      // A kernel without IPv6 has nothing to turn off.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  rtnl.links.set(index, { up: true });
}

function tablesOf(network: NetworkRecord, live: Live, bridge: Link): DirectTables {
  const here = [...live.here.values()];
  return {
    ...{ subnet: live.subnet, bridgeIndex: bridge.index, underlayIndex: live.underlayIndex },
    here: [...new Map(here.map(({ block }) => [cidrText(block), block])).values()],
    beyond: beyondOf(network, live),
    neighbours: new Map(here.map(({ ip, mac }) => [ip, mac])),
  };
}

/** A block that is ours is ours, whatever late news say. */
function beyondOf(network: NetworkRecord, { here, peers }: Live): DirectTables['beyond'] {
  const beyond = new Map<string, { readonly block: Cidr; readonly underlay: Ip }>();
  for (const { ipv4, underlay } of peers.values()) {
    const block = ipv4 === undefined ? undefined : blockOf(network, ipv4);
    if (block !== undefined && familyOf(underlay) === 4) beyond.set(cidrText(block), { block, underlay });
  }
  for (const { block } of here.values()) beyond.delete(cidrText(block));
  return beyond;
}

function textOf(beyond: DirectTables['beyond']): string {
  return [...beyond]
    .map(([block, { underlay }]) => `${block} ${underlay}`)
    .sort()
    .join();
}
