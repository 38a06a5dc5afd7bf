import { FLAG, HEADER_SIZE, lifetimeOf, type Query } from '../wire/index.ts';

/** Longer is of no use to anybody, and a clock that jumps or a record that is wrong does less harm. */
const MAX_SECONDS = 3600;

export interface AnswerCacheOptions {
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  /** Milliseconds that only grow. */
  readonly now?: () => number;
}

interface Entry {
  readonly response: Buffer;
  /** Where the life times stand. */
  readonly offsets: readonly number[];
  readonly storedAt: number;
  readonly expiresAt: number;
}

/**
 * What some servers said, for as long as they allow; the longest unused goes first when there is too much. One for each
 * set of servers and place they are asked from: theirs are different answers.
 */
export class AnswerCache {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor({ maxEntries = 4096, maxBytes = 2 << 20, now = () => performance.now() }: AnswerCacheOptions = {}) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The response to `packet`, whose query it is, with its id and spelling and with what is left of the life times. */
  find(packet: Buffer, query: Query): Buffer | undefined {
    const key = cacheKey(query);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    if (key === undefined || entry === undefined) return undefined;
    const now = this.#now();
    this.#delete(key, entry);
    if (now >= entry.expiresAt) return undefined;
    this.#put(key, entry);
    return renewed(entry, { packet, query, age: Math.floor((now - entry.storedAt) / 1000) });
  }

  /** Keeps a response that may be kept, in place of what was known. */
  store(query: Query, response: Buffer): void {
    const key = cacheKey(query);
    if (key === undefined) return;
    const known = this.#entries.get(key);
    if (known !== undefined) this.#delete(key, known);
    const lifetime = lifetimeOf(response, query);
    if (lifetime === undefined) return;
    const storedAt = this.#now();
    const expiresAt = storedAt + 1000 * Math.min(lifetime.seconds, MAX_SECONDS);
    // A copy: what came from a socket is a small part of a large buffer.
    this.#put(key, { response: Buffer.from(response), offsets: lifetime.offsets, storedAt, expiresAt });
    for (const [oldKey, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) break;
      this.#delete(oldKey, entry);
    }
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += sizeOf(key, entry);
  }

  #delete(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= sizeOf(key, entry);
  }
}

/**
 * Equal exactly for questions with the same answer: name, type, class, and the flags that servers heed. Undefined: the
 * answer is for this client alone.
 */
export function cacheKey(query: Query): string | undefined {
  if (query.ednsOptions) return undefined;
  const flags = query.flags & (FLAG.recursionDesired | FLAG.authenticData | FLAG.checkingDisabled);
  return `${flags} ${Number(query.edns) + Number(query.dnssecOk)} ${query.key}`;
}

/** An array element, a map entry and the objects around them take about this much beside the bytes themselves. */
const OVERHEAD = 200;

function sizeOf(key: string, { response, offsets }: Entry): number {
  return OVERHEAD + key.length + response.length + 8 * offsets.length;
}

function renewed(entry: Entry, asked: { packet: Buffer; query: Query; age: number }): Buffer {
  const { packet, query, age } = asked;
  const out = Buffer.from(entry.response);
  packet.copy(out, 0, 0, 2);
  // Nobody but the server itself speaks with authority.
  out.writeUInt16BE(out.readUInt16BE(2) & ~FLAG.authoritative, 2);
  packet.copy(out, HEADER_SIZE, HEADER_SIZE, query.questionEnd);
  for (const offset of entry.offsets) out.writeUInt32BE(Math.max(0, out.readUInt32BE(offset) - age), offset);
  return out;
}
