import type { IpFamily } from '../../base/index.ts';
import { GUARD_SETS, GUARD_TABLE, type GuardSetName, guardRulesetText } from './guard.ts';

/** The tables we own. Nothing outside them is ever touched. */
export const TABLE = 'inet fairway';
export const TABLES: readonly string[] = [TABLE, GUARD_TABLE];

/**
 * Every set and map, by what a key means. A published port, a bridge or a link is an element of them; the rules below
 * never change. Names that end in a digit exist once for each family.
 */
export type SetName =
  | 'bridges'
  | `${'same' | 'outward' | 'enter' | 'trusted' | 'inside' | 'masquerade' | 'snat' | 'open' | 'links'}${IpFamily}`
  | `beyond${IpFamily}`
  | `${'specific' | 'wildcard'}${IpFamily}`
  | `nodes${IpFamily}`
  | 'dataPorts'
  | 'encryptedPorts'
  | 'secluded'
  | 'local4'
  | GuardSetName;

export function tableOf(set: SetName): string {
  return GUARD_SETS.has(set) ? GUARD_TABLE : TABLE;
}

/** Both tables without elements: working, empty rules. */
export function rulesetText(options: RulesetOptions = {}): string {
  return `${packetRulesetText(options)}${guardRulesetText()}`;
}

export interface RulesetOptions {
  /** What the rules have seen is stamped, for a second table to pass ({@link Seal}). */
  readonly stamps?: boolean;
  /**
   * Published ports are translated for the host itself and for containers alone. What comes from elsewhere goes the way of
   * every packet to this host, past its input chains, to the process that holds the port.
   */
  readonly respectHostFirewall?: boolean;
}

/** The bit of a connection's label (128 of them, which hardly anybody uses) that says: these rules were there. */
export const STAMP = 113;

/** A place for rules of the operator's own, seen by every forwarded packet before ours. Made where it is missing, never changed. */
export const USER_TABLE = 'inet fairway_user';

export function renderUserTable(): string {
  return `add table ${USER_TABLE}
add chain ${USER_TABLE} forward { type filter hook forward priority filter - 10; policy accept; }
`;
}

/**
 * The table of packets, without elements.
 *
 * An operator's own rules go into {@link USER_TABLE} or a table of their own: what they drop before our chain stays
 * dropped (after DNAT; the address a client dialled is `ct original ip daddr`).
 */
function packetRulesetText({ respectHostFirewall = false, stamps = false }: RulesetOptions): string {
  return `add table ${TABLE}
table ${TABLE} {
  comment "managed by fairway: changes made here are lost"

  # Every bridge, and those that do not lead to the host itself.
  set bridges { type ifname; }
  set secluded { type ifname; }

  # UDP ports to which the cluster's nodes send the frames of overlay networks, and the nodes' addresses.
  set dataPorts { type inet_service; }
  set nodes4 { type ipv4_addr; }
  set nodes6 { type ipv6_addr; }
  # Those of them that are of encrypted networks: packets go by IPsec or not at all, whatever becomes of its policies.
  set encryptedPorts { type inet_service; }

  # Ports published on an IPv4 loopback address.
  set local4 { type ipv4_addr . inet_proto . inet_service; }
${setsText(4)}
${setsText(6)}

  # Before connection tracking: 127.0.0.0/8 belongs to the host. The kernel drops such packets as martians except where
  # route_localnet is on, as it is for our bridges, and for whoever is on the same link as a host that has it on.
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    ip daddr 127.0.0.0/8 jump guard_local
    ip saddr 127.0.0.0/8 iifname @bridges drop
    udp dport @dataPorts jump from_nodes
  }
  chain guard_local {
    iifname "lo" accept
    iifname @bridges drop
    ip daddr . meta l4proto . th dport @local4 drop
  }

  # The kernel takes frames of overlay networks from anybody: only nodes may send them. They are no flows: connection
  # tracking would have an entry for each, and no use of it.
  chain from_nodes {
    ip saddr @nodes4 notrack accept
    ip6 saddr @nodes6 notrack accept
    iifname "lo" accept
    fib daddr type local drop
  }
  chain send {
    type filter hook output priority raw; policy accept;
    udp dport @dataPorts goto from_host
  }
  chain from_host {
    ip daddr @nodes4 notrack
    ip6 daddr @nodes6 notrack
    udp dport @encryptedPorts rt ipsec missing drop
  }

  chain input {
    type filter hook input priority filter; policy accept;
    iifname @secluded goto seclude
    udp dport @encryptedPorts meta secpath missing drop
  }
  # Who asks for a neighbour is answered for those on other hosts, where the bridge stands in for them: no other address.
  chain seclude {
    icmpv6 type nd-neighbor-solicit accept
    drop
  }

  # An address of the host and a port lead to a container: for packets that arrive, and for the host's own. The kernel
  # routes nothing from ::1 to another link, so that is left to whoever listens there.
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ${respectHostFirewall ? 'iifname @bridges ' : ''}jump published
  }
  chain output {
    type nat hook output priority -100; policy accept;
    jump published
  }
  chain published {
    ip6 daddr ::1 return
    dnat ip to ip daddr . meta l4proto . th dport map @specific4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @specific6
    fib daddr type != local return
    dnat ip to meta l4proto . th dport map @wildcard4
    dnat ip6 to meta l4proto . th dport map @wildcard6
  }

  # What leaves a bridge, and what the host itself sends into one; what comes from elsewhere keeps its source. Only here are
  # ranges looked up, which costs five times what a name does.
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname @bridges goto leave
    meta iif != 0 accept
    oifname @bridges jump arrive
  }
  chain leave {
    oifname @bridges jump arrive
    iifname . ip saddr @masquerade4 masquerade
    iifname . ip6 saddr @masquerade6 masquerade
    snat ip to iifname . ip saddr map @snat4
    snat ip6 to iifname . ip6 saddr map @snat6
  }
  # A container that reaches itself or a neighbour through the host's address must be answered through the host, and
  # nobody can answer a loopback address. This goes by address: where bridge-nf-call-iptables is on, a packet that was
  # translated back onto its bridge has no iif here.
  chain arrive {
    oifname . ip saddr @inside4 jump stay
    oifname . ip6 saddr @inside6 jump stay
    ip saddr 127.0.0.0/8 ct status dnat masquerade
  }
  chain stay {
    ct status dnat masquerade
    accept
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established accept${stamps ? STAMPING : ''}
    ct state related accept
    udp dport @dataPorts jump to_nodes
    meta nfproto vmap { ipv4 : jump forward4, ipv6 : jump forward6 }
  }
  # With the address of this host a container could speak to other nodes as if it were one.
  chain to_nodes {
    ip daddr @nodes4 drop
    ip6 daddr @nodes6 drop
  }
${chainsText(4)}
${chainsText(6)}
}
`;
}

