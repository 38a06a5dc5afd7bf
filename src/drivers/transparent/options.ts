import { invalid } from '../../base/index.ts';
import { type Labels, MTU_OPTION, MTU_RANGE, numberOption, refuseUnknown } from '../option-values.ts';
import { type ParentOptions, parseParent } from '../parent/index.ts';

export interface TransparentOptions {
  /** The link of the host that leads to the physical network. */
  readonly parent: ParentOptions;
  /** Of the containers' links; absent: the parent's. */
  readonly mtu: number | undefined;
}

export function parseTransparentOptions(labels: Labels, networkId: string): TransparentOptions {
  refuseUnknown(labels, new Set(), ['com.docker.network.bridge.', 'com.fairway.']);
  const parent = parseParent(labels, networkId, 'transparent');
  if (parent.dummy) {
    throw invalid('parent_required', 'a transparent network needs option "parent": the link that leads to the network');
  }
  return { parent, mtu: numberOption(labels, MTU_OPTION, MTU_RANGE) || undefined };
}
