import { familyOf, type Ip, ipBytes } from '../../../base/index.ts';
import { CLASS, encodeName, FLAG, HEADER_SIZE, type Query, RCODE, TYPE } from './message.ts';

/**
 * Short, so that what a program remembers does not outlive a container by long; queries never leave the machine and cost
 * microseconds.
 */
const TTL_SECONDS = 5;
/** What we can take: announced in our OPT record. */
const OUR_UDP_SIZE = 4096;
/** The name of every record we give is the question's, which is always at the same place. */
const POINTER_TO_QUESTION = 0xc000 | HEADER_SIZE;
const RECORD_HEADER_SIZE = 12;
const OPT_SIZE = 11;

/** What is known about a question: records in wire form, valid for any packet that asks it. */
export interface Answer {
  readonly rcode: number;
  readonly records: readonly Buffer[];
}

export const EMPTY: Answer = { rcode: RCODE.NOERROR, records: [] };
export const NO_SUCH_NAME: Answer = { rcode: RCODE.NXDOMAIN, records: [] };
export const FAILED: Answer = { rcode: RCODE.SERVFAIL, records: [] };
export const REFUSED: Answer = { rcode: RCODE.REFUSED, records: [] };
export const BAD_EDNS_VERSION: Answer = { rcode: RCODE.BADVERS, records: [] };

export function addressRecord(ip: Ip): Buffer {
  return record(familyOf(ip) === 4 ? TYPE.A : TYPE.AAAA, ipBytes(ip));
}

/** Undefined when the name cannot be one in DNS. */
export function pointerRecord(name: string): Buffer | undefined {
  const wire = encodeName(name);
  return wire === undefined ? undefined : record(TYPE.PTR, wire);
}

export interface ResponseOptions {
  /** Bytes the transport and the client take; what does not fit is left out and said to be. */
  readonly limit: number;
  /** Which record comes first. */
  readonly rotation?: number;
}

/** The whole response to `packet`, whose query it is. */
export function buildResponse(packet: Buffer, query: Query, answer: Answer, options: ResponseOptions): Buffer {
  const { records, rcode } = answer;
  const room = options.limit - query.questionEnd - (query.edns ? OPT_SIZE : 0);
  const count = fitting(records, room);
  let size = query.questionEnd + (query.edns ? OPT_SIZE : 0);
  for (let index = 0; index < count; index += 1) size += rotated(records, index, options.rotation).length;
  const out = Buffer.allocUnsafe(size);
  packet.copy(out, 0, 0, query.questionEnd);
  const kept = query.flags & (FLAG.recursionDesired | FLAG.checkingDisabled);
  const cut = count < records.length ? FLAG.truncated : 0;
  out.writeUInt16BE(FLAG.response | FLAG.authoritative | FLAG.recursionAvailable | kept | cut | (rcode & 0xf), 2);
  writeCounts(out, count, query.edns);
  let at = query.questionEnd;
  for (let index = 0; index < count; index += 1) at += rotated(records, index, options.rotation).copy(out, at);
  if (query.edns) writeOpt(out, at, rcode);
  return out;
}

/** The response to what could not be understood: a header alone. */
export function buildError(packet: Buffer, rcode: number): Buffer {
  const out = Buffer.alloc(HEADER_SIZE);
  packet.copy(out, 0, 0, 2);
  const kept = packet.readUInt16BE(2) & (FLAG.opcode | FLAG.recursionDesired);
  out.writeUInt16BE(FLAG.response | FLAG.recursionAvailable | kept | rcode, 2);
  return out;
}

/** A response made smaller for a client that cannot take all of it: it will ask again over TCP. */
export function truncated(response: Buffer, query: Query): Buffer {
  const out = Buffer.allocUnsafe(query.questionEnd + (query.edns ? OPT_SIZE : 0));
  response.copy(out, 0, 0, query.questionEnd);
  out.writeUInt16BE(response.readUInt16BE(2) | FLAG.truncated, 2);
  writeCounts(out, 0, query.edns);
  if (query.edns) writeOpt(out, query.questionEnd, 0);
  return out;
}

function record(type: number, data: Uint8Array): Buffer {
  const out = Buffer.alloc(RECORD_HEADER_SIZE + data.length);
  out.writeUInt16BE(POINTER_TO_QUESTION, 0);
  out.writeUInt16BE(type, 2);
  out.writeUInt16BE(CLASS.IN, 4);
  out.writeUInt32BE(TTL_SECONDS, 6);
  out.writeUInt16BE(data.length, 10);
  out.set(data, RECORD_HEADER_SIZE);
  return out;
}

function writeCounts(out: Buffer, answers: number, edns: boolean): void {
  out.writeUInt16BE(1, 4);
  out.writeUInt16BE(answers, 6);
  out.writeUInt16BE(0, 8);
  out.writeUInt16BE(edns ? 1 : 0, 10);
}

function writeOpt(out: Buffer, start: number, rcode: number): void {
  out.fill(0, start, start + OPT_SIZE);
  out.writeUInt16BE(TYPE.OPT, start + 1);
  out.writeUInt16BE(OUR_UDP_SIZE, start + 3);
  out[start + 5] = rcode >> 4;
}

function rotated(records: readonly Buffer[], index: number, rotation = 0): Buffer {
  return records[(index + rotation) % records.length] ?? NOTHING;
}

/** How many records fit, whichever comes first: those of one answer are about the same size. */
function fitting(records: readonly Buffer[], room: number): number {
  let left = room;
  let count = 0;
  for (const { length } of records) {
    left -= length;
    if (left < 0) break;
    count += 1;
  }
  return count;
}

const NOTHING = Buffer.alloc(0);
