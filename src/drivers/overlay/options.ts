import { invalid } from '../../base/index.ts';
import {
  badOption,
  booleanOption,
  type Labels,
  MTU_OPTION,
  MTU_RANGE,
  numberOption,
  refuseUnknown,
} from '../option-values.ts';
import { ANTI_SPOOFING_OPTION } from '../port-guard.ts';

const OVERLAY = 'com.docker.network.driver.overlay.';
export const VNI_OPTION = `${OVERLAY}vxlanid_list`;
export const ENCRYPTED_OPTION = 'encrypted';
const KNOWN: ReadonlySet<string> = new Set([VNI_OPTION, ANTI_SPOOFING_OPTION]);
/** 24 bits; 0 is for those who have no identifier. */
const VNI_RANGE = { min: 1, max: 0xff_ff_ff } as const;

export interface OverlayOptions {
  /** Absent: what the underlay bears. */
  readonly mtu: number | undefined;
  /** VXLAN network identifier that the user chose. */
  readonly vni: number | undefined;
  readonly encrypted: boolean;
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
    antiSpoofing: booleanOption(labels, ANTI_SPOOFING_OPTION) ?? true,
  };
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
