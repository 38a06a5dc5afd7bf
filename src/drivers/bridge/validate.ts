import { familyOf, forbidden, type IpFamily } from '../../base/index.ts';
import type { DriverNetworkRequest, NetworkRecord, PoolRequest } from '../../model/index.ts';
import { BRIDGE_NAME_OPTION, parseBridgeOptions } from './options.ts';
import { bridgeName } from './plan.ts';

/** Refuses what a bridge network cannot be, by itself and beside the other bridge networks. */
export function checkBridgeRequest(request: DriverNetworkRequest, others: readonly NetworkRecord[]): void {
  const options = parseBridgeOptions(request.options, request.internal);
  const count = (family: IpFamily): number => request.pools.filter((pool) => poolFamily(pool) === family).length;
  if (count(4) > 1 || count(6) > 1) {
    throw forbidden('multiple_subnets', "bridge driver doesn't support multiple subnets");
  }
  const name = bridgeName(request.id, options);
  const same = others.find((other) => nameOf(other) === name);
  if (same === undefined) return;
  throw forbidden(
    'network_conflict',
    `cannot create network ${request.id} (${name}): conflicts with network ${same.id} (${nameOf(same)}): ` +
      'networks have same bridge name',
  );
}

function nameOf(network: NetworkRecord): string {
  return bridgeName(network.id, { name: network.options[BRIDGE_NAME_OPTION] || undefined });
}

function poolFamily(pool: PoolRequest): IpFamily | undefined {
  const ip = pool.subnet?.ip ?? pool.ipRange?.ip ?? pool.gateway;
  return ip === undefined ? undefined : familyOf(ip);
}
