import { cidrsOverlap, cidrText, type Id } from '../../base/index.ts';
import { BLOCK, BLOCK6, type NetworkClash, type NetworkRecord, VNI } from '../../model/index.ts';
import type { StoredOwner, StoredPools } from './keys.ts';

/** What of a driver's state is the cluster's. */
const SHARED: ReadonlySet<string> = new Set([VNI, BLOCK, BLOCK6]);

export type Clash = Pick<NetworkClash, 'reason' | 'indistinct'>;

export interface Taken {
  readonly pools: StoredPools;
  /** Who has its name, and its VXLAN network identifier. */
  readonly name: StoredOwner | undefined;
  readonly identifier: StoredOwner | undefined;
}

/** What another network has of what was this one's; undefined: nothing. What is worst is told first. */
export function clashOf({ id, name, pools, driverState }: NetworkRecord, taken: Taken): Clash | undefined {
  const others = (owner: StoredOwner | undefined): Id | undefined =>
    owner === undefined || owner.networkId === id ? undefined : owner.networkId;
  const identifier = others(taken.identifier);
  if (identifier !== undefined) {
    return { reason: `network ${identifier} has its VXLAN network identifier ${driverState?.[VNI]}`, indistinct: true };
  }
  for (const { subnet } of pools) {
    const other = taken.pools.find((one) => one.networkId !== id && cidrsOverlap(one.subnet, subnet));
    if (other === undefined) continue;
    const overlap = `network ${other.networkId} has subnet ${cidrText(other.subnet)}, which overlaps with its own`;
    return { reason: overlap, indistinct: false };
  }
  const named = others(taken.name);
  return named === undefined ? undefined : { reason: `network ${named} has its name "${name}"`, indistinct: false };
}

/** As it was stored: without what the driver of one node remembers of it there. */
export function withoutOwnState({ driverState = {}, ...network }: NetworkRecord): NetworkRecord {
  const shared = Object.entries(driverState).filter(([key]) => SHARED.has(key));
  return shared.length === 0 ? network : { ...network, driverState: Object.fromEntries(shared) };
}
