import { type Id, internal, type Mac, networkOf, shortId } from '../../base/index.ts';
import {
  type Attachment,
  type AttachSpec,
  type FirewallEntry,
  type NetworkEntry,
  type NetworkPool,
  type NetworkRecord,
  VNI,
} from '../../model/index.ts';
import { macOfEndpoint, macOfNetwork } from '../address-mac.ts';
import { type EndpointOptions, parseEndpointOptions } from '../endpoint-options.ts';
import { addressesOf } from '../sandbox-link.ts';
import { hostNames } from '../veth-port.ts';
import { type OverlayOptions, parseOverlayOptions } from './options.ts';

/** UDP ports of the cluster's VXLAN links. */
export interface DataPorts {
  readonly plain: number;
  /** Absent: this node cannot encrypt. */
  readonly encrypted: number | undefined;
}

/** All that an overlay network is on a node. */
export interface OverlayPlan {
  readonly networkId: Id;
  readonly options: OverlayOptions;
  /** The bridge, with the containers' ports and the VXLAN link. */
  readonly bridge: string;
  readonly vxlan: string;
  /** Of the bridge; the same on every node, as nobody speaks to it. */
  readonly mac: Mac;
  readonly vni: number;
  readonly port: number;
  readonly firewall: readonly FirewallEntry[];
}

export function bridgeNameOf(id: Id): string {
  return `ov-${shortId(id)}`;
}

export function vxlanNameOf(id: Id): string {
  return `vx-${shortId(id)}`;
}

export function planOverlay(network: NetworkRecord, ports: DataPorts): OverlayPlan {
  const options = parseOverlayOptions(network.options);
  const port = (options.encrypted ? ports.encrypted : undefined) ?? ports.plain;
  return {
    networkId: network.id,
    options,
    bridge: bridgeNameOf(network.id),
    vxlan: vxlanNameOf(network.id),
    mac: macOfNetwork(network.id),
    vni: identifierOf(network),
    port,
    firewall: [
      ...network.pools.map((pool) => poolEntry(network, pool)),
      { kind: 'dataPort', networkId: network.id, port, encrypted: options.encrypted },
    ],
  };
}

function identifierOf({ name, driverState }: NetworkRecord): number {
  const vni = driverState?.[VNI];
  if (typeof vni !== 'number') throw internal('vni_missing', `network "${name}" has no VXLAN network identifier`);
  return vni;
}

/** Closed to everything but itself: what leads out, and in by published ports, is the gateway network. */
export function poolEntry(network: NetworkRecord, pool: NetworkPool): NetworkEntry {
  return {
    kind: 'network',
    networkId: network.id,
    bridge: bridgeNameOf(network.id),
    subnet: networkOf(pool.subnet),
    internal: true,
    icc: true,
    gatewayMode: 'isolated',
    masquerade: false,
    trustedInterfaces: [],
    secluded: true,
  };
}

export interface OverlayPortPlan {
  readonly options: OverlayOptions;
  readonly bridge: string;
  readonly hostNames: readonly string[];
  readonly mac: Mac;
  /** That of the bridge. */
  readonly mtu: undefined;
  readonly endpoint: EndpointOptions;
  readonly routes: NonNullable<Attachment['routes']>;
}

/** All that an endpoint on an overlay network is. */
export function planOverlayPort(spec: AttachSpec): OverlayPortPlan {
  const { network } = spec;
  return {
    options: parseOverlayOptions(network.options),
    bridge: bridgeNameOf(network.id),
    hostNames: hostNames(spec.endpointId),
    mac: macOfEndpoint(spec),
    mtu: undefined,
    endpoint: parseEndpointOptions(spec.request, spec.ifname),
    routes: otherSubnets(spec),
  };
}

/** All subnets of the network are one link, so neighbours in the others are reached without a router. */
function otherSubnets(spec: AttachSpec): OverlayPortPlan['routes'] {
  const own = addressesOf(spec);
  return ([spec.ipv4, spec.ipv6] as const).flatMap((address, index) => {
    if (address === undefined) return [];
    const family = index === 0 ? 4 : 6;
    return spec.network.pools
      .filter((pool) => pool.family === family)
      .map((pool) => networkOf(pool.subnet))
      .filter((subnet) => !own.some((cidr) => subnet.ip === networkOf(cidr).ip && subnet.prefix === cidr.prefix))
      .map((destination) => ({ destination }));
  });
}
