import type { Id } from '../base/index.ts';
import type { Link } from '../kernel/index.ts';

export { endpointMark, isOverlayLink, networkMark, overlayMark, ownerOf } from '../model/index.ts';

const TRANSPARENT = 'fairway transparent ';

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

/** Ours, of whatever kind, or on its way to deletion. */
export function isMarked({ alias = '', name }: Link): boolean {
  return alias.startsWith('fairway ') || name.startsWith('fwx');
}
