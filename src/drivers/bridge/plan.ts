import { type Cidr, type Id, type Ip, type Mac, networkOf, shortId } from '../../base/index.ts';
import type { Attachment, AttachSpec, NetworkEntry, NetworkPool, NetworkRecord } from '../../model/index.ts';
import { macOfAddress, macOfEndpoint } from '../address-mac.ts';
import { type EndpointOptions, parseEndpointOptions } from '../endpoint-options.ts';
import { addressesOf } from '../sandbox-link.ts';
import { hostNames } from '../veth-port.ts';
import { type BridgeOptions, parseBridgeOptions } from './options.ts';

export interface BridgePlan {
  readonly options: BridgeOptions;
  readonly name: string;
  readonly mac: Mac;
  readonly mtu: number | undefined;
  readonly ipv6: boolean;
  /** Gateways that the bridge itself answers for. */
  readonly addresses: readonly Cidr[];
  readonly firewall: readonly NetworkEntry[];
}

export function bridgeName(id: Id, options: Pick<BridgeOptions, 'name'>): string {
  return options.name ?? `br-${shortId(id)}`;
}

/** All that a bridge network is on the host. */
export function planBridge(network: NetworkRecord): BridgePlan {
  const options = parseBridgeOptions(network.options, network.internal);
  const name = bridgeName(network.id, options);
  const addresses = network.pools.flatMap((pool) => bridgeAddress(pool, options));
  return {
    options,
    name,
    mac: macOfAddress(addresses.find((cidr) => !cidr.ip.includes(':'))?.ip),
    mtu: options.mtu,
    ipv6: network.enableIpv6,
    addresses,
    firewall: network.pools.map((pool) => networkEntry(network, pool, { options, name })),
  };
}

function bridgeAddress(pool: NetworkPool, options: BridgeOptions): readonly Cidr[] {
  const inhibited = pool.family === 4 && options.inhibitIpv4;
  if (pool.gateway === undefined || inhibited || modeOf(pool, options) === 'isolated') return [];
  return [{ ip: pool.gateway, prefix: pool.subnet.prefix }];
}

function modeOf(pool: NetworkPool, options: BridgeOptions): NetworkEntry['gatewayMode'] {
  return pool.family === 4 ? options.gatewayMode4 : options.gatewayMode6;
}

function networkEntry(
  network: NetworkRecord,
  pool: NetworkPool,
  bridge: { options: BridgeOptions; name: string },
): NetworkEntry {
  const { options } = bridge;
  const mode = modeOf(pool, options);
  const source = pool.family === 4 ? options.hostIpv4 : options.hostIpv6;
  const masquerade = options.masquerade && (mode === 'nat' || mode === 'nat-unprotected');
  return {
    kind: 'network',
    networkId: network.id,
    bridge: bridge.name,
    subnet: networkOf(pool.subnet),
    ...(pool.gateway === undefined ? {} : { gateway: pool.gateway }),
    internal: network.internal,
    icc: options.icc,
    gatewayMode: mode,
    masquerade: masquerade ? (source ?? true) : false,
    trustedInterfaces: options.trustedInterfaces,
  };
}

export interface PortPlan {
  /** Name of the end on the host, in the order in which to try them. */
  readonly hostNames: readonly string[];
  readonly mac: Mac;
  readonly mtu: number | undefined;
  readonly isolated: boolean;
  readonly addresses: readonly Cidr[];
  readonly endpoint: EndpointOptions;
  readonly gateways: Pick<Attachment, 'gateway4' | 'gateway6'>;
  readonly routes: NonNullable<Attachment['routes']>;
}

/** All that an endpoint on a bridge is. */
export function planPort(spec: AttachSpec): PortPlan {
  const { network } = spec;
  const options = parseBridgeOptions(network.options, network.internal);
  const mac = macOfEndpoint(spec);
  const gateway4 = gatewayOf(spec, 4, options);
  const gateway6 = gatewayOf(spec, 6, options);
  return {
    hostNames: hostNames(spec.endpointId),
    mac,
    mtu: options.mtu,
    isolated: !options.icc,
    addresses: addressesOf(spec),
    routes: options.icc ? [] : routedSubnet(spec, options),
    endpoint: parseEndpointOptions(spec.request, spec.ifname),
    gateways: { ...(gateway4 === undefined ? {} : { gateway4 }), ...(gateway6 === undefined ? {} : { gateway6 }) },
  };
}

/** The kernel's own route of a link's subnet has 256. */
const BEFORE_ON_LINK = 128;

/**
 * Isolated ports do not hear each other. Over IPv4 the host answers for the neighbours; over IPv6 it cannot, so all of the
 * subnet is reached through it, and the packet filter lets linked ports through.
 */
function routedSubnet({ network, ipv6 }: AttachSpec, options: BridgeOptions): PortPlan['routes'] {
  const pool = network.pools.find(({ family }) => family === 6);
  if (ipv6 === undefined || pool?.gateway === undefined || modeOf(pool, options) === 'isolated') return [];
  return [
    { destination: { ip: pool.gateway, prefix: 128 } },
    { destination: pool.subnet, gateway: pool.gateway, metric: BEFORE_ON_LINK },
  ];
}

function gatewayOf({ network, ...spec }: AttachSpec, family: 4 | 6, options: BridgeOptions): Ip | undefined {
  const own = family === 4 ? spec.ipv4 : spec.ipv6;
  const pool = network.pools.find((one) => one.family === family);
  if (own === undefined || pool === undefined || network.internal) return undefined;
  return modeOf(pool, options) === 'isolated' ? undefined : pool.gateway;
}
