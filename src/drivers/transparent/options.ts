import { invalid } from '../../base/index.ts';
import { booleanOption, type Labels, MTU_OPTION, MTU_RANGE, numberOption, refuseUnknown } from '../option-values.ts';
import { type ParentOptions, parseParent } from '../parent/index.ts';
import { ANTI_SPOOFING_OPTION } from '../port-guard.ts';

export interface TransparentOptions {
  /** The link of the host that leads to the physical network. */
  readonly parent: ParentOptions;
  /** Of the containers' links; absent: the parent's. */
  readonly mtu: number | undefined;
  /** Ports of containers send nothing but what is their own. */
  readonly antiSpoofing: boolean;
}

export function parseTransparentOptions(labels: Labels, networkId: string): TransparentOptions {
  refuseUnknown(labels, new Set([ANTI_SPOOFING_OPTION]), ['com.docker.network.bridge.', 'com.fairway.']);
  const parent = parseParent(labels, networkId, 'transparent');
  if (parent.dummy) {
    throw invalid('parent_required', 'a transparent network needs option "parent": the link that leads to the network');
  }
  return {
    parent,
    mtu: numberOption(labels, MTU_OPTION, MTU_RANGE) || undefined,
    antiSpoofing: booleanOption(labels, ANTI_SPOOFING_OPTION) ?? true,
  };
}
