import { familyOf, type Ip, tryParseIp } from '../../base/index.ts';
import type { MacvlanMode } from '../../kernel/index.ts';
import {
  badOption,
  type Labels,
  MTU_OPTION,
  MTU_RANGE,
  numberOption,
  refuseUnknown,
  wordOption,
} from '../option-values.ts';
import { type ParentOptions, parseParent } from '../parent/index.ts';

const MODES = ['bridge', 'private', 'vepa', 'passthru'] as const;

export const SHIM_OPTION = 'com.fairway.macvlan.host_shim';
const KNOWN = new Set([SHIM_OPTION]);

/** A link of the host's own, by which it reaches the containers and they reach it. */
export interface HostShimOptions {
  /** Of the shim, at most one of each family; none: it has the parent's, of IPv4 alone. */
  readonly addresses: readonly Ip[];
}

export interface MacvlanOptions {
  readonly parent: ParentOptions;
  readonly mode: MacvlanMode;
  readonly mtu: number | undefined;
  /** Absent: the host and its containers do not reach each other. */
  readonly shim: HostShimOptions | undefined;
}

export function parseMacvlanOptions(labels: Labels, networkId: string): MacvlanOptions {
  refuseUnknown(labels, KNOWN, ['com.docker.network.bridge.', 'com.fairway.']);
  const mode = wordOption(labels, 'macvlan_mode', MODES) ?? 'bridge';
  return {
    parent: parseParent(labels, networkId, 'macvlan'),
    mode,
    mtu: numberOption(labels, MTU_OPTION, MTU_RANGE) || undefined,
    shim: hostShim(labels, mode),
  };
}

/** `auto`, or an address, or one of each family. */
function hostShim(labels: Labels, mode: MacvlanMode): HostShimOptions | undefined {
  const value = labels[SHIM_OPTION] ?? '';
  if (value === '') return undefined;
  if (mode !== 'bridge') throw badOption(SHIM_OPTION, value, `it needs macvlan_mode bridge, this is ${mode}`);
  if (value === 'auto') return { addresses: [] };
  const addresses = value.split(',').map((text) => tryParseIp(text));
  const found = addresses.filter((ip) => ip !== undefined);
  const families = new Set(found.map(familyOf));
  if (found.length === addresses.length && families.size === found.length) return { addresses: found };
  throw badOption(SHIM_OPTION, value, 'it must be auto, or an IP address, or one of each family with a comma between');
}
