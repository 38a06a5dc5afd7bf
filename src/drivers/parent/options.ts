import { invalid, shortId } from '../../base/index.ts';
import { isLinkName } from '../../kernel/index.ts';
import { badOption, type Labels } from '../option-values.ts';

const PARENT = 'parent';

/** The link of the host that a network's links are made on. */
export interface ParentOptions {
  readonly name: string;
  /** Nobody named one: a dummy link of ours, with no way out. */
  readonly dummy: boolean;
}

export function parseParent(labels: Labels, networkId: string, driver: string): ParentOptions {
  const name = labels[PARENT] ?? '';
  if (name === '') return { name: `dm-${shortId(networkId)}`, dummy: true };
  if (name === 'lo') throw invalid('invalid_parent', `loopback interface is not a valid ${driver} parent link`);
  if (!isLinkName(name)) throw badOption(PARENT, name, 'it must be the name of a link, of at most 15 characters');
  vlanOf(name);
  return { name, dummy: false };
}

/** `eth0.10` is VLAN 10 of eth0. Undefined: no VLAN. */
export function vlanOf(name: string): { readonly parent: string; readonly id: number } | undefined {
  const [, parent = '', digits = ''] = /^(.+)\.(\d+)$/.exec(name) ?? [];
  if (parent === '') return undefined;
  const id = Number(digits);
  if (id < 1 || id > 4094) throw badOption(PARENT, name, `VLAN ${digits} must be a number from 1 to 4094`);
  return { parent, id };
}
