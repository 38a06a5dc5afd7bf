import { type Ip, type IpFamily, ipBytes, ipFromBytes, type Mac, macBytes, macFromBytes } from '../../base/index.ts';
import { isErrno } from '../ffi/index.ts';
import {
  afOf,
  afOfIp,
  uapi as c,
  familyOfAf,
  type Message,
  MessageWriter,
  type NetlinkError,
  type NetlinkSocket,
  pack,
  readAttributes,
  viewOf,
} from './core/index.ts';

export type NeighbourState =
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent';

export const NEIGHBOUR_STATES: Readonly<Record<NeighbourState, number>> = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
};

export function neighbourStateOf(number: number): NeighbourState | undefined {
  const found = Object.entries(NEIGHBOUR_STATES).find(([, value]) => value === number);
  return found?.[0] as NeighbourState | undefined;
}

export interface NeighbourSpec {
  readonly linkIndex: number;
  readonly ip: Ip;
  readonly mac: Mac;
  /** Default `permanent`. */
  readonly state?: NeighbourState | undefined;
}

export interface Neighbour {
  readonly linkIndex: number;
  readonly ip: Ip;
  readonly family: IpFamily;
  readonly mac: Mac | undefined;
  readonly state: NeighbourState | undefined;
}

/** ARP and neighbour-discovery entries of one network namespace. */
export class Neighbours {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** EEXIST when there is one for the address on this link. */
  add(spec: NeighbourSpec): void {
    this.#write(spec, c.NLM_F_CREATE | c.NLM_F_EXCL);
  }

  /** Adds it or changes the one that is there. */
  replace(spec: NeighbourSpec): void {
    this.#write(spec, c.NLM_F_CREATE | c.NLM_F_REPLACE);
  }

  /** False when it, or the link, is not there. */
  remove(linkIndex: number, ip: Ip): boolean {
    const write = removalMessage(new MessageWriter(c.RTM_DELNEIGH, c.NLM_F_REQUEST | c.NLM_F_ACK), { linkIndex, ip });
    try {
      this.#socket.change(write, `remove neighbour ${ip} of link ${linkIndex}`);
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
    readonly set?: readonly NeighbourSpec[];
    readonly remove?: readonly Pick<NeighbourSpec, 'linkIndex' | 'ip'>[];
  }): readonly NetlinkError[] {
    const { set = [], remove = [] } = change;
    const replace = c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_REPLACE;
    const failures = this.#socket.changeAll(
      [
        ...remove.map((spec) => removalMessage(new MessageWriter(c.RTM_DELNEIGH, c.NLM_F_REQUEST), spec)),
        ...set.map((spec) => neighbourMessage(new MessageWriter(c.RTM_NEWNEIGH, replace), spec)),
      ],
      `change ${remove.length + set.length} neighbours`,
    );
    return failures
      .filter(({ index, error }) => index >= remove.length || !isErrno(error, 'ENOENT'))
      .map(({ error }) => error);
  }

  /** Of all links or of one (asked of the kernel, so that others cost nothing), IPv4 first. */
  list(linkIndex?: number): Neighbour[] {
    return ([4, 6] as const).flatMap((family) => this.#dump(family, linkIndex));
  }

  /**
   * Addresses that neighbour discovery (IPv6, with `proxy_ndp`) answers for on a link: begins and ends answering for many. Returns
   * what the kernel refused; ending what is not there is no failure.
   */
  changeProxies(
    linkIndex: number,
    { set = [], remove = [] }: { readonly set?: readonly Ip[]; readonly remove?: readonly Ip[] },
  ): readonly NetlinkError[] {
    const create = c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_REPLACE;
    const failures = this.#socket.changeAll(
      [
        ...remove.map((ip) => proxyMessage(new MessageWriter(c.RTM_DELNEIGH, c.NLM_F_REQUEST), { linkIndex, ip })),
        ...set.map((ip) => proxyMessage(new MessageWriter(c.RTM_NEWNEIGH, create), { linkIndex, ip })),
      ],
      `change ${remove.length + set.length} addresses that are answered for`,
    );
    return failures
      .filter(({ index, error }) => index >= remove.length || !isErrno(error, 'ENOENT'))
      .map(({ error }) => error);
  }

  /** IPv6 addresses that a link is answered for on. */
  listProxies(linkIndex: number): Ip[] {
    const request = (): MessageWriter =>
      new MessageWriter(c.RTM_GETNEIGH, c.NLM_F_REQUEST | c.NLM_F_DUMP)
        .raw(neighbourHeader({ family: afOf(6), linkIndex: 0, flags: c.NTF_PROXY }))
        .u32(c.NDA_IFINDEX, linkIndex);
    const found = this.#socket.dump(request, 'list addresses that are answered for', (reply) =>
      reply.type === c.RTM_NEWNEIGH ? decodeNeighbour(reply) : undefined,
    );
    // Older kernels tell of all links.
    return found.filter((one) => one.linkIndex === linkIndex).map(({ ip }) => ip);
  }

  #dump(family: IpFamily, linkIndex: number | undefined): Neighbour[] {
    const request = (): MessageWriter => {
      const write = new MessageWriter(c.RTM_GETNEIGH, c.NLM_F_REQUEST | c.NLM_F_DUMP);
      write.raw(neighbourHeader({ family: afOf(family), linkIndex: 0 }));
      return linkIndex === undefined ? write : write.u32(c.NDA_IFINDEX, linkIndex);
    };
    return this.#socket.dump(request, 'list neighbours', (reply) =>
      reply.type === c.RTM_NEWNEIGH ? decodeNeighbour(reply) : undefined,
    );
  }

  #write(spec: NeighbourSpec, flags: number): void {
    const write = new MessageWriter(c.RTM_NEWNEIGH, c.NLM_F_REQUEST | c.NLM_F_ACK | flags);
    this.#socket.change(neighbourMessage(write, spec), `set neighbour ${spec.ip} of link ${spec.linkIndex}`);
  }
}

