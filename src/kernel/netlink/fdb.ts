import { type Ip, ipBytes, ipFromBytes, type Mac, macBytes, macFromBytes } from '../../base/index.ts';
import { AF_BRIDGE, isErrno } from '../ffi/index.ts';
import {
  uapi as c,
  type Message,
  MessageWriter,
  type NetlinkError,
  type NetlinkSocket,
  pack,
  readAttributes,
  viewOf,
} from './core/index.ts';
import {
  NDMSG_LENGTH,
  NEIGHBOUR_STATES,
  type NeighbourState,
  neighbourHeader,
  neighbourStateOf,
} from './neighbours.ts';

export interface FdbSpec {
  /** A VXLAN link, or a port of a bridge. */
  readonly linkIndex: number;
  /** All zero on a VXLAN link: where unknown and broadcast frames go. */
  readonly mac: Mac;
  /** The remote VTEP, on a VXLAN link. */
  readonly destination?: Ip | undefined;
  readonly vni?: number | undefined;
  readonly port?: number | undefined;
  readonly vlan?: number | undefined;
  /** Into the bridge's table instead of the link's own (which VXLAN links have); `too`: into both, by one message. */
  readonly master?: boolean | 'too' | undefined;
  /** Default `permanent` in the link's own table, static in a bridge's; a bridge learns over `reachable` ones. */
  readonly state?: NeighbourState | undefined;
}

export interface FdbEntry {
  readonly linkIndex: number;
  readonly mac: Mac;
  readonly destination: Ip | undefined;
  readonly vni: number | undefined;
  readonly vlan: number | undefined;
  readonly masterIndex: number | undefined;
  readonly state: NeighbourState | undefined;
  /** In the link's own table, not its bridge's. */
  readonly self: boolean;
}

/** Forwarding entries of bridges and VXLAN links in one network namespace. */
export class Fdb {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Adds one more destination for the address, as the all-zero address of a VXLAN link has several. */
  append(spec: FdbSpec): void {
    this.#write(spec, c.NLM_F_CREATE | c.NLM_F_APPEND);
  }

  /** Adds it, or changes where the address is. */
  replace(spec: FdbSpec): void {
    this.#write(spec, c.NLM_F_CREATE | c.NLM_F_REPLACE);
  }

  /**
   * False when it, or the link, is not there. While a VXLAN address has other destinations, the kernel reports success
   * for one that it does not have.
   */
  remove(spec: FdbSpec): boolean {
    const write = fdbMessage(new MessageWriter(c.RTM_DELNEIGH, c.NLM_F_REQUEST | c.NLM_F_ACK), spec);
    try {
      this.#socket.change(write, `remove forwarding entry ${spec.mac} of link ${spec.linkIndex}`);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENODEV')) return false;
      throw error;
    }
  }

  /**
   * {@link replace} and {@link remove} of many at once. Returns what the kernel refused; removing what is not there is no
   * failure.
   */
  changeAll(change: {
    readonly set?: readonly FdbSpec[];
    readonly remove?: readonly FdbSpec[];
  }): readonly NetlinkError[] {
    const { set = [], remove = [] } = change;
    const replace = c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_REPLACE;
    const failures = this.#socket.changeAll(
      [
        ...remove.map((spec) => fdbMessage(new MessageWriter(c.RTM_DELNEIGH, c.NLM_F_REQUEST), spec)),
        ...set.map((spec) => fdbMessage(new MessageWriter(c.RTM_NEWNEIGH, replace), spec)),
      ],
      `change ${remove.length + set.length} forwarding entries`,
    );
    return failures
      .filter(({ index, error }) => index >= remove.length || !isErrno(error, 'ENOENT'))
      .map(({ error }) => error);
  }

  /** Of all links, or of one: asked of the kernel, so that others cost nothing. */
  list(linkIndex = 0): FdbEntry[] {
    const request = (): MessageWriter =>
      new MessageWriter(c.RTM_GETNEIGH, c.NLM_F_REQUEST | c.NLM_F_DUMP).raw(
        neighbourHeader({ family: AF_BRIDGE, linkIndex }),
      );
    const found = this.#socket.dump(request, 'list forwarding entries', (reply) =>
      reply.type === c.RTM_NEWNEIGH ? decodeFdb(reply) : undefined,
    );
    // Older kernels give entries of other ports of the same bridge.
    return linkIndex === 0 ? found : found.filter((entry) => entry.linkIndex === linkIndex);
  }

  #write(spec: FdbSpec, flags: number): void {
    const write = new MessageWriter(c.RTM_NEWNEIGH, c.NLM_F_REQUEST | c.NLM_F_ACK | flags);
    this.#socket.change(fdbMessage(write, spec), `set forwarding entry ${spec.mac} of link ${spec.linkIndex}`);
  }
}

const { noarp, permanent, reachable } = NEIGHBOUR_STATES;
/**
 * NUD_NOARP says static to a bridge, where NUD_PERMANENT would say local to the bridge itself. A VXLAN link wants
 * NUD_PERMANENT or NUD_REACHABLE, and forgets nothing that has NUD_NOARP.
 */
const STATES = { self: permanent, master: noarp, both: noarp | reachable } as const;
const TABLES = { self: c.NTF_SELF, master: c.NTF_MASTER, both: c.NTF_SELF | c.NTF_MASTER } as const;

export function fdbMessage(write: MessageWriter, spec: FdbSpec): MessageWriter {
  const where = spec.master === 'too' ? 'both' : spec.master === true ? 'master' : 'self';
  write.raw(
    neighbourHeader({
      family: AF_BRIDGE,
      linkIndex: spec.linkIndex,
      state: spec.state === undefined ? STATES[where] : NEIGHBOUR_STATES[spec.state],
      flags: TABLES[where],
    }),
  );
  write.bytes(c.NDA_LLADDR, macBytes(spec.mac));
  if (spec.destination !== undefined) write.bytes(c.NDA_DST, ipBytes(spec.destination));
  if (spec.vni !== undefined) write.u32(c.NDA_VNI, spec.vni);
  if (spec.port !== undefined) write.u16be(c.NDA_PORT, spec.port);
  if (spec.vlan !== undefined) write.bytes(c.NDA_VLAN, pack([2, spec.vlan]));
  return write;
}

/** Reads an RTM_NEWNEIGH or RTM_DELNEIGH of the bridge family. */
export function decodeFdb({ body }: Message): FdbEntry | undefined {
  const view = viewOf(body);
  const attributes = readAttributes(body, NDMSG_LENGTH);
  const mac = attributes.bytes(c.NDA_LLADDR);
  if (view.getUint8(0) !== AF_BRIDGE || mac === undefined) return undefined;
  const destination = attributes.bytes(c.NDA_DST);
  return {
    linkIndex: view.getInt32(4, true),
    mac: macFromBytes(mac),
    destination: destination === undefined ? undefined : ipFromBytes(destination),
    vni: attributes.u32(c.NDA_VNI),
    vlan: attributes.u16(c.NDA_VLAN),
    masterIndex: attributes.u32(c.NDA_MASTER),
    state: neighbourStateOf(view.getUint16(8, true)),
    self: (view.getUint8(10) & c.NTF_SELF) !== 0,
  };
}
