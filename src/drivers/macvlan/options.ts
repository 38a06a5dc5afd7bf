import type { MacvlanMode } from '../../kernel/index.ts';
import { type Labels, MTU_OPTION, MTU_RANGE, numberOption, refuseUnknown, wordOption } from '../option-values.ts';
import { type ParentOptions, parseParent } from '../parent/index.ts';

const MODES = ['bridge', 'private', 'vepa', 'passthru'] as const;

export interface MacvlanOptions {
  readonly parent: ParentOptions;
  readonly mode: MacvlanMode;
  readonly mtu: number | undefined;
}

export function parseMacvlanOptions(labels: Labels, networkId: string): MacvlanOptions {
  refuseUnknown(labels, new Set(), ['com.docker.network.bridge.', 'com.fairway.']);
  return {
    parent: parseParent(labels, networkId, 'macvlan'),
    mode: wordOption(labels, 'macvlan_mode', MODES) ?? 'bridge',
    mtu: numberOption(labels, MTU_OPTION, MTU_RANGE) || undefined,
  };
}
