import { cidrContains, type Ip, networkOf } from '../base/index.ts';
import type { PoolRequest } from '../model/index.ts';
import type { NetworkConfig } from './config.ts';

/** dockerd's name for the reserved address of a gateway that is not the bridge. */
const GATEWAY_NAME = 'DefaultGatewayIPv4';

/** What `bip`, `fixed-cidr` and their kin ask of the pools of the default network. Empty: everything is chosen. */
export function defaultBridgePools(network: NetworkConfig): readonly PoolRequest[] {
  const { bip, bip6, fixedCidr, fixedCidr6, ipv6 } = network;
  const pools: PoolRequest[] = [];
  const subnet = bip ?? fixedCidr;
  if (subnet) {
    pools.push({
      subnet: networkOf(subnet),
      ...(bip ? { gateway: bip.ip } : {}),
      ...(bip && fixedCidr ? { ipRange: networkOf(fixedCidr) } : {}),
      ...reserved(network, subnet.ip),
    });
  }
  const subnet6 = bip6 ?? fixedCidr6;
  if (ipv6 && subnet6) {
    pools.push({
      subnet: networkOf(subnet6),
      ...(bip6 ? { gateway: bip6.ip } : {}),
      ...(bip6 && fixedCidr6 ? { ipRange: networkOf(fixedCidr6) } : {}),
    });
  }
  return pools;
}

function reserved(
  { bip, defaultGateway }: NetworkConfig,
  own: Ip,
): { readonly auxiliary?: Readonly<Record<string, Ip>> } {
  if (!bip || !defaultGateway || defaultGateway === own || !cidrContains(bip, defaultGateway)) return {};
  return { auxiliary: { [GATEWAY_NAME]: defaultGateway } };
}