/** First of all, so that each way through the chain leads past it: what is dropped later goes nowhere with its stamp. */
const STAMPING = `
    iifname @bridges ct label set ${STAMP}
    oifname @bridges ct label set ${STAMP}`;

function setsText(family: IpFamily): string {
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return `
  # IPv${family}: host address and port, or any host address and port, to container address and port.
  map specific${family} { type ${address} . inet_proto . inet_service : ${address} . inet_service; }
  map wildcard${family} { type inet_proto . inet_service : ${address} . inet_service; }
  # IPv${family}: what is at home on a bridge, and how a source leaves it.
  set inside${family} { type ifname . ${address}; flags interval; }
  set masquerade${family} { type ifname . ${address}; flags interval; }
  map snat${family} { type ifname . ${address} : ${address}; flags interval; }
  # IPv${family}: from a bridge to itself, out of a bridge, into a bridge.
  map same${family} { type ifname . ifname : verdict; }
  set outward${family} { type ifname; }
  map enter${family} { type ifname : verdict; }
  # IPv${family}: exceptions. Interface that may enter a bridge, open container ports, links where icc is off.
  set trusted${family} { type ifname . ifname; }
  # IPv${family}: bridge, link of the host, and addresses behind that link that are of the same network.
  set beyond${family} { type ifname . ifname . ${address}; flags interval; }
  set open${family} { type ${address} . inet_proto . inet_service; }
  set links${family} { type ${address} . ${address} . inet_proto . inet_service; }`;
}

function chainsText(family: IpFamily): string {
  const ip = family === 4 ? 'ip' : 'ip6';
  const icmp = family === 4 ? 'icmp' : 'ipv6-icmp';
  return `
  # IPv${family}. A bridge that has no entry for the family is closed.
  chain forward${family} {
    iifname . oifname vmap @same${family}
    iifname @bridges iifname != @outward${family} goto shut${family}
    oifname vmap @enter${family}
    oifname @bridges drop
  }
  # Out of a closed bridge, and into one, only what is of the same network.
  chain shut${family} {
    iifname . oifname . ${ip} daddr @beyond${family} accept
    drop
  }
  chain behind${family} {
    oifname . iifname . ${ip} saddr @beyond${family} accept
    drop
  }
  # icc is off.
  chain closed${family} {
    ct status dnat accept
    ${ip} saddr . ${ip} daddr . meta l4proto . th dport @links${family} accept
    drop
  }
  # Gateway mode nat: only what was published.
  chain protected${family} {
    ct status dnat accept
    iifname . oifname @trusted${family} accept
    drop
  }
  # Gateway mode nat-unprotected: everything, except from other bridges.
  chain unprotected${family} {
    iifname != @bridges accept
    jump protected${family}
  }
  # Gateway mode routed: open ports and ICMP.
  chain routed${family} {
    ${ip} daddr . meta l4proto . th dport @open${family} accept
    meta l4proto ${icmp} accept
    jump protected${family}
  }`;
}
