import { type Cidr, type Id, parseCidr } from '../../base/index.ts';
import type { NetworkPool, PlannedGlobalNetwork } from '../../model/index.ts';
import { type AddressPool, PoolIpam } from '../ipam/index.ts';
import type { StoredPools } from './keys.ts';

/** Docker's for networks of all hosts. */
export const DEFAULT_GLOBAL_POOLS: readonly AddressPool[] = [{ base: parseCidr('10.0.0.0/8'), size: 24 }];

/**
 * The pools of a new network: what the user gave, checked against those of the other networks, or the lowest free ones. Throws
 * `ipam_pool_overlap`, `ipam_pools_exhausted`.
 */
export function choosePools(
  plan: Pick<PlannedGlobalNetwork, 'id' | 'requests' | 'busy'>,
  taken: StoredPools,
  options: { readonly cluster: Id; readonly pools: readonly AddressPool[] },
): readonly NetworkPool[] {
  const ipam = new PoolIpam({ engineId: options.cluster }, { localPools: options.pools });
  for (const { networkId, subnet } of taken) {
    ipam.reservePool(networkId, { family: subnet.ip.includes(':') ? 6 : 4, subnet, auxiliary: {} }, true);
  }
  return plan.requests.map(({ family, request, wantsGateway }) =>
    // A given one may overlap with what this host is on: other hosts are not asked either.
    ipam.requestPool(plan.id, request, { family, wantsGateway, allowHostOverlap: true, busy: plan.busy }),
  );
}

/** `pools` with and without a network. */
export function withPools(taken: StoredPools, networkId: Id, subnets: readonly Cidr[]): StoredPools {
  return [...withoutPools(taken, networkId), ...subnets.map((subnet) => ({ networkId, subnet }))];
}

export function withoutPools(taken: StoredPools, networkId: Id): StoredPools {
  return taken.filter((pool) => pool.networkId !== networkId);
}

/** Below are identifiers that people choose by hand; Docker's first one too. */
const FIRST_VNI = 4096;

export function lowestFreeVni(taken: ReadonlySet<number>): number {
  let vni = FIRST_VNI;
  while (taken.has(vni)) vni += 1;
  return vni;
}
