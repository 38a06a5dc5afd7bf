import { conflict, type Id } from '../../base/index.ts';
import {
  type Address,
  isErrno,
  type Link,
  type Route,
  type RouteSpec,
  RT_TABLE_LOCAL,
  RTPROT_KERNEL,
  type Rtnl,
  readSysctl,
  writeSysctl,
} from '../../kernel/index.ts';
import type { Drift } from '../../model/index.ts';
import { discardedName } from '../discarded-links.ts';
import { transparentMark, transparentOwner } from '../marks.ts';
import { down } from '../sandbox-link-drift.ts';

/** The bridge in the place of `parent`, made or completed; undone when that fails. */
export function makeGoodUplink(rtnl: Rtnl, what: { readonly id: Id; readonly name: string; parent: Link }): Link {
  const { id, name, parent } = what;
  using undo = new DisposableStack();
  const bridge = rtnl.links.get(name) ?? createBridge(rtnl, parent);
  assertFree(parent, bridge);
  if (bridge.name !== name) undo.defer(() => rtnl.links.delete(bridge.index));
  // One message: a bridge with the final name is marked at every moment.
  rtnl.links.set(bridge.index, { alias: transparentMark(id), ...(bridge.name === name ? {} : { name, group: 0 }) });
  copyIpv6Settings(parent.name, name);
  rtnl.links.set(bridge.index, { up: true });
  undo.defer(() => moveBack(rtnl, bridge, parent));
  rtnl.links.set(parent.index, { up: true, masterIndex: bridge.index });
  move(rtnl, parent, bridge);
  undo.move();
  return bridge;
}

/** Repeatable: whatever is on the bridge now goes to the parent. */
export function giveUplinkBack(rtnl: Rtnl, bridge: Link, parent: Link | undefined): void {
  if (parent !== undefined) moveBack(rtnl, bridge, parent);
  rtnl.links.delete(bridge.index);
}

/** What of the bridge is not as {@link makeGoodUplink} made it. Its addresses are the host's own matter. */
export function uplinkDrift(
  rtnl: Rtnl,
  { id, name, parent }: { readonly id: Id; readonly name: string; readonly parent: string },
): readonly Drift[] {
  const about = { networkId: id, kind: 'link' } as const;
  const bridge = rtnl.links.get(name);
  if (bridge === undefined || !isUplinkOf(bridge, id)) return [{ ...about, problem: 'missing', object: name }];
  const link = rtnl.links.get(parent);
  const port: Drift[] =
    link?.masterIndex === bridge.index
      ? []
      : [{ ...about, problem: 'different', object: parent, detail: `not a port of ${name}` }];
  return [...(bridge.flags.up ? [] : [down(name, { networkId: id })]), ...port];
}

/** Marked: a link of somebody else's with that name is left alone. */
export function isUplinkOf(link: Link, id: Id): boolean {
  return link.kind === 'bridge' && transparentOwner(link) === id;
}

function createBridge(rtnl: Rtnl, parent: Link): Link {
  // The name means "to be deleted" until the mark is on it, should we be killed in between. With the parent's Ethernet
  // address the neighbours see no change.
  return rtnl.links.createBridge({
    ...discardedName(),
    mac: parent.mac,
    mtu: parent.mtu,
    multicastSnooping: false,
  });
}

function assertFree(parent: Link, bridge: Link): void {
  const { masterIndex } = parent;
  if (masterIndex === undefined || masterIndex === 0 || masterIndex === bridge.index) return;
  throw conflict('parent_in_use', `cannot use parent interface ${parent.name}: it belongs to another bridge or bond`);
}

function moveBack(rtnl: Rtnl, bridge: Link, parent: Link): void {
  if (rtnl.links.get(parent.name)?.masterIndex === bridge.index) rtnl.links.set(parent.index, { masterIndex: 0 });
  move(rtnl, bridge, parent);
}

/**
 * Addresses and routes go over one by one, each made at its new place before the old one goes. So at every moment each is
 * somewhere, and doing it again, either way, completes what was cut off. Lifetimes go along, so what was given for a time still ends in time.
 */
function move(rtnl: Rtnl, from: Link, to: Link): void {
  const addresses = rtnl.addresses.list(from.index).filter((address) => address.scope !== 'link');
  for (const address of addresses) addAddress(rtnl, address, to);
  for (const route of rtnl.routes.list()) {
    if (route.linkIndex !== from.index || route.table === RT_TABLE_LOCAL || route.protocol === RTPROT_KERNEL) continue;
    moveRoute(rtnl, route, to);
  }
  for (const { cidr } of addresses) rtnl.addresses.remove(from.index, cidr);
}

function addAddress(rtnl: Rtnl, address: Address, to: Link): void {
  const { cidr, peer, broadcast, scope, flags, lifetimes, metric } = address;
  const { noPrefixRoute } = flags;
  const options = { peer, broadcast, scope, noPrefixRoute, lifetimes, metric };
  rtnl.addresses.add(to.index, cidr, { ...options, noDad: true, ifMissing: true });
}

function moveRoute(rtnl: Rtnl, route: Route, to: Link): void {
  const { destination, family, gateway, source, scope, table, metric, type, protocol } = route;
  const { expiresSeconds, preference, metrics } = route;
  const old: RouteSpec = { destination, family, gateway, linkIndex: route.linkIndex, table, metric };
  const wanted: RouteSpec = { ...old, linkIndex: to.index, source, type, protocol, metrics };
  if (family === 6) {
    // Replacing one with another link leaves both.
    rtnl.routes.remove(old);
    rtnl.routes.add({ ...wanted, expiresSeconds, preference, ifMissing: true });
    return;
  }
  try {
    rtnl.routes.replace({ ...wanted, scope });
  } catch (error) {
    if (gateway === undefined || !isErrno(error, 'ENETUNREACH', 'EINVAL')) throw error;
    rtnl.routes.replace({ ...wanted, scope, onlink: true });
  }
}

/** What the parent learns by itself the bridge learns now; nothing waits for duplicate address detection. */
function copyIpv6Settings(parent: string, bridge: string): void {
  const key = (link: string, setting: string): string[] => ['net', 'ipv6', 'conf', link, setting];
  try {
    for (const setting of ['disable_ipv6', 'accept_ra', 'autoconf']) {
      writeSysctl(key(bridge, setting), Number(readSysctl(key(parent, setting))));
    }
    writeSysctl(key(bridge, 'accept_dad'), 0);
  } catch (error) {
    // A kernel without IPv6.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
