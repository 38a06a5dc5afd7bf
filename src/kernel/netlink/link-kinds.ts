import { familyOf, type Ip, ipBytes, type Mac, macBytes } from '../../base/index.ts';
import type { NetnsHandle } from '../netns/index.ts';
import { uapi as c, type MessageWriter, pack } from './core/index.ts';
import {
  IPVLAN_FLAGS,
  IPVLAN_MODES,
  type IpvlanFlag,
  type IpvlanMode,
  MACVLAN_MODES,
  type MacvlanMode,
} from './link-modes.ts';

export type { IpvlanFlag, IpvlanMode, MacvlanMode } from './link-modes.ts';

/** What every kind takes. Absent means the kernel's default. */
export interface LinkSpec {
  readonly name: string;
  readonly mtu?: number | undefined;
  readonly mac?: Mac | undefined;
  /** Makes it a port of this bridge or VRF. */
  readonly masterIndex?: number | undefined;
  readonly group?: number | undefined;
  readonly txQueueLength?: number | undefined;
  /** Made in this namespace at once, instead of in that of the socket. */
  readonly targetNetns?: NetnsHandle | undefined;
}

export interface BridgeSpec extends LinkSpec {
  readonly vlanFiltering?: boolean | undefined;
  readonly vlanDefaultPvid?: number | undefined;
  readonly multicastSnooping?: boolean | undefined;
}

export interface VethSpec extends LinkSpec {
  readonly peerName: string;
  readonly peerNetns?: NetnsHandle | undefined;
  readonly peerMac?: Mac | undefined;
  /** Defaults to `mtu`. */
  readonly peerMtu?: number | undefined;
}

export interface MacvlanSpec extends LinkSpec {
  readonly parentIndex: number;
  readonly mode: MacvlanMode;
}

export interface IpvlanSpec extends LinkSpec {
  readonly parentIndex: number;
  readonly mode: IpvlanMode;
  readonly flag?: IpvlanFlag | undefined;
}

export interface VlanSpec extends LinkSpec {
  readonly parentIndex: number;
  /** 1 to 4094. */
  readonly id: number;
}

export interface VrfSpec extends LinkSpec {
  readonly table: number;
}

export interface VxlanSpec extends LinkSpec {
  /** 24 bits. */
  readonly vni: number;
  /** UDP port; the kernel's own default is 8472, not the assigned 4789. */
  readonly port?: number | undefined;
  readonly local?: Ip | undefined;
  /** A remote peer or a multicast group. */
  readonly remote?: Ip | undefined;
  readonly parentIndex?: number | undefined;
  readonly learning?: boolean | undefined;
  /** Answers ARP and neighbour solicitations from the neighbour table. */
  readonly proxy?: boolean | undefined;
  readonly l2Miss?: boolean | undefined;
  readonly l3Miss?: boolean | undefined;
  readonly ttl?: number | undefined;
  readonly udpChecksum?: boolean | undefined;
}

/** struct ifinfomsg. */
export function linkHeader(family: number, index: number, flags = 0, change = 0): Uint8Array {
  return pack([1, family], [1, 0], [2, 0], [4, index], [4, flags], [4, change]);
}

/** A request to create a link of `kind`; `data` appends the attributes of the kind. */
export function createLinkMessage(
  write: MessageWriter,
  kind: string,
  spec: LinkSpec,
  data?: () => void,
): MessageWriter {
  write.raw(linkHeader(0, 0)).text(c.IFLA_IFNAME, spec.name);
  commonAttributes(write, spec);
  if (spec.masterIndex !== undefined) write.u32(c.IFLA_MASTER, spec.masterIndex);
  if (spec.group !== undefined) write.u32(c.IFLA_GROUP, spec.group);
  if (spec.txQueueLength !== undefined) write.u32(c.IFLA_TXQLEN, spec.txQueueLength);
  if ('parentIndex' in spec && typeof spec.parentIndex === 'number' && kind !== 'vxlan') {
    write.u32(c.IFLA_LINK, spec.parentIndex);
  }
  return write.nest(c.IFLA_LINKINFO, () => {
    write.text(c.IFLA_INFO_KIND, kind);
    if (data !== undefined) write.nest(c.IFLA_INFO_DATA, data);
  });
}

