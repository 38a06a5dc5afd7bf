import { type Ip, invalid, type Mac, macBytes } from '../../base/index.ts';
import { AF_INET, AF_INET6, isErrno } from '../ffi/index.ts';
import type { NetnsHandle } from '../netns/index.ts';
import { type BridgePortSettings, bridgePortMessage } from './bridge-port.ts';
import { uapi as c, MessageWriter, NetlinkError, NetlinkSocket } from './core/index.ts';
import { decodeLink, type Link, type LinkStatistics } from './link-decode.ts';
import * as kinds from './link-kinds.ts';

/** What {@link Links.set} changes; absent stays as it is. */
export interface LinkChange {
  readonly up?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly mac?: Mac | undefined;
  readonly name?: string | undefined;
  /** 0 releases it from its bridge. */
  readonly masterIndex?: number | undefined;
  /** Moves it; its index may change and its addresses are gone. */
  readonly netns?: NetnsHandle | undefined;
  readonly alias?: string | undefined;
  readonly group?: number | undefined;
  readonly promiscuous?: boolean | undefined;
  readonly txQueueLength?: number | undefined;
  /** `none`: no link-local address is made when the link comes up. */
  readonly ipv6AddressGeneration?: 'eui64' | 'none' | undefined;
  /** Its IPv4 addresses are announced when it comes up: in a message before the one that brings it up. */
  readonly arpNotify?: boolean | undefined;
}

const CREATE = c.NLM_F_REQUEST | c.NLM_F_ACK | c.NLM_F_CREATE | c.NLM_F_EXCL;
const CHANGE = c.NLM_F_REQUEST | c.NLM_F_ACK;
const MAX_NAME = 15;
/** Index of a master that asks for links without one. */
const NO_MASTER = 0xff_ff_ff_ff;

/** Links of one network namespace. Creating answers with the link as the kernel made it. */
export class Links {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  createBridge(spec: kinds.BridgeSpec): Link {
    return this.#create('bridge', spec, (write) => kinds.bridgeData(write, spec));
  }

  /**
   * Answers with the first end; `peerIndex` is the other end's index in its own namespace. Neither end is up: the kernel
   * refuses that (ENOTCONN) while the pair is being made.
   */
  createVeth(spec: kinds.VethSpec): Link {
    assertName(spec.peerName);
    return this.#create('veth', spec, (write) => kinds.vethData(write, spec));
  }

  createMacvlan(spec: kinds.MacvlanSpec): Link {
    return this.#create('macvlan', spec, (write) => kinds.macvlanData(write, spec));
  }

  createIpvlan(spec: kinds.IpvlanSpec): Link {
    return this.#create('ipvlan', spec, (write) => kinds.ipvlanData(write, spec));
  }

  createVlan(spec: kinds.VlanSpec): Link {
    return this.#create('vlan', spec, (write) => kinds.vlanData(write, spec));
  }

  createDummy(spec: kinds.LinkSpec): Link {
    return this.#create('dummy', spec);
  }

  createVrf(spec: kinds.VrfSpec): Link {
    return this.#create('vrf', spec, (write) => kinds.vrfData(write, spec));
  }

  createVxlan(spec: kinds.VxlanSpec): Link {
    return this.#create('vxlan', spec, (write) => kinds.vxlanData(write, spec));
  }

  /** From where a VXLAN link sends; the kernel refuses (EOPNOTSUPP) an address of the other family. */
  setVxlanLocal(index: number, local: Ip): void {
    const write = new MessageWriter(c.RTM_NEWLINK, CHANGE);
    this.#socket.change(kinds.vxlanLocalMessage(write, index, local), `change VXLAN link ${index}`);
  }

  /** By index, name, or alternative name. */
  get(link: number | string): Link | undefined {
    return getLink(this.#socket, link);
  }

  list(): Link[] {
    return this.#list();
  }

  /** Links that are nobody's ports: in the time of as many, however many ports there are. */
  listWithoutMaster(): readonly Link[] {
    const found = this.#list(NO_MASTER);
    // Loopback at least is one. Before Linux 5.15 the kernel knows of no such question, and no link has this master.
    return found.length > 0 ? found : this.#list().filter(({ masterIndex }) => masterIndex === undefined);
  }

  #list(masterIndex?: number): Link[] {
    const request = (): MessageWriter => {
      const write = new MessageWriter(c.RTM_GETLINK, c.NLM_F_REQUEST | c.NLM_F_DUMP).raw(kinds.linkHeader(0, 0));
      // With a mask the kernel first goes through all links, to see how much each has to say.
      if (masterIndex !== undefined) return write.u32(c.IFLA_MASTER, masterIndex);
      return write.u32(c.IFLA_EXT_MASK, c.RTEXT_FILTER_SKIP_STATS);
    };
    return this.#socket.dump(request, 'list links', (reply) =>
      reply.type === c.RTM_NEWLINK ? decodeLink(reply) : undefined,
    );
  }

  /** Changes everything given in one message; the kernel may have done part of it when it refuses. Many: `RtnlBatch`. */
  set(index: number, change: LinkChange): void {
    if (change.name !== undefined) assertName(change.name);
    this.#socket.change(setLinkMessage(index, change), `change link ${index}`);
  }

  /** The link must be the port of a bridge. */
  setBridgePort(index: number, settings: BridgePortSettings): void {
    const write = new MessageWriter(c.RTM_SETLINK, CHANGE);
    this.#socket.change(bridgePortMessage(write, index, settings), `change bridge port ${index}`);
  }

  /** False when there is no such link. Deleting one end of a veth deletes both and waits for 16 to 20 ms. */
  delete(link: number | string): boolean {
    const write = new MessageWriter(c.RTM_DELLINK, CHANGE);
    if (typeof link === 'number') write.raw(kinds.linkHeader(0, link));
    else named(write.raw(kinds.linkHeader(0, 0)), link);
    return this.#unlessMissing(write, `delete link ${quoted(link)}`);
  }

  /** Deletes all links of a group at once, in the time of one. False when there are none. */
  deleteGroup(group: number): boolean {
    return this.#unlessMissing(deleteGroupMessage(group), deletionOf(group));
  }

  /**
   * {@link deleteGroup} in another thread. They vanish at once; what takes the kernel long comes after that, when it has let go of
   * the lock of links, and only whoever asked waits for it.
   */
  async deleteGroupAside(group: number): Promise<boolean> {
    try {
      await this.#socket.changeAside(deleteGroupMessage(group), deletionOf(group));
      return true;
    } catch (error) {
      if (isErrno(error, 'ENODEV')) return false;
      throw error;
    }
  }

  statistics(link: number | string): LinkStatistics | undefined {
    return this.get(link)?.statistics;
  }

  #create<Spec extends kinds.LinkSpec>(kind: string, spec: Spec, data?: (write: MessageWriter) => void): Link {
    assertName(spec.name);
    const write = new MessageWriter(c.RTM_NEWLINK, CREATE);
    kinds.createLinkMessage(write, kind, spec, data === undefined ? undefined : () => data(write));
    const action = `create ${kind} "${spec.name}"`;
    this.#socket.change(write, action);
    const made = this.#created(spec);
    if (made === undefined) throw new NetlinkError('ENODEV', action, 'it vanished at once');
    return made;
  }

  #created(spec: kinds.LinkSpec): Link | undefined {
    if (spec.targetNetns === undefined) return this.get(spec.name);
    using there = NetlinkSocket.open(0, spec.targetNetns);
    return getLink(there, spec.name);
  }

  #unlessMissing(write: MessageWriter, action: string): boolean {
    try {
      this.#socket.change(write, action);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENODEV')) return false;
      throw error;
    }
  }
}