function neighbourMessage(write: MessageWriter, { linkIndex, ip, mac, state }: NeighbourSpec): MessageWriter {
  return write
    .raw(neighbourHeader({ family: afOfIp(ip), linkIndex, state: NEIGHBOUR_STATES[state ?? 'permanent'] }))
    .bytes(c.NDA_DST, ipBytes(ip))
    .bytes(c.NDA_LLADDR, macBytes(mac));
}

function removalMessage(
  write: MessageWriter,
  { linkIndex, ip }: Pick<NeighbourSpec, 'linkIndex' | 'ip'>,
): MessageWriter {
  return write.raw(neighbourHeader({ family: afOfIp(ip), linkIndex })).bytes(c.NDA_DST, ipBytes(ip));
}

function proxyMessage(write: MessageWriter, { linkIndex, ip }: Pick<NeighbourSpec, 'linkIndex' | 'ip'>): MessageWriter {
  return write
    .raw(neighbourHeader({ family: afOfIp(ip), linkIndex, flags: c.NTF_PROXY }))
    .bytes(c.NDA_DST, ipBytes(ip));
}

/** struct ndmsg. */
export function neighbourHeader(header: {
  family: number;
  linkIndex: number;
  state?: number;
  flags?: number;
}): Uint8Array {
  const { family, linkIndex, state = 0, flags = 0 } = header;
  return pack([1, family], [1, 0], [2, 0], [4, linkIndex], [2, state], [1, flags], [1, 0]);
}

export const NDMSG_LENGTH = 12;

/** Reads an RTM_NEWNEIGH or RTM_DELNEIGH of IPv4 or IPv6. */
export function decodeNeighbour({ body }: Message): Neighbour | undefined {
  const view = viewOf(body);
  const family = familyOfAf(view.getUint8(0));
  const attributes = readAttributes(body, NDMSG_LENGTH);
  const ip = attributes.bytes(c.NDA_DST);
  if (family === undefined || ip === undefined) return undefined;
  const mac = attributes.bytes(c.NDA_LLADDR);
  return {
    linkIndex: view.getInt32(4, true),
    ip: ipFromBytes(ip),
    family,
    mac: mac?.length === 6 ? macFromBytes(mac) : undefined,
    state: neighbourStateOf(view.getUint16(8, true)),
  };
}
