import { bitsOf, type Cidr, familyOf, type Ip, type IpFamily, shortId } from '../../base/index.ts';
import { isErrno, type Link, type RouteSpec, type Rtnl, writeSysctl } from '../../kernel/index.ts';
import type { NetworkRecord } from '../../model/index.ts';
import { macOfNetwork } from '../address-mac.ts';
import { networkMark, ownerOf } from '../marks.ts';
import { ignoreRouterAdvertisements } from '../router-advertisements.ts';
import type { HostShimOptions } from './options.ts';

export function shimName({ id }: Pick<NetworkRecord, 'id'>): string {
  return `mh-${shortId(id)}`;
}

/**
 * A macvlan link of the host's own beside those of the containers, which a parent and its macvlan links are not: the kernel
 * lets no packet pass between them. Made or completed; undone when that fails.
 */
export function makeGoodShim(
  rtnl: Rtnl,
  network: NetworkRecord,
  { parent, shim, mtu }: { readonly parent: Link; readonly shim: HostShimOptions; readonly mtu: number | undefined },
): void {
  using undo = new DisposableStack();
  const name = shimName(network);
  const found = rtnl.links.get(name);
  const spec = { name, parentIndex: parent.index, mode: 'bridge' as const, mac: macOfNetwork(network.id), mtu };
  const link = found ?? rtnl.links.createMacvlan(spec);
  if (found === undefined) undo.defer(() => rtnl.links.delete(link.index));
  const ipv6 = shim.addresses.some((ip) => familyOf(ip) === 6);
  rtnl.links.set(link.index, { alias: networkMark(network.id), ...(ipv6 ? {} : { ipv6AddressGeneration: 'none' }) });
  ignoreRouterAdvertisements(name);
  // Only who is reached by this link hears of the host's addresses on it: for others they are where they always were.
  writeSysctl(['net', 'ipv4', 'conf', name, 'arp_filter'], 1);
  for (const ip of shim.addresses) rtnl.addresses.add(link.index, whole(ip), { noDad: true, ifMissing: true });
  rtnl.links.set(link.index, { up: true });
  undo.move();
}

/** Repeatable. The routes to the containers go with it. */
export function deleteShim(rtnl: Rtnl, network: NetworkRecord): void {
  const link = rtnl.links.get(shimName(network));
  if (link !== undefined && isShim(link) && ownerOf(link).network === network.id) rtnl.links.delete(link.index);
}

export function isShim(link: Link): boolean {
  return link.kind === 'macvlan' && ownerOf(link).network !== undefined;
}

/** The host's way to a container. Not an error when the shim has gone. */
export function addShimRoute(rtnl: Rtnl, network: NetworkRecord, to: Cidr, parent: Link): void {
  const link = rtnl.links.get(shimName(network));
  if (link === undefined) return;
  const family = familyOf(to.ip);
  rtnl.routes.add({ ...route(link, to), source: sourceOf(rtnl, [link, parent], family), ifMissing: true });
}

/** Repeatable. */
export function removeShimRoute(rtnl: Rtnl, network: NetworkRecord, to: Cidr): void {
  const link = rtnl.links.get(shimName(network));
  if (link === undefined) return;
  try {
    rtnl.routes.remove(route(link, to));
  } catch (error) {
    if (!isErrno(error, 'ESRCH', 'ENODEV')) throw error;
  }
}

function route(link: Link, to: Cidr): RouteSpec {
  return { destination: whole(to.ip), linkIndex: link.index };
}

/** The shim's own, or that of the link it stands on. */
function sourceOf(rtnl: Rtnl, links: readonly Link[], family: IpFamily): Ip | undefined {
  const found = links.flatMap(({ index }) => rtnl.addresses.list(index));
  return found.find((address) => address.family === family && address.scope === 'universe')?.cidr.ip;
}

function whole(ip: Ip): Cidr {
  return { ip, prefix: bitsOf(familyOf(ip)) };
}