function commonAttributes(write: MessageWriter, spec: Pick<LinkSpec, 'mtu' | 'mac' | 'targetNetns'>): void {
  if (spec.mtu !== undefined) write.u32(c.IFLA_MTU, spec.mtu);
  if (spec.mac !== undefined) write.bytes(c.IFLA_ADDRESS, macBytes(spec.mac));
  if (spec.targetNetns !== undefined) write.u32(c.IFLA_NET_NS_FD, spec.targetNetns.fd);
}

export function bridgeData(write: MessageWriter, spec: BridgeSpec): void {
  if (spec.vlanFiltering !== undefined) write.u8(c.IFLA_BR_VLAN_FILTERING, Number(spec.vlanFiltering));
  if (spec.vlanDefaultPvid !== undefined) write.u16(c.IFLA_BR_VLAN_DEFAULT_PVID, spec.vlanDefaultPvid);
  if (spec.multicastSnooping !== undefined) write.u8(c.IFLA_BR_MCAST_SNOOPING, Number(spec.multicastSnooping));
}

/** The peer's own header and attributes stand inside the data of the first end. */
export function vethData(write: MessageWriter, spec: VethSpec): void {
  write.nest(c.VETH_INFO_PEER, () => {
    write.raw(linkHeader(0, 0)).text(c.IFLA_IFNAME, spec.peerName);
    commonAttributes(write, { mtu: spec.peerMtu ?? spec.mtu, mac: spec.peerMac, targetNetns: spec.peerNetns });
    if (spec.txQueueLength !== undefined) write.u32(c.IFLA_TXQLEN, spec.txQueueLength);
  });
}

export function macvlanData(write: MessageWriter, spec: MacvlanSpec): void {
  write.u32(c.IFLA_MACVLAN_MODE, MACVLAN_MODES[spec.mode]);
}

export function ipvlanData(write: MessageWriter, spec: IpvlanSpec): void {
  write.u16(c.IFLA_IPVLAN_MODE, IPVLAN_MODES[spec.mode]);
  if (spec.flag !== undefined) write.u16(c.IFLA_IPVLAN_FLAGS, IPVLAN_FLAGS[spec.flag]);
}

export function vlanData(write: MessageWriter, spec: VlanSpec): void {
  write.u16(c.IFLA_VLAN_ID, spec.id);
}

export function vrfData(write: MessageWriter, spec: VrfSpec): void {
  write.u32(c.IFLA_VRF_TABLE, spec.table);
}

export function vxlanData(write: MessageWriter, spec: VxlanSpec): void {
  write.u32(c.IFLA_VXLAN_ID, spec.vni);
  if (spec.parentIndex !== undefined) write.u32(c.IFLA_VXLAN_LINK, spec.parentIndex);
  if (spec.port !== undefined) write.u16be(c.IFLA_VXLAN_PORT, spec.port);
  ipByFamily(write, spec.local, c.IFLA_VXLAN_LOCAL, c.IFLA_VXLAN_LOCAL6);
  ipByFamily(write, spec.remote, c.IFLA_VXLAN_GROUP, c.IFLA_VXLAN_GROUP6);
  if (spec.ttl !== undefined) write.u8(c.IFLA_VXLAN_TTL, spec.ttl);
  flag(write, c.IFLA_VXLAN_LEARNING, spec.learning);
  flag(write, c.IFLA_VXLAN_PROXY, spec.proxy);
  flag(write, c.IFLA_VXLAN_L2MISS, spec.l2Miss);
  flag(write, c.IFLA_VXLAN_L3MISS, spec.l3Miss);
  flag(write, c.IFLA_VXLAN_UDP_CSUM, spec.udpChecksum);
}

export function vxlanLocalMessage(write: MessageWriter, index: number, local: Ip): MessageWriter {
  return write.raw(linkHeader(0, index)).nest(c.IFLA_LINKINFO, () => {
    write.text(c.IFLA_INFO_KIND, 'vxlan');
    write.nest(c.IFLA_INFO_DATA, () => ipByFamily(write, local, c.IFLA_VXLAN_LOCAL, c.IFLA_VXLAN_LOCAL6));
  });
}

function flag(write: MessageWriter, type: number, value: boolean | undefined): void {
  if (value !== undefined) write.u8(type, Number(value));
}

function ipByFamily(write: MessageWriter, ip: Ip | undefined, four: number, six: number): void {
  if (ip !== undefined) write.bytes(familyOf(ip) === 4 ? four : six, ipBytes(ip));
}
