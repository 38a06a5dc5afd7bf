import { familyOf, invalid } from '../../base/index.ts';
import type { BlockPrefixes, DriverNetworkRequest } from '../../model/index.ts';
import {
  badOption,
  booleanOption,
  type Labels,
  MTU_OPTION,
  MTU_RANGE,
  numberOption,
  refuseUnknown,
  wordOption,
} from '../option-values.ts';
import { ANTI_SPOOFING_OPTION } from '../port-guard.ts';

const OVERLAY = 'com.docker.network.driver.overlay.';
export const VNI_OPTION = `${OVERLAY}vxlanid_list`;
export const ENCRYPTED_OPTION = 'encrypted';
export const MODE_OPTION = 'com.fairway.overlay.mode';
export const BLOCK_OPTION = 'com.fairway.overlay.block';
export const BLOCK6_OPTION = 'com.fairway.overlay.block6';
const KNOWN: ReadonlySet<string> = new Set([
  VNI_OPTION,
  ANTI_SPOOFING_OPTION,
  MODE_OPTION,
  BLOCK_OPTION,
  BLOCK6_OPTION,
]);
/** Which fit, the subnet says. */
const BLOCK_RANGE = { min: 1, max: 32 } as const;
const BLOCK6_RANGE = { min: 1, max: 128 } as const;
/** 24 bits; 0 is for those who have no identifier. */
const VNI_RANGE = { min: 1, max: 0xff_ff_ff } as const;

export interface OverlayOptions {
  /** Absent: what the underlay bears. */
  readonly mtu: number | undefined;
  /** VXLAN network identifier that the user chose. */
  readonly vni: number | undefined;
  readonly encrypted: boolean;
  /**
   * Containers' packets go as they are, by routes, to the block of addresses that each node has. `prefix`, `prefix6`: lengths of
   * these. Absent: by VXLAN.
   */
  readonly direct: BlockPrefixes | undefined;
  /** Ports send nothing but what is their own. */
  readonly antiSpoofing: boolean;
}

/** Reads the labels of an overlay network; refuses unknown ones in our namespaces, and values that make no sense. */
export function parseOverlayOptions(labels: Labels): OverlayOptions {
  refuseUnknown(labels, KNOWN, [OVERLAY, 'com.fairway.']);
  return {
    mtu: numberOption(labels, MTU_OPTION, MTU_RANGE) || undefined,
    vni: identifierOption(labels),
    encrypted: encryptedOption(labels),
    direct: directOption(labels),
    antiSpoofing: booleanOption(labels, ANTI_SPOOFING_OPTION) ?? true,
  };
}

function directOption(labels: Labels): OverlayOptions['direct'] {
  const prefix = numberOption(labels, BLOCK_OPTION, BLOCK_RANGE);
  const prefix6 = numberOption(labels, BLOCK6_OPTION, BLOCK6_RANGE);
  if (wordOption(labels, MODE_OPTION, ['vxlan', 'direct']) === 'direct') {
    return { ...(prefix === undefined ? {} : { prefix }), ...(prefix6 === undefined ? {} : { prefix6 }) };
  }
  for (const option of [BLOCK_OPTION, BLOCK6_OPTION]) {
    const value = labels[option];
    if (value !== undefined) throw badOption(option, value, `only networks with ${MODE_OPTION}=direct have blocks`);
  }
  return undefined;
}

/** Docker's clients write `--opt encrypted` without a value. */
function encryptedOption(labels: Labels): boolean {
  return labels[ENCRYPTED_OPTION] === '' ? true : (booleanOption(labels, ENCRYPTED_OPTION) ?? false);
}

/** Docker takes one for each subnet; here one serves all. */
function identifierOption(labels: Labels): number | undefined {
  const list = labels[VNI_OPTION];
  if (list === undefined || list === '') return undefined;
  if (list.includes(',')) throw badOption(VNI_OPTION, list, 'one identifier serves all subnets of a network');
  return numberOption(labels, VNI_OPTION, VNI_RANGE);
}

/** RFC 8200: the smallest that IPv6 works with. */
export const IPV6_MIN_MTU = 1280;

export function checkMtu(mtu: number | undefined, enableIpv6: boolean): void {
  if (mtu === undefined || !enableIpv6 || mtu >= IPV6_MIN_MTU) return;
  throw invalid('invalid_mtu', `invalid value "${mtu}" of option "${MTU_OPTION}": IPv6 needs at least ${IPV6_MIN_MTU}`);
}

/** Throws what direct routing cannot do, in the options and in the subnets. */
export function checkDirect(
  { encrypted, vni, direct }: OverlayOptions,
  { name, enableIpv4, enableIpv6, pools }: Pick<DriverNetworkRequest, 'name' | 'enableIpv4' | 'enableIpv6' | 'pools'>,
): void {
  const refused = (reason: string): Error =>
    invalid('invalid_option', `cannot use option "${MODE_OPTION}=direct" for network "${name}": ${reason}`);
  if (encrypted) throw refused(`there is no encryption without frames between hosts (option "${ENCRYPTED_OPTION}")`);
  if (vni !== undefined) throw refused(`it has no VXLAN network identifier (option "${VNI_OPTION}")`);
  if (!enableIpv4 && direct?.prefix !== undefined) throw refused(`it has no IPv4 (option "${BLOCK_OPTION}")`);
  if (!enableIpv6 && direct?.prefix6 !== undefined) throw refused(`it has no IPv6 (option "${BLOCK6_OPTION}")`);
  const families = pools.flatMap(({ subnet }) => (subnet === undefined ? [] : [familyOf(subnet.ip)]));
  if (new Set(families).size < families.length) throw refused('it takes one subnet of each family');
  if (pools.some(({ ipRange }) => ipRange !== undefined))
    throw refused('hosts have blocks of the whole subnet, no range');
}
