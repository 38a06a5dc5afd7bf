import type { Id } from '../base/index.ts';
import type { Link } from '../kernel/index.ts';

// What is ours is said by the link itself (its alias, `ip link` shows it), so that leftovers are found without a record
// and nothing of anybody else is ever taken for ours.

const NETWORK = 'fairway network ';
const ENDPOINT = 'fairway endpoint ';
const TRANSPARENT = 'fairway transparent ';

export function networkMark(id: Id): string {
  return `${NETWORK}${id}`;
}

export function endpointMark(id: Id): string {
  return `${ENDPOINT}${id}`;
}

/** Of the bridge of a transparent network, which has the addresses of the host: nobody else may take it away. */
export function transparentMark(id: Id): string {
  return `${TRANSPARENT}${id}`;
}

/** The network whose bridge stands in place of a link of the host. */
export function transparentOwner({ alias = '' }: Link): Id | undefined {
  return alias.startsWith(TRANSPARENT) ? (alias.slice(TRANSPARENT.length) as Id) : undefined;
}

/** A VLAN or dummy link that networks stand on; removed with the last of them. */
export const PARENT_MARK = 'fairway parent';

/** The id in the alias of a link that a network or an endpoint of ours made. */
export function ownerOf(link: Link): { readonly network?: Id; readonly endpoint?: Id } {
  const { alias = '' } = link;
  if (alias.startsWith(NETWORK)) return { network: alias.slice(NETWORK.length) as Id };
  if (alias.startsWith(ENDPOINT)) return { endpoint: alias.slice(ENDPOINT.length) as Id };
  return {};
}

/** Ours, of whatever kind, or on its way to deletion. */
export function isMarked({ alias = '', name }: Link): boolean {
  return alias.startsWith('fairway ') || name.startsWith('fwx');
}
