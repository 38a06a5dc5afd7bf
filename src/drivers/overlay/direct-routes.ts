import { type Cidr, cidrContains, cidrsOverlap, cidrText, familyOf, type Ip, type Mac } from '../../base/index.ts';
import { NetlinkError, type Route, type RouteSpec, RT_TABLE_MAIN, type Rtnl } from '../../kernel/index.ts';
import { type Drift, ROUTE_MARK } from '../../model/index.ts';
import type { About } from '../sandbox-link-drift.ts';

/** All that the kernel's tables hold of a network with direct routing on this node. */
export interface DirectTables {
  /** One of each family at most. */
  readonly subnets: readonly Cidr[];
  readonly bridgeIndex: number;
  readonly underlayIndex: number;
  /** Blocks whose endpoints are here. */
  readonly here: readonly Cidr[];
  /** Blocks of other nodes, and where these are. */
  readonly beyond: ReadonlyMap<string, { readonly block: Cidr; readonly underlay: Ip }>;
  /** The endpoints of this node: nobody has to ask for them, and nobody can answer in their place. */
  readonly neighbours: ReadonlyMap<Ip, Mac>;
  /** IPv6 addresses on other nodes, which the bridge answers for. IPv4 needs no list: proxy_arp goes by the routes. */
  readonly proxies: ReadonlySet<Ip>;
}

/**
 * What of the subnet is nobody's goes nowhere, not even to the host's own gateway; this node's blocks are behind the bridge, others'
 * behind their nodes. The marked protocol number says which routes are ours.
 */
function wantedRoutes({ subnets, bridgeIndex, underlayIndex, here, beyond }: DirectTables): readonly RouteSpec[] {
  return [
    ...subnets.map((destination) => ({ destination, type: 'unreachable', protocol: ROUTE_MARK }) as const),
    ...here.map((destination) => ({ destination, linkIndex: bridgeIndex, protocol: ROUTE_MARK })),
    ...[...beyond.values()].map(({ block, underlay }) => ({
      ...{ destination: block, gateway: underlay, linkIndex: underlayIndex },
      protocol: ROUTE_MARK,
    })),
  ];
}

/** Makes the tables hold these, and (`only`) no others of ours, by difference. Returns what the kernel refused. */
export function makeGoodTables(
  rtnl: Rtnl,
  tables: DirectTables,
  { only }: { readonly only: boolean },
): readonly NetlinkError[] {
  const failures: NetlinkError[] = [];
  const attempt = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      failures.push(error);
    }
  };
  const { set, remove } = compare(rtnl, tables);
  const { bridgeIndex: linkIndex } = tables;
  for (const route of only ? remove : []) attempt(() => rtnl.routes.remove(specOf(route)));
  // Others' routes to the same addresses are not replaced: the kernel says that they are there.
  for (const route of set) attempt(() => rtnl.routes.add(route));
  const neighbours = missingNeighbours(rtnl, tables).map(([ip, mac]) => ({ linkIndex, ip, mac }));
  const proxies = compareProxies(rtnl, tables);
  return [
    ...failures,
    ...rtnl.neighbours.changeAll({ set: neighbours }),
    ...rtnl.neighbours.changeProxies(linkIndex, { set: proxies.set, remove: only ? proxies.remove : [] }),
  ];
}

export function tablesDrift(rtnl: Rtnl, tables: DirectTables, about: About): readonly Drift[] {
  const { set, remove } = compare(rtnl, tables);
  const proxies = compareProxies(rtnl, tables);
  return [
    ...set.map((route): Drift => ({ ...about, kind: 'route', problem: 'missing', object: textOf(route) })),
    ...remove.map(
      (route): Drift => ({
        ...{ ...about, kind: 'route', problem: 'different', object: textOf(route) },
        detail: 'leads elsewhere, or to nobody',
      }),
    ),
    ...missingNeighbours(rtnl, tables).map(
      ([ip, mac]): Drift => ({ ...about, kind: 'neighbour', problem: 'missing', object: `${ip} at ${mac}` }),
    ),
    ...proxies.set.map((ip): Drift => ({ ...about, kind: 'neighbour', problem: 'missing', object: `proxy ${ip}` })),
    ...proxies.remove.map(
      (ip): Drift => ({
        ...{ ...about, kind: 'neighbour', problem: 'different', object: `proxy ${ip}` },
        detail: 'answered for, and nobody has it',
      }),
    ),
  ];
}