function deleteGroupMessage(group: number): MessageWriter {
  if (group === 0) throw invalid('invalid_group', 'cannot delete link group 0: every link starts in it');
  return new MessageWriter(c.RTM_DELLINK, CHANGE).raw(kinds.linkHeader(0, 0)).u32(c.IFLA_GROUP, group);
}

function deletionOf(group: number): string {
  return `delete links of group ${group}`;
}

function getLink(socket: NetlinkSocket, link: number | string): Link | undefined {
  const write = new MessageWriter(c.RTM_GETLINK, c.NLM_F_REQUEST);
  if (typeof link === 'number') write.raw(kinds.linkHeader(0, link));
  else named(write.raw(kinds.linkHeader(0, 0)), link);
  return socket.find(write, { action: `get link ${quoted(link)}`, absent: 'ENODEV' }, decodeLink);
}

export function setLinkMessage(index: number, change: LinkChange, requestFlags = CHANGE): MessageWriter {
  let flags = 0;
  let mask = 0;
  const setFlag = (bit: number, value: boolean | undefined): void => {
    if (value === undefined) return;
    mask |= bit;
    if (value) flags |= bit;
  };
  setFlag(c.IFF_UP, change.up);
  setFlag(c.IFF_PROMISC, change.promiscuous);
  const write = new MessageWriter(c.RTM_NEWLINK, requestFlags).raw(kinds.linkHeader(0, index, flags, mask));
  if (change.mtu !== undefined) write.u32(c.IFLA_MTU, change.mtu);
  if (change.mac !== undefined) write.bytes(c.IFLA_ADDRESS, macBytes(change.mac));
  if (change.name !== undefined) write.text(c.IFLA_IFNAME, change.name);
  if (change.masterIndex !== undefined) write.u32(c.IFLA_MASTER, change.masterIndex);
  if (change.netns !== undefined) write.u32(c.IFLA_NET_NS_FD, change.netns.fd);
  if (change.alias !== undefined) write.text(c.IFLA_IFALIAS, change.alias);
  if (change.group !== undefined) write.u32(c.IFLA_GROUP, change.group);
  if (change.txQueueLength !== undefined) write.u32(c.IFLA_TXQLEN, change.txQueueLength);
  familySettings(write, change);
  return write;
}

/** What the address families remember of a link. The kernel sees to it after everything else in the message. */
function familySettings(write: MessageWriter, { ipv6AddressGeneration: generation, arpNotify }: LinkChange): void {
  if (generation === undefined && arpNotify === undefined) return;
  write.nest(c.IFLA_AF_SPEC, () => {
    if (arpNotify !== undefined) {
      write.nest(AF_INET, () => {
        write.nest(c.IFLA_INET_CONF, () => write.u32(c.IPV4_DEVCONF_ARP_NOTIFY, Number(arpNotify)));
      });
    }
    if (generation !== undefined) {
      write.nest(AF_INET6, () => write.u8(c.IFLA_INET6_ADDR_GEN_MODE, generation === 'none' ? 1 : 0));
    }
  });
}

function named(write: MessageWriter, name: string): MessageWriter {
  return write.text(name.length > MAX_NAME ? c.IFLA_ALT_IFNAME : c.IFLA_IFNAME, name);
}

function quoted(link: number | string): string {
  return typeof link === 'number' ? String(link) : `"${link}"`;
}

/** The kernel's rule for names of links. */
export function isLinkName(name: string): boolean {
  return name !== '.' && name !== '..' && Buffer.byteLength(name) <= MAX_NAME && /^[^\s/:\0]+$/.test(name);
}

function assertName(name: string): void {
  if (!isLinkName(name)) throw invalid('invalid_link_name', `invalid link name: ${JSON.stringify(name)}`);
}
