import { FairwayError, familyOf, type Ip, invalid } from '../../base/index.ts';
import { isLinkName } from '../../kernel/index.ts';
import type { GatewayMode } from '../../model/index.ts';
import {
  badOption,
  booleanOption,
  ipOption,
  type Labels,
  MTU_OPTION,
  MTU_RANGE,
  numberOption,
  refuseUnknown,
  wordOption,
} from '../option-values.ts';
import { ANTI_SPOOFING_OPTION } from '../port-guard.ts';

const BRIDGE = 'com.docker.network.bridge.';
const NETWORK = 'com.docker.network.';
export const BRIDGE_NAME_OPTION = `${BRIDGE}name`;
const KEYS = {
  name: BRIDGE_NAME_OPTION,
  masquerade: `${BRIDGE}enable_ip_masquerade`,
  icc: `${BRIDGE}enable_icc`,
  hostBinding: `${BRIDGE}host_binding_ipv4`,
  gatewayMode4: `${BRIDGE}gateway_mode_ipv4`,
  gatewayMode6: `${BRIDGE}gateway_mode_ipv6`,
  inhibitIpv4: `${BRIDGE}inhibit_ipv4`,
  trusted: `${BRIDGE}trusted_host_interfaces`,
  defaultBridge: `${BRIDGE}default_bridge`,
  hostIpv4: `${NETWORK}host_ipv4`,
  hostIpv6: `${NETWORK}host_ipv6`,
  ifacePrefix: `${NETWORK}container_iface_prefix`,
  antiSpoofing: ANTI_SPOOFING_OPTION,
} as const;
const KNOWN: ReadonlySet<string> = new Set(Object.values(KEYS));
const MODES = ['nat', 'nat-unprotected', 'routed', 'isolated'] as const;

export interface BridgeOptions {
  /** Absent: made from the network's id. */
  readonly name: string | undefined;
  /** Absent: the usual one, or that of the way out where it is smaller. */
  readonly mtu: number | undefined;
  readonly masquerade: boolean;
  readonly icc: boolean;
  /** Absent: every address of the host, both families. */
  readonly hostBinding: Ip | undefined;
  readonly gatewayMode4: GatewayMode;
  readonly gatewayMode6: GatewayMode;
  /** No gateway address of IPv4 on the bridge: another device of the link has it. */
  readonly inhibitIpv4: boolean;
  readonly trustedInterfaces: readonly string[];
  /** Sources of what leaves, instead of the address of the outgoing link. */
  readonly hostIpv4: Ip | undefined;
  readonly hostIpv6: Ip | undefined;
  /** Ports send nothing but what is their own. */
  readonly antiSpoofing: boolean;
}

/** Reads the labels of a bridge network; refuses unknown ones in our namespaces, and values that make no sense. */
export function parseBridgeOptions(labels: Labels, internal: boolean): BridgeOptions {
  refuseUnknown(labels, KNOWN, [BRIDGE, 'com.fairway.']);
  booleanOption(labels, KEYS.defaultBridge);
  checkIfacePrefix(labels[KEYS.ifacePrefix]);
  return {
    name: linkName(labels),
    mtu: numberOption(labels, MTU_OPTION, MTU_RANGE) || undefined,
    masquerade: booleanOption(labels, KEYS.masquerade) ?? true,
    icc: booleanOption(labels, KEYS.icc) ?? true,
    hostBinding: hostBinding(labels),
    gatewayMode4: gatewayMode(labels, KEYS.gatewayMode4, internal),
    gatewayMode6: gatewayMode(labels, KEYS.gatewayMode6, internal),
    inhibitIpv4: booleanOption(labels, KEYS.inhibitIpv4) ?? false,
    trustedInterfaces: trustedInterfaces(labels),
    hostIpv4: addressOf(labels, KEYS.hostIpv4, 4),
    hostIpv6: addressOf(labels, KEYS.hostIpv6, 6),
    antiSpoofing: booleanOption(labels, KEYS.antiSpoofing) ?? true,
  };
}

function linkName(labels: Labels): string | undefined {
  const name = labels[KEYS.name];
  if (name === undefined || name === '') return undefined;
  if (!isLinkName(name)) throw badOption(KEYS.name, name, 'it must be a name for a link, of at most 15 characters');
  return name;
}

/** Used where the links of a container get their names; it must leave room for a number. */
function checkIfacePrefix(prefix: string | undefined): void {
  if (prefix === undefined || prefix === '' || isLinkName(`${prefix}00`)) return;
  throw badOption(KEYS.ifacePrefix, prefix, 'it must be the beginning of a name for a link, of at most 13 characters');
}

function hostBinding(labels: Labels): Ip | undefined {
  const ip = addressOf(labels, KEYS.hostBinding, 4);
  return ip === '0.0.0.0' ? undefined : ip;
}

function addressOf(labels: Labels, key: string, family: 4 | 6): Ip | undefined {
  const ip = ipOption(labels, key);
  if (ip !== undefined && familyOf(ip) !== family) throw badOption(key, ip, `it must be an IPv${family} address`);
  return ip;
}

function gatewayMode(labels: Labels, key: string, internal: boolean): GatewayMode {
  const mode = wordOption(labels, key, MODES) ?? 'nat';
  if (mode !== 'isolated' || internal) return mode;
  // Docker answers with a status of its own for this one.
  throw new FairwayError("gateway mode 'isolated' can only be used for an internal network", {
    code: 'isolated_not_internal',
    kind: 'internal',
  });
}

function trustedInterfaces(labels: Labels): readonly string[] {
  const names = (labels[KEYS.trusted] ?? '').split(':').filter((name) => name !== '');
  const bad = names.find((name) => !isLinkName(name));
  if (bad !== undefined) {
    throw invalid('invalid_option', `invalid interface name ${JSON.stringify(bad)} in option "${KEYS.trusted}"`);
  }
  return names;
}
