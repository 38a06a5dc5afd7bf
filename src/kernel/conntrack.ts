import { type Ip, ipFromBytes } from '../base/index.ts';
import { IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, isErrno, NETLINK_NETFILTER } from './ffi/index.ts';
import { type Attributes, type Message, MessageWriter, NetlinkSocket, readAttributes } from './netlink/index.ts';
import type { NetnsHandle } from './netns/index.ts';
import type { TransportProtocol } from './sockets.ts';
import { readSysctl } from './sysctl.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NFGENMSG_LENGTH = 4;
/** Any family. */
const AF_UNSPEC = 0;

const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;

const PROTOCOLS: Readonly<Record<number, TransportProtocol>> = {
  [IPPROTO_TCP]: 'tcp',
  [IPPROTO_UDP]: 'udp',
  [IPPROTO_SCTP]: 'sctp',
};

/** One direction of a flow, as its packets look. */
export interface FlowTuple {
  readonly source: Ip | undefined;
  readonly destination: Ip | undefined;
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
}

/** A tracked flow. The reply differs from the mirrored original where addresses are translated. */
export interface Flow {
  /** IPPROTO_*. */
  readonly protocolNumber: number;
  readonly protocol: TransportProtocol | undefined;
  readonly original: FlowTuple;
  readonly reply: FlowTuple;
}

/** Every field that is given must match. */
export interface FlowFilter {
  readonly protocol?: TransportProtocol | undefined;
  readonly originalSource?: Ip | undefined;
  readonly originalDestination?: Ip | undefined;
  /** The destination port of the original direction: a published port. */
  readonly port?: number | undefined;
  /** Who answers: the target of a translated destination. */
  readonly replySource?: Ip | undefined;
  readonly replySourcePort?: number | undefined;
}

/** Every tracked flow of `ns`, or of the namespace the thread is in. Tens of thousands take some tens of milliseconds. */
export function listFlows(ns?: NetnsHandle): Flow[] {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER, ns);
  return dumpFlows(socket, {}).map(({ flow }) => flow);
}

/**
 * Forgets the flows that match, so that their next packets meet the present rules; a UDP flow would go on by the old ones
 * for as long as packets come. Returns how many. An empty filter forgets everything.
 */
export function flushConntrack(filter: FlowFilter | ((flow: Flow) => boolean), ns?: NetnsHandle): number {
  if (hasNone(ns)) return 0;
  using socket = NetlinkSocket.open(NETLINK_NETFILTER, ns);
  let deleted = 0;
  for (const found of dumpFlows(socket, filter)) {
    const write = new MessageWriter(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK)
      .raw(Uint8Array.of(found.family, 0, 0, 0))
      .bytes(CTA_TUPLE_ORIG | 0x8000, found.tuple);
    if (found.id !== undefined) write.bytes(CTA_ID, found.id);
    if (found.zone !== undefined) write.bytes(CTA_ZONE, found.zone);
    try {
      socket.change(write, 'delete a tracked flow');
      deleted += 1;
    } catch (error) {
      // It ended by itself meanwhile.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return deleted;
}

/** The kernel counts the flows of a namespace, and a look at the count is cheap. */
function hasNone(ns: NetnsHandle | undefined): boolean {
  try {
    return readSysctl('net.netfilter.nf_conntrack_count', ns) === '0';
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

interface FoundFlow {
  readonly flow: Flow;
  readonly family: number;
  /** Raw, as the kernel wants them back. */
  readonly tuple: Uint8Array;
  readonly id: Uint8Array | undefined;
  readonly zone: Uint8Array | undefined;
}

function dumpFlows(socket: NetlinkSocket, filter: FlowFilter | ((flow: Flow) => boolean)): FoundFlow[] {
  const matches = typeof filter === 'function' ? filter : (flow: Flow): boolean => flowMatches(flow, filter);
  // One pass for both families: the kernel walks its whole table for each, which takes longer than the flows in it.
  return socket.dump(
    () => new MessageWriter(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP).raw(Uint8Array.of(AF_UNSPEC, 0, 0, 0)),
    'list tracked flows',
    (reply) => foundFlow(reply, matches),
  );
}

function foundFlow(reply: Message, matches: (flow: Flow) => boolean): FoundFlow | undefined {
  const attributes = readAttributes(reply.body, NFGENMSG_LENGTH);
  const flow = decodeFlow(reply);
  const tuple = attributes.bytes(CTA_TUPLE_ORIG);
  if (tuple === undefined || !matches(flow)) return undefined;
  return {
    flow,
    family: reply.body[0] ?? 0,
    // Copies, because the receive buffer is used again.
    tuple: tuple.slice(),
    id: attributes.bytes(CTA_ID)?.slice(),
    zone: attributes.bytes(CTA_ZONE)?.slice(),
  };
}

export function decodeFlow({ body }: Message): Flow {
  const attributes = readAttributes(body, NFGENMSG_LENGTH);
  const original = attributes.nested(CTA_TUPLE_ORIG);
  const protocolNumber = original?.nested(CTA_TUPLE_PROTO)?.u8(CTA_PROTO_NUM) ?? 0;
  return {
    protocolNumber,
    protocol: PROTOCOLS[protocolNumber],
    original: decodeTuple(original),
    reply: decodeTuple(attributes.nested(CTA_TUPLE_REPLY)),
  };
}

function decodeTuple(tuple: Attributes | undefined): FlowTuple {
  const addresses = tuple?.nested(CTA_TUPLE_IP);
  const protocol = tuple?.nested(CTA_TUPLE_PROTO);
  const ip = (four: number, six: number): Ip | undefined => {
    const bytes = addresses?.bytes(four) ?? addresses?.bytes(six);
    return bytes === undefined ? undefined : ipFromBytes(bytes);
  };
  return {
    source: ip(CTA_IP_V4_SRC, CTA_IP_V6_SRC),
    destination: ip(CTA_IP_V4_DST, CTA_IP_V6_DST),
    sourcePort: protocol?.u16be(CTA_PROTO_SRC_PORT),
    destinationPort: protocol?.u16be(CTA_PROTO_DST_PORT),
  };
}

export function flowMatches(flow: Flow, filter: FlowFilter): boolean {
  const pairs: readonly (readonly [wanted: unknown, present: unknown])[] = [
    [filter.protocol, flow.protocol],
    [filter.originalSource, flow.original.source],
    [filter.originalDestination, flow.original.destination],
    [filter.port, flow.original.destinationPort],
    [filter.replySource, flow.reply.source],
    [filter.replySourcePort, flow.reply.sourcePort],
  ];
  return pairs.every(([wanted, present]) => wanted === undefined || wanted === present);
}
