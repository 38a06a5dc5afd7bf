import type { Id } from '../base/index.ts';

// What is ours is said by the link itself (its alias, `ip link` shows it), so that leftovers are found without a record
// and nothing of anybody else is ever taken for ours.

const NETWORK = 'fairway network ';
const OVERLAY = 'fairway overlay ';
const ENDPOINT = 'fairway endpoint ';

export function networkMark(id: Id): string {
  return `${NETWORK}${id}`;
}

/** Of the links of an overlay network, whose driver alone removes them: it is known on nodes where it does not exist. */
export function overlayMark(id: Id): string {
  return `${OVERLAY}${id}`;
}

export function isOverlayLink({ alias = '' }: { readonly alias?: string | undefined }): boolean {
  return alias.startsWith(OVERLAY);
}

/** Routing protocol number (`ip route` shows `proto 70`) of the routes that lead to other nodes' blocks. */
export const ROUTE_MARK = 70;

export function endpointMark(id: Id): string {
  return `${ENDPOINT}${id}`;
}

/** The id in the alias of a link that a network or an endpoint of ours made. */
export function ownerOf({ alias = '' }: { readonly alias?: string | undefined }): {
  readonly network?: Id;
  readonly endpoint?: Id;
} {
  if (alias.startsWith(NETWORK)) return { network: alias.slice(NETWORK.length) as Id };
  if (alias.startsWith(OVERLAY)) return { network: alias.slice(OVERLAY.length) as Id };
  if (alias.startsWith(ENDPOINT)) return { endpoint: alias.slice(ENDPOINT.length) as Id };
  return {};
}
