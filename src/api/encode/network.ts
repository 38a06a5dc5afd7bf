import { cidrText, type Id, type Ip, rfc3339Nano } from '../../base/index.ts';
import type { EndpointRecord, NetworkRecord, PoolRequest } from '../../model/index.ts';

export const PREDEFINED = ['bridge', 'host', 'none'];

function poolOf(pool: PoolRequest) {
  return {
    ...(pool.subnet ? { Subnet: cidrText(pool.subnet) } : {}),
    ...(pool.ipRange ? { IPRange: cidrText(pool.ipRange) } : {}),
    ...(pool.gateway ? { Gateway: pool.gateway } : {}),
    ...(pool.auxiliary && Object.keys(pool.auxiliary).length > 0 ? { AuxiliaryAddresses: pool.auxiliary } : {}),
  };
}

/** One endpoint in `network inspect`. */
export function endpointResource(endpoint: EndpointRecord, spoofedFrames?: number) {
  return {
    Name: endpoint.name,
    EndpointID: endpoint.id,
    MacAddress: endpoint.mac ?? '',
    IPv4Address: endpoint.ipv4 ? cidrText(endpoint.ipv4) : '',
    IPv6Address: endpoint.ipv6 ? cidrText(endpoint.ipv6) : '',
    ...(spoofedFrames === undefined ? {} : { SpoofedFrames: spoofedFrames }),
  };
}

/** A network as `GET /networks` and inspect show it. `owners`: the container of each endpoint. */
export function encodeNetwork(
  network: NetworkRecord,
  options: {
    readonly version: number;
    readonly endpoints?: readonly EndpointRecord[];
    readonly owners?: ReadonlyMap<Id, Id>;
    /** A word of ours: what was dropped of each endpoint because it was not its own. */
    readonly spoofed?: ReadonlyMap<Id, number>;
    /** Hosts that containers on it run on, of global scope. */
    readonly peers?: readonly { readonly name: string; readonly ip: Ip }[];
  },
) {
  const { version, endpoints = [], owners, spoofed, peers = [] } = options;
  const predefined = PREDEFINED.includes(network.name);
  const pools = network.pools.length > 0 ? network.pools : network.ipam.requested;
  // Docker's IPAM driver null has a pool of this name, from which nothing is given.
  const none = network.ipam.driver === 'null' ? [{ Subnet: '0.0.0.0/0' }] : [];
  const ipamOptions = network.ipam.options;
  return {
    Name: network.name,
    Id: network.id,
    Created: rfc3339Nano(BigInt(network.created)),
    Scope: network.scope,
    Driver: network.driver,
    ...(version >= 48 ? { EnableIPv4: network.enableIpv4 } : {}),
    EnableIPv6: network.enableIpv6,
    IPAM: {
      Driver: network.ipam.driver,
      Options: predefined && Object.keys(ipamOptions).length === 0 ? null : ipamOptions,
      Config: pools.length > 0 ? pools.map(poolOf) : predefined ? null : none,
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: network.ingress,
    ConfigFrom: { Network: network.configFrom ?? '' },
    ConfigOnly: network.configOnly,
    Containers: Object.fromEntries(
      endpoints.map((endpoint) => [
        owners?.get(endpoint.id) ?? `ep-${endpoint.id}`,
        endpointResource(endpoint, spoofed?.get(endpoint.id)),
      ]),
    ),
    Options: network.options,
    Labels: network.labels,
    ...(peers.length > 0 ? { Peers: peers.map(({ name, ip }) => ({ Name: name, IP: ip })) } : {}),
  };
}
export type NetworkWire = ReturnType<typeof encodeNetwork>;
