import { familyOf, type Ip, invalid, ipBytes, type Mac, macBytes } from '../base/index.ts';
import {
  AF_PACKET,
  ETH_P_ARP,
  ETH_P_IPV6,
  IPPROTO_ICMPV6,
  openSocket,
  packetAddress,
  SOCK_RAW,
  sendDatagramTo,
} from './ffi/index.ts';
import { type NetnsHandle, runInNetns } from './netns/index.ts';

const BROADCAST = new Uint8Array(6).fill(0xff);
/** All nodes: 33:33:00:00:00:01 and ff02::1. */
const ALL_NODES_MAC = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const NEIGHBOUR_ADVERTISEMENT = 136;
const OVERRIDE = 0x20;

/**
 * Tells the link that `ip` is at `mac`, so that neighbours which knew it elsewhere look anew. The link must be up, and
 * must have been noticed to be: the kernel activates a link some moments after its carrier comes (operState 6), and
 * drops silently what is sent before.
 */
export function sendGratuitousArp(ns: NetnsHandle | undefined, linkIndex: number, mac: Mac, ip: Ip): void {
  sendFrame(ns, { linkIndex, etherType: ETH_P_ARP, target: BROADCAST, frame: gratuitousArpFrame(mac, ip) });
}

/** The same for IPv6: an unsolicited neighbour advertisement to all nodes. */
export function sendUnsolicitedNa(ns: NetnsHandle | undefined, linkIndex: number, mac: Mac, ip: Ip): void {
  sendFrame(ns, { linkIndex, etherType: ETH_P_IPV6, target: ALL_NODES_MAC, frame: neighbourAdvertisement(mac, ip) });
}

interface Frame {
  readonly linkIndex: number;
  readonly etherType: number;
  readonly target: Uint8Array;
  readonly frame: Uint8Array;
}

function sendFrame(ns: NetnsHandle | undefined, out: Frame): void {
  const send = (): void => {
    // Protocol 0: the socket only sends, so the kernel queues nothing on it.
    using socket = openSocket(AF_PACKET, SOCK_RAW, 0);
    sendDatagramTo(socket.fd, out.frame, packetAddress(out.linkIndex, out.etherType, out.target));
  };
  if (ns === undefined) send();
  else runInNetns(ns, send);
}

/** An ARP request for our own address, from ourselves, to everybody. */
export function gratuitousArpFrame(mac: Mac, ip: Ip): Uint8Array {
  if (familyOf(ip) !== 4) throw invalid('invalid_ip', `cannot announce ${ip} by ARP: it is not an IPv4 address`);
  const sender = macBytes(mac);
  const address = ipBytes(ip);
  return Uint8Array.from([
    ...ethernet(BROADCAST, sender, ETH_P_ARP),
    // Ethernet, IPv4, address lengths, request.
    ...[0, 1, 8, 0, 6, 4, 0, 1],
    ...[...sender, ...address],
    ...[...new Uint8Array(6), ...address],
  ]);
}

export function neighbourAdvertisement(mac: Mac, ip: Ip): Uint8Array {
  if (familyOf(ip) !== 6) throw invalid('invalid_ip', `cannot announce ${ip} by NA: it is not an IPv6 address`);
  const sender = macBytes(mac);
  const address = ipBytes(ip);
  // Override flag; one option: target link-layer address, length 1 (times eight bytes).
  const icmp = Uint8Array.from([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0, ...address, 2, 1, ...sender]);
  const sum = icmpv6Checksum(address, ALL_NODES, icmp);
  icmp[2] = sum >> 8;
  icmp[3] = sum & 0xff;
  return Uint8Array.from([
    ...ethernet(ALL_NODES_MAC, sender, ETH_P_IPV6),
    // Version 6; hop limit 255, or receivers ignore it.
    ...[0x60, 0, 0, 0, 0, icmp.length, IPPROTO_ICMPV6, 255],
    ...[...address, ...ALL_NODES],
    ...icmp,
  ]);
}

function ethernet(target: Uint8Array, source: Uint8Array, type: number): number[] {
  return [...target, ...source, type >> 8, type & 0xff];
}

function icmpv6Checksum(source: Uint8Array, target: Uint8Array, icmp: Uint8Array): number {
  const pseudo = Uint8Array.from([...source, ...target, 0, 0, 0, icmp.length, 0, 0, 0, IPPROTO_ICMPV6, ...icmp]);
  let sum = 0;
  for (let at = 0; at < pseudo.length; at += 2) sum += ((pseudo[at] ?? 0) << 8) | (pseudo[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
