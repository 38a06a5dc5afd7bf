import type { IpvlanFlag, IpvlanMode } from '../../kernel/index.ts';
import { type Labels, MTU_OPTION, MTU_RANGE, numberOption, refuseUnknown, wordOption } from '../option-values.ts';
import { type ParentOptions, parseParent } from '../parent/index.ts';

const MODES = ['l2', 'l3', 'l3s'] as const;
const FLAGS = ['bridge', 'private', 'vepa'] as const;

export interface IpvlanOptions {
  readonly parent: ParentOptions;
  readonly mode: IpvlanMode;
  readonly flag: IpvlanFlag;
  readonly mtu: number | undefined;
}

export function parseIpvlanOptions(labels: Labels, networkId: string): IpvlanOptions {
  refuseUnknown(labels, new Set(), ['com.docker.network.bridge.', 'com.fairway.']);
  return {
    parent: parseParent(labels, networkId, 'ipvlan'),
    mode: wordOption(labels, 'ipvlan_mode', MODES) ?? 'l2',
    flag: wordOption(labels, 'ipvlan_flag', FLAGS) ?? 'bridge',
    mtu: numberOption(labels, MTU_OPTION, MTU_RANGE) || undefined,
  };
}
