import { cidrText, conflict, parseCidr } from '../../base/index.ts';
import { isErrno, type Link, type Rtnl, requireFeature, writeSysctl } from '../../kernel/index.ts';
import type { NetworkRecord } from '../../model/index.ts';
import { discardedName } from '../discarded-links.ts';
import { networkMark, ownerOf } from '../marks.ts';
import { ignoreRouterAdvertisements } from '../router-advertisements.ts';
import type { BridgePlan } from './plan.ts';
import { makeGoodRoutes } from './routes.ts';
import { bridgeSettings } from './settings.ts';

const USUAL_MTU = 1500;

type State = Readonly<Record<string, string | number | boolean>>;

/**
 * Makes the bridge of the plan, or completes what there is of it, and undoes its own part on failure. A bridge that was
 * there before (named by option) is used, given the gateway's addresses, and never deleted.
 */
export function makeGoodBridge(rtnl: Rtnl, network: NetworkRecord, plan: BridgePlan): State {
  using undo = new DisposableStack();
  const found = rtnl.links.get(plan.name);
  if (found !== undefined && found.kind !== 'bridge') {
    throw conflict('not_a_bridge', `cannot use link ${plan.name} for network "${network.name}": it is not a bridge`);
  }
  const link = found ?? createBridge(rtnl, plan);
  const { index } = link;
  if (found === undefined) undo.defer(() => rtnl.links.delete(index));
  const ours = found === undefined || isOurs(found, network, plan);
  if (ours) {
    mark(rtnl, link, network, plan);
    ignoreRouterAdvertisements(plan.name);
  }
  const added: string[] = [];
  for (const cidr of plan.addresses) {
    if (!rtnl.addresses.add(index, cidr, { noDad: true, ifMissing: true })) continue;
    added.push(cidrText(cidr));
    undo.defer(() => rtnl.addresses.remove(index, cidr));
  }
  for (const { key, value } of bridgeSettings(plan)) writeSysctl(key, value);
  rtnl.links.set(index, { up: true });
  makeGoodRoutes(rtnl, link, plan.addresses);
  undo.move();
  return ours ? {} : { addedAddresses: addedBefore(network, added).join(' ') };
}

/** In one message, so that a bridge with the wanted name is marked at every moment. */
function mark(rtnl: Rtnl, link: Link, network: NetworkRecord, plan: BridgePlan): void {
  rtnl.links.set(link.index, {
    alias: networkMark(network.id),
    ...(link.name === plan.name ? {} : { name: plan.name, group: 0 }),
    // Without IPv6 the bridge has no link-local address either.
    ...(plan.ipv6 ? {} : { ipv6AddressGeneration: 'none' as const }),
  });
}

/** Takes from a bridge that is not ours what was given to it. */
export function removeOwnAddresses(rtnl: Rtnl, link: Link, network: NetworkRecord): void {
  for (const text of addedBefore(network, [])) rtnl.addresses.remove(link.index, parseCidr(text));
}

function addedBefore(network: NetworkRecord, now: readonly string[]): readonly string[] {
  const before = network.driverState?.addedAddresses;
  const known = typeof before === 'string' ? before.split(' ').filter((text) => text !== '') : [];
  return [...new Set([...known, ...now])];
}

/** A name made from the id is nobody else's; one with a mark, of another network even, was left behind: taken over. */
export function isOurs(link: Link, network: NetworkRecord, plan: BridgePlan): boolean {
  if (network.driverState?.addedAddresses !== undefined) return false;
  return plan.options.name === undefined || ownerOf(link).network !== undefined;
}

function createBridge(rtnl: Rtnl, plan: BridgePlan): Link {
  // Under a name that means "to be deleted" until the mark is on it, should we be killed in between.
  const named = plan.options.name === undefined ? { name: plan.name } : discardedName();
  try {
    return rtnl.links.createBridge({ ...named, mac: plan.mac, mtu: plan.mtu ?? uplinkMtu(rtnl) });
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP')) requireFeature('bridge');
    throw error;
  }
}

/**
 * Of the interface of the default route where it is smaller than usual, as in clouds and tunnels: larger packets would be
 * lost there. Undefined: the kernel's own.
 */
function uplinkMtu(rtnl: Rtnl): number | undefined {
  // An address that is for documentation has no route but the default one.
  const route = rtnl.routes.lookup(parseCidr('192.0.2.1/32').ip);
  const uplink = route?.linkIndex === undefined ? undefined : rtnl.links.get(route.linkIndex);
  return uplink !== undefined && uplink.mtu < USUAL_MTU ? uplink.mtu : undefined;
}