/** Those of which the destination belongs to what is asked for. */
export function ourRoutes(rtnl: Rtnl, belongs: (destination: Cidr) => boolean): readonly Route[] {
  return rtnl.routes
    .list()
    .filter(({ protocol, table }) => protocol === ROUTE_MARK && table === RT_TABLE_MAIN)
    .filter(({ destination }) => destination !== undefined && belongs(destination));
}

export function removeRoutes(rtnl: Rtnl, routes: readonly Route[]): void {
  for (const route of routes) rtnl.routes.remove(specOf(route));
}

/** A route or an address of somebody else in the way of the subnet. */
export function foreignTo(rtnl: Rtnl, subnet: Cidr): string | undefined {
  const family = familyOf(subnet.ip);
  const address = rtnl.addresses.list().find(({ cidr }) => cidrContains(subnet, cidr.ip));
  if (address !== undefined) return `address ${cidrText(address.cidr)}`;
  const others = rtnl.routes
    .list({ family })
    .filter(({ table, protocol }) => table === RT_TABLE_MAIN && protocol !== ROUTE_MARK)
    .flatMap(({ destination }) => destination ?? []);
  // Those to more than the subnet are not in the way.
  const found = others.find((to) => to.prefix >= subnet.prefix && cidrsOverlap(subnet, to));
  return found === undefined ? undefined : `route to ${cidrText(found)}`;
}

/** Whether this host reaches the address without a router in between. */
export function isOnLink(rtnl: Rtnl, ip: Ip, linkIndex: number): boolean {
  const route = rtnl.routes.lookup(ip);
  return route !== undefined && route.gateway === undefined && route.linkIndex === linkIndex;
}

function compare(rtnl: Rtnl, tables: DirectTables): { readonly set: RouteSpec[]; readonly remove: Route[] } {
  const wanted = new Map(wantedRoutes(tables).map((route) => [textOf(route), route]));
  const remove: Route[] = [];
  for (const route of ourRoutes(rtnl, ({ ip }) => tables.subnets.some((subnet) => cidrContains(subnet, ip)))) {
    if (!wanted.delete(textOf(route))) remove.push(route);
  }
  return { set: [...wanted.values()], remove };
}

/** The same for a route that is wanted and for one that is there. */
function textOf({ destination, gateway, linkIndex, type = 'unicast' }: RouteSpec): string {
  const to = destination === undefined ? 'default' : cidrText(destination);
  if (type !== 'unicast') return `${type} ${to}`;
  return gateway === undefined ? `${to} on link ${linkIndex}` : `${to} via ${gateway} on link ${linkIndex}`;
}

function specOf({ destination, gateway, linkIndex, type }: Route): RouteSpec {
  return type === 'unicast' ? { destination, gateway, linkIndex } : { destination, type };
}

function missingNeighbours(rtnl: Rtnl, { bridgeIndex, neighbours }: DirectTables): readonly (readonly [Ip, Mac])[] {
  const there = new Map(
    rtnl.neighbours.list(bridgeIndex).flatMap(({ ip, mac, state }) => (state === 'permanent' ? [[ip, mac]] : [])),
  );
  return [...neighbours].filter(([ip, mac]) => there.get(ip) !== mac);
}

function compareProxies(
  rtnl: Rtnl,
  { subnets, bridgeIndex, proxies }: DirectTables,
): { readonly set: readonly Ip[]; readonly remove: readonly Ip[] } {
  if (!subnets.some(({ ip }) => familyOf(ip) === 6)) return { set: [], remove: [] };
  const there = new Set(rtnl.neighbours.listProxies(bridgeIndex));
  return {
    set: [...proxies].filter((ip) => !there.has(ip)),
    remove: [...there].filter((ip) => !proxies.has(ip)),
  };
}
