import { type Ip, ipFromBytes, type Mac, macFromBytes } from '../../base/index.ts';
import {
  type Attributes,
  uapi as c,
  listAttributes,
  type Message,
  readAttributes,
  textOf,
  viewOf,
} from './core/index.ts';
import { ipvlanModeOf, macvlanModeOf } from './link-modes.ts';

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `bridge`, `veth`, `macvlan`, …; empty for a physical device and loopback. */
  readonly kind: string;
  readonly flags: { readonly up: boolean; readonly lowerUp: boolean; readonly loopback: boolean };
  readonly mtu: number;
  /** Undefined for links without an Ethernet address (tunnels). */
  readonly mac: Mac | undefined;
  readonly masterIndex: number | undefined;
  /** The other end of a veth, or the parent of a macvlan, ipvlan or VLAN; counted in {@link peerNetnsId}, if set. */
  readonly peerIndex: number | undefined;
  readonly peerNetnsId: number | undefined;
  readonly alias: string | undefined;
  readonly group: number;
  readonly altNames: readonly string[];
  /** IF_OPER_*: 6 is up, 2 down, 7 for links that do not tell (loopback: 0). */
  readonly operState: number;
  readonly details: LinkDetails;
  /** Present in the answer to `get` and `statistics`, not in lists. */
  readonly statistics: LinkStatistics | undefined;
}

/** What the kinds say of themselves, as far as anybody here asks. */
export interface LinkDetails {
  readonly vlanId?: number;
  readonly macvlanMode?: string;
  readonly ipvlanMode?: string;
  readonly vni?: number;
  /** Of a VXLAN link: its UDP port, and where its packets come from. */
  readonly port?: number;
  readonly local?: Ip | undefined;
  readonly vlanFiltering?: boolean;
  readonly isolated?: boolean;
  readonly hairpin?: boolean;
  /** Of a bridge's port. */
  readonly learning?: boolean;
  readonly unicastFlood?: boolean;
}

export interface LinkStatistics {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

const IFINFOMSG_LENGTH = 16;

/** Reads an RTM_NEWLINK or RTM_DELLINK. */
export function decodeLink({ body }: Message): Link {
  const view = viewOf(body);
  const flags = view.getUint32(8, true);
  const attributes = readAttributes(body, IFINFOMSG_LENGTH);
  const info = attributes.nested(c.IFLA_LINKINFO);
  const mac = attributes.bytes(c.IFLA_ADDRESS);
  return {
    index: view.getInt32(4, true),
    name: attributes.text(c.IFLA_IFNAME) ?? '',
    kind: info?.text(c.IFLA_INFO_KIND) ?? '',
    flags: {
      up: (flags & c.IFF_UP) !== 0,
      lowerUp: (flags & c.IFF_LOWER_UP) !== 0,
      loopback: (flags & c.IFF_LOOPBACK) !== 0,
    },
    mtu: attributes.u32(c.IFLA_MTU) ?? 0,
    mac: mac?.length === 6 ? macFromBytes(mac) : undefined,
    masterIndex: attributes.u32(c.IFLA_MASTER),
    peerIndex: attributes.u32(c.IFLA_LINK) || undefined,
    peerNetnsId: attributes.i32(c.IFLA_LINK_NETNSID),
    alias: attributes.text(c.IFLA_IFALIAS),
    group: attributes.u32(c.IFLA_GROUP) ?? 0,
    altNames: altNamesOf(attributes.bytes(c.IFLA_PROP_LIST)),
    operState: attributes.u8(c.IFLA_OPERSTATE) ?? 0,
    details: detailsOf(info),
    statistics: statisticsOf(attributes.bytes(c.IFLA_STATS64)),
  };
}

function altNamesOf(properties: Uint8Array | undefined): string[] {
  if (properties === undefined) return [];
  return listAttributes(properties).flatMap(([type, value]) => (type === c.IFLA_ALT_IFNAME ? [textOf(value)] : []));
}

function detailsOf(info: Attributes | undefined): LinkDetails {
  const own = kindDetails(info?.text(c.IFLA_INFO_KIND), info?.nested(c.IFLA_INFO_DATA));
  if (info?.text(c.IFLA_INFO_SLAVE_KIND) !== 'bridge') return own;
  const port = info.nested(c.IFLA_INFO_SLAVE_DATA);
  return {
    ...own,
    isolated: port?.u8(c.IFLA_BRPORT_ISOLATED) === 1,
    hairpin: port?.u8(c.IFLA_BRPORT_MODE) === 1,
    learning: port?.u8(c.IFLA_BRPORT_LEARNING) === 1,
    unicastFlood: port?.u8(c.IFLA_BRPORT_UNICAST_FLOOD) === 1,
  };
}

/** All zero: the kernel chooses. */
function localOf(bytes: Uint8Array | undefined): Ip | undefined {
  return bytes?.some((byte) => byte !== 0) ? ipFromBytes(bytes) : undefined;
}

function kindDetails(kind: string | undefined, data: Attributes | undefined): LinkDetails {
  if (data === undefined) return {};
  switch (kind) {
    case 'vlan':
      return { vlanId: data.u16(c.IFLA_VLAN_ID) ?? 0 };
    case 'macvlan':
      return { macvlanMode: macvlanModeOf(data.u32(c.IFLA_MACVLAN_MODE) ?? 0) };
    case 'ipvlan':
      return { ipvlanMode: ipvlanModeOf(data.u16(c.IFLA_IPVLAN_MODE) ?? 0) };
    case 'vxlan':
      return {
        vni: data.u32(c.IFLA_VXLAN_ID) ?? 0,
        port: data.u16be(c.IFLA_VXLAN_PORT) ?? 0,
        local: localOf(data.bytes(c.IFLA_VXLAN_LOCAL) ?? data.bytes(c.IFLA_VXLAN_LOCAL6)),
      };
    case 'bridge':
      return { vlanFiltering: data.u8(c.IFLA_BR_VLAN_FILTERING) === 1 };
    default:
      return {};
  }
}

/** struct rtnl_link_stats64. Counters beyond 2^53 lose their lowest bits. */
function statisticsOf(bytes: Uint8Array | undefined): LinkStatistics | undefined {
  if (bytes === undefined || bytes.length < 64) return undefined;
  const view = viewOf(bytes);
  const at = (index: number): number => Number(view.getBigUint64(index * 8, true));
  return {
    rxPackets: at(0),
    txPackets: at(1),
    rxBytes: at(2),
    txBytes: at(3),
    rxErrors: at(4),
    txErrors: at(5),
    rxDropped: at(6),
    txDropped: at(7),
  };
}
