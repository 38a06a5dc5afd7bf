import { CLASS, endOfName, FLAG, HEADER_SIZE, type Query, RCODE, TYPE } from './message.ts';

/** How long a response may be kept, and where its records say so. */
export interface Lifetime {
  readonly seconds: number;
  /** Offsets of the life times in the response; 32 bits each. */
  readonly offsets: readonly number[];
}

interface Records {
  /** The least of all. */
  readonly ttl: number;
  readonly offsets: readonly number[];
  /** Whether a record of the wanted type is among the answers. */
  readonly answered: boolean;
  /** The zone's word on how long a name may be taken not to exist (RFC 2308, 5). */
  readonly negative: number | undefined;
}

/** As an unsigned number, a life time with the highest bit set means 0 (RFC 2181, 8). */
const MAX_TTL = 0x7fffffff;

/**
 * How long `response`, the answer to `query`, may be given to others who ask the same. Undefined: not at all, because it is
 * cut off, a failure, malformed, says 0, or denies something without saying for how long.
 */
export function lifetimeOf(response: Buffer, query: Query): Lifetime | undefined {
  const flags = response.readUInt16BE(2);
  const rcode = flags & FLAG.rcode;
  if ((flags & FLAG.truncated) !== 0 || (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN)) return undefined;
  const records = readRecords(response, query);
  if (records === undefined) return undefined;
  const positive = rcode === RCODE.NOERROR && records.answered;
  const limit = positive ? MAX_TTL : records.negative;
  if (limit === undefined) return undefined;
  const seconds = Math.min(records.ttl, limit);
  return seconds > 0 && seconds <= MAX_TTL ? { seconds, offsets: records.offsets } : undefined;
}

/** Undefined: malformed. */
function readRecords(response: Buffer, query: Query): Records | undefined {
  const answers = response.readUInt16BE(6);
  const authorities = answers + response.readUInt16BE(8);
  const count = authorities + response.readUInt16BE(10);
  const offsets: number[] = [];
  let ttl = MAX_TTL;
  let negative: number | undefined;
  let answered = false;
  let at = query.questionEnd;
  if (at < HEADER_SIZE) return undefined;
  for (let index = 0; index < count; index += 1) {
    const fixed = endOfName(response, at);
    if (fixed < 0 || fixed + 10 > response.length) return undefined;
    const type = response.readUInt16BE(fixed);
    const end = fixed + 10 + response.readUInt16BE(fixed + 8);
    if (end > response.length) return undefined;
    if (type !== TYPE.OPT) {
      const own = response.readUInt32BE(fixed + 4);
      ttl = Math.min(ttl, own > MAX_TTL ? 0 : own);
      offsets.push(fixed + 4);
      if (index < answers) answered ||= isWanted(type, query);
      else if (index < authorities && type === TYPE.SOA && end - fixed - 10 >= 22) {
        negative = response.readUInt32BE(end - 4);
      }
    }
    at = end;
  }
  return { ttl, offsets, answered, negative };
}

function isWanted(type: number, query: Query): boolean {
  return query.class === CLASS.IN && (type === query.type || query.type === TYPE.ANY);
}
