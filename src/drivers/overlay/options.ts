import { invalid } from '../../base/index.ts';
import type { DriverNetworkRequest } from '../../model/index.ts';
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
const KNOWN: ReadonlySet<string> = new Set([VNI_OPTION, ANTI_SPOOFING_OPTION, MODE_OPTION, BLOCK_OPTION]);
/** Which fit, the subnet says. */
const BLOCK_RANGE = { min: 1, max: 32 } as const;
/** 24 bits; 0 is for those who have no identifier. */
const VNI_RANGE = { min: 1, max: 0xff_ff_ff } as const;

export interface OverlayOptions {
  /** Absent: what the underlay bears. */
  readonly mtu: number | undefined;
  /** VXLAN network identifier that the user chose. */
  readonly vni: number | undefined;
  readonly encrypted: boolean;
  /**
   * Containers' packets go as they are, by routes, to the block of addresses that each node has. `block`: prefix length of these.
   * Absent: by VXLAN.
   */
  readonly direct: { readonly block: number | undefined } | undefined;
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
  const block = numberOption(labels, BLOCK_OPTION, BLOCK_RANGE);
  if (wordOption(labels, MODE_OPTION, ['vxlan', 'direct']) === 'direct') return { block };
  if (block === undefined) return undefined;
  throw badOption(BLOCK_OPTION, String(block), `only networks with ${MODE_OPTION}=direct have blocks`);
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
  { encrypted, vni }: OverlayOptions,
  { name, enableIpv4, enableIpv6, pools }: Pick<DriverNetworkRequest, 'name' | 'enableIpv4' | 'enableIpv6' | 'pools'>,
): void {
  const refused = (reason: string): Error =>
    invalid('invalid_option', `cannot use option "${MODE_OPTION}=direct" for network "${name}": ${reason}`);
  if (encrypted) throw refused(`there is no encryption without frames between hosts (option "${ENCRYPTED_OPTION}")`);
  if (vni !== undefined) throw refused(`it has no VXLAN network identifier (option "${VNI_OPTION}")`);
  if (enableIpv6 || !enableIpv4) throw refused('it is for IPv4 alone');
  if (pools.length > 1) throw refused('it takes one subnet');
  if (pools.some(({ ipRange }) => ipRange !== undefined))
    throw refused('hosts have blocks of the whole subnet, no range');
}
