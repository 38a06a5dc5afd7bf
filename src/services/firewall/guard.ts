import { familyOf, ipBytes, type Mac, shortId } from '../../base/index.ts';
import { quoteString } from '../../kernel/index.ts';
import type { GuardEntry, SpoofedFrames } from '../../model/index.ts';
import type { Element } from './elements.ts';

/** The table of frames, beside that of packets: only here is a bridge's port known. */
export const GUARD_TABLE = 'bridge fairway';

/** Sets of {@link GUARD_TABLE}, by what they say of a port. */
export type GuardSetName = 'guarded' | 'senders' | 'anywhere' | 'sources4' | 'sources6' | 'targets6' | 'lladdrs6';

export const GUARD_SETS: ReadonlySet<string> = new Set<GuardSetName>([
  'guarded',
  'senders',
  'anywhere',
  'sources4',
  'sources6',
  'targets6',
  'lladdrs6',
]);

/** Options of neighbour discovery that carry an Ethernet address, of the length 1 (times eight bytes). */
const SOURCE_LINK_LAYER_ADDRESS = '0x0101';
const TARGET_LINK_LAYER_ADDRESS = '0x0201';

export function guardElements(entry: GuardEntry): readonly Element[] {
  const { mac } = entry;
  const port = quoteString(entry.port);
  const comment = `network ${shortId(entry.networkId)} endpoint ${shortId(entry.endpointId)}`;
  const elements: Element[] = [
    { set: 'guarded', key: port, comment },
    { set: 'senders', key: `${port} . ${mac}`, comment },
  ];
  const { addresses } = entry;
  if (addresses === 'any') return [...elements, { set: 'anywhere', key: `${port} . ${mac}`, comment }];
  const [four, six] = ([4, 6] as const).map((family) => addresses.filter((ip) => familyOf(ip) === family));
  for (const ip of new Set(four)) elements.push({ set: 'sources4', key: `${port} . ${mac} . ${ip}`, comment });
  for (const ip of new Set(six)) {
    elements.push({ set: 'sources6', key: `${port} . ${mac} . ${ip}`, comment });
    elements.push({ set: 'targets6', key: `${port} . 0x${hex(ipBytes(ip))}`, comment });
  }
  if (six?.length === 0) return elements;
  for (const option of [SOURCE_LINK_LAYER_ADDRESS, TARGET_LINK_LAYER_ADDRESS]) {
    elements.push({ set: 'lladdrs6', key: `${port} . ${option}${bare(mac)}`, comment });
  }
  return elements;
}

/**
 * The table without elements. A frame that a port of ours may send is accepted by what it says; what is left over is
 * dropped if it comes from such a port, and the port's own element counts it. So a frame of a well-behaved container costs
 * one look-up, and one of somebody else's bridge a few.
 */
export function guardRulesetText(): string {
  return `add table ${GUARD_TABLE}
table ${GUARD_TABLE} {
  comment "managed by fairway: changes made here are lost"

  # Ports that send nothing but what is listed below; each element counts what was dropped.
  set guarded { type ifname; counter; }
  # Port and Ethernet address; those whose IP addresses are not known; those with an IP address.
  set senders { type ifname . ether_addr; }
  set anywhere { type ifname . ether_addr; }
  set sources4 { type ifname . ether_addr . ipv4_addr; }
  set sources6 { type ifname . ether_addr . ipv6_addr; }
  # Port and target of neighbour discovery; port and link-layer option (type, length, Ethernet address).
  set targets6 { typeof iifname . @th,64,128; }
  set lladdrs6 { typeof iifname . @th,192,64; }

  # Frames of other nodes were looked at there. Only IPv4, ARP and IPv6: a second VLAN tag would hide the rest from us and
  # not from the receiver.
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname . ether saddr . ip saddr @sources4 accept
    iifname "vx-*" accept
    ether type ip6 jump six
    ether type arp iifname . ether saddr @senders iifname . arp saddr ether . arp saddr ip @sources4 accept
    ether type arp iifname . ether saddr @senders arp operation request iifname . arp saddr ether @senders arp saddr ip 0.0.0.0 accept
    iifname . ether saddr @anywhere jump anywhere
    iifname @guarded drop
  }
  chain anywhere {
    icmpv6 type { nd-router-advert, nd-redirect } return
    ether type { ip, ip6, arp } accept
  }
  chain six {
    iifname . ether saddr . ip6 saddr @sources6 goto own6
    ip6 saddr :: iifname . ether saddr @senders meta l4proto ipv6-icmp goto unspecified6
  }
  # Nobody here is a router, and a neighbour speaks of its own addresses. Messages with further options or headers, behind
  # which others could hide, are not what a kernel sends.
  chain own6 {
    meta l4proto != ipv6-icmp accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, nd-redirect } goto discovery6
    accept
  }
  chain discovery6 {
    ip6 nexthdr ipv6-icmp icmpv6 type nd-neighbor-solicit ip6 length 24 accept
    ip6 nexthdr ipv6-icmp icmpv6 type nd-neighbor-solicit ip6 length 32 iifname . @th,192,64 @lladdrs6 accept
    ip6 nexthdr ipv6-icmp icmpv6 type nd-neighbor-advert ip6 length 24 iifname . @th,64,128 @targets6 accept
    ip6 nexthdr ipv6-icmp icmpv6 type nd-neighbor-advert ip6 length 32 iifname . @th,64,128 @targets6 iifname . @th,192,64 @lladdrs6 accept
    iifname @guarded drop
  }
  # Before it has an address: is it free (of its own only), who listens, where is a router.
  chain unspecified6 {
    ip6 nexthdr ipv6-icmp icmpv6 type nd-neighbor-solicit iifname . @th,64,128 @targets6 accept
    icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report, nd-router-solicit } accept
  }
}
`;
}

/** Reads nft's JSON of the set `guarded`. */
export function readSpoofedFrames(json: unknown): readonly SpoofedFrames[] {
  const { nftables = [] } = json as { readonly nftables?: readonly { readonly set?: { readonly elem?: unknown } }[] };
  const elements = nftables.flatMap(({ set }) => (Array.isArray(set?.elem) ? (set.elem as readonly unknown[]) : []));
  return elements.flatMap((element) => {
    const { elem } = element as {
      readonly elem?: { readonly val?: unknown; readonly counter?: { packets?: unknown } };
    };
    if (typeof elem?.val !== 'string') return [];
    return [{ port: elem.val, packets: Number(elem.counter?.packets ?? 0) }];
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function bare(mac: Mac): string {
  return mac.replaceAll(':', '');
}
