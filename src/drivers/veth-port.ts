import { conflict, type Id, type Mac } from '../base/index.ts';
import { isErrno, type Link, netnsExists, openNetns, Rtnl, writeSysctl } from '../kernel/index.ts';
import type { Attachment, AttachSpec } from '../model/index.ts';
import { type DiscardedLinks, putOutOfUse } from './discarded-links.ts';
import { ownerOf } from './marks.ts';
import { ignoreRouterAdvertisements } from './router-advertisements.ts';
import { addressesOf } from './sandbox-link.ts';

export interface VethPort {
  /** Names of the end on the host, in the order in which to try them. */
  readonly hostNames: readonly string[];
  /** Of the end in the sandbox. */
  readonly mac: Mac;
  readonly mtu: number | undefined;
}

/** From the endpoint's id, so that they are known before and after: `veth` and seven digits. */
export function hostNames(endpointId: Id): readonly string[] {
  return [0, 7, 14, 21].map((start) => `veth${endpointId.slice(start, start + 7)}`);
}

/** The name that {@link createVethPort} will give the end on the host, or has given. */
export function portNameOf(rtnl: Rtnl, endpointId: Id, state: Attachment['state'] = {}): string {
  if (typeof state.hostLink === 'string') return state.hostLink;
  const names = hostNames(endpointId);
  return names.find((name) => rtnl.links.get(name) === undefined) ?? String(names[0]);
}

/** A pair between a bridge and a sandbox, still down. Should a name be taken (28 bits), the next is tried. */
export function createVethPort(
  rtnl: Rtnl,
  spec: AttachSpec,
  { place, ...port }: VethPort & { readonly place: { readonly bridge: Link; readonly ns: { readonly fd: number } } },
): Link {
  let taken: unknown;
  for (const name of port.hostNames) {
    try {
      const made = rtnl.links.createVeth({
        name,
        peerName: spec.ifname,
        peerNetns: place.ns,
        peerMac: port.mac,
        mtu: port.mtu ?? place.bridge.mtu,
        masterIndex: place.bridge.index,
      });
      return withoutIpv6(rtnl, made);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      taken = error;
    }
  }
  const { endpointId } = spec;
  throw taken ?? conflict('link_names_taken', `cannot attach endpoint ${endpointId}: all names for its link are taken`);
}

/**
 * The host's end only carries frames. With IPv6 it would have an address and a route that the kernel goes through whenever a link
 * comes or goes, and send reports of its groups to all other ports as it comes up.
 */
function withoutIpv6(rtnl: Rtnl, link: Link): Link {
  try {
    ignoreRouterAdvertisements(link.name);
    writeSysctl(['net', 'ipv6', 'conf', link.name, 'disable_ipv6'], 1);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) {
      rtnl.links.delete(link.index);
      throw error;
    }
  }
  return link;
}

/**
 * For when both ends are up. The kernel lets a bridge use a port that got its carrier when a worker of its comes to it, which takes long
 * on a busy host; since 6.8 it does so at once for a link that somebody asks for.
 */
export function settleCarrier(rtnl: Rtnl, { index }: Pick<Link, 'index'>): void {
  rtnl.links.get(index);
}

/** Repeatable. The container loses it now: its end is put out of use, too, and vanishes from the sandbox soon. */
export function removeVethPort(
  { rtnl, discarded }: { readonly rtnl: Rtnl; readonly discarded: DiscardedLinks },
  spec: AttachSpec,
  state: Attachment['state'],
): void {
  const named = typeof state.hostLink === 'string' ? [state.hostLink] : hostNames(spec.endpointId);
  for (const name of named) {
    const link = rtnl.links.get(name);
    if (link === undefined || !isEndpointLink(link, spec.endpointId)) continue;
    const seen = netnsExists(spec.sandboxPath);
    if (!seen || releaseInside(spec, link)) discarded.discard(link, { seen });
    else rtnl.links.delete(link.index);
  }
}

/** False where the other end is not as we made it: the container may have moved it elsewhere. */
function releaseInside(spec: AttachSpec, host: Link): boolean {
  try {
    using ns = openNetns(spec.sandboxPath);
    using rtnl = Rtnl.open(ns);
    const link = host.peerIndex === undefined ? undefined : rtnl.links.get(host.peerIndex);
    if (link?.kind !== 'veth' || link.peerIndex !== host.index) return false;
    return putOutOfUse(rtnl, link, addressesOf(spec));
  } catch {
    // Whatever it was: the pair can still be deleted, which takes the daemon longer.
    return false;
  }
}

/** Unmarked: made by a daemon that was killed before it could mark it. */
function isEndpointLink(link: Link, endpointId: Id): boolean {
  if (link.kind !== 'veth') return false;
  return link.alias === undefined || link.alias === '' || ownerOf(link).endpoint === endpointId;
}
