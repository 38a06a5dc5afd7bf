import { familyOf, type Ip, invalid, unavailable } from '../../base/index.ts';
import type { Link, Rtnl } from '../../kernel/index.ts';
import type { NetworkRecord } from '../../model/index.ts';
import { MTU_OPTION } from '../option-values.ts';
import { IPV6_MIN_MTU, type OverlayOptions } from './options.ts';

/** This node's place on the network between the nodes. */
export interface Underlay {
  readonly address: Ip;
  /** That has the address. */
  readonly link: Link;
}

/** Ethernet header of the container's frame, VXLAN, UDP and outer IP headers. */
const ENCAPSULATION = { 4: 14 + 8 + 8 + 20, 6: 14 + 8 + 8 + 40 } as const;

/** Throws unavailable `no_underlay` when the node has no address, or the host does not have it. */
export function findUnderlay(rtnl: Rtnl, address: Ip | undefined, network: NetworkRecord): Underlay {
  const failed = `cannot use network "${network.name}" on this host`;
  if (address === undefined) {
    throw unavailable('no_underlay', `${failed}: it has no address for other nodes (--cluster-advertise)`);
  }
  const index = rtnl.addresses.list().find(({ cidr }) => cidr.ip === address)?.linkIndex;
  const link = index === undefined ? undefined : rtnl.links.get(index);
  if (link === undefined) {
    throw unavailable('no_underlay', `${failed}: the address ${address} for other nodes is on no link of it`);
  }
  return { address, link };
}

/**
 * MTU of containers' links: what fits into the underlay's, or less where the user says so. Throws `invalid_mtu` for more,
 * and where the rest is too small for IPv6.
 */
export function mtuOf(
  underlay: Underlay,
  options: OverlayOptions,
  { network, encryption }: { readonly network: NetworkRecord; readonly encryption: number },
): number {
  const overhead = ENCAPSULATION[familyOf(underlay.address)] + (options.encrypted ? encryption : 0);
  const most = underlay.link.mtu - overhead;
  const bears = `${underlay.link.name} with its MTU of ${underlay.link.mtu} bears ${most}`;
  if (options.mtu !== undefined && options.mtu > most) {
    throw invalid('invalid_mtu', `invalid value "${options.mtu}" of option "${MTU_OPTION}" on this host: ${bears}`);
  }
  if (network.enableIpv6 && most < IPV6_MIN_MTU) {
    throw invalid('invalid_mtu', `cannot use network "${network.name}": IPv6 needs ${IPV6_MIN_MTU}, and ${bears}`);
  }
  return options.mtu ?? most;
}
