import type { Ip } from '../../../base/index.ts';
import {
  buildResponse,
  FAILED,
  FLAG,
  HEADER_SIZE,
  limitOf,
  type Query,
  RCODE,
  REFUSED,
  type Transport,
  truncated,
} from '../wire/index.ts';
import { type AnswerCache, cacheKey } from './cache.ts';
import { exchange, type OpenElsewhere } from './exchange.ts';

/** How long one server may take before the next is asked. */
const UPSTREAM_TIMEOUT_MS = 4_000;
const DNS_PORT = 53;
/** Unanswered queries at a time: of one sandbox, so that it cannot use up the others', and of all (each is a socket). */
const PER_ORIGIN = 1024;
const IN_ALL = 4096;

export interface ForwarderOptions {
  readonly timeoutMs?: number;
  readonly port?: number;
  readonly perOrigin?: number;
}

/** Some servers, asked from one place, and what they said. Another object as soon as either is another. */
export interface Upstreams {
  /** Asked in order. */
  readonly servers: readonly Ip[];
  /** Where the servers are dialled from; absent: the host. */
  readonly open?: OpenElsewhere | undefined;
  readonly cache: AnswerCache;
  /** Questions that are being asked, so that the same is not asked twice at a time. */
  readonly asking: Map<string, Promise<Buffer | undefined>>;
}

/** Who asks: queries in flight are counted for each. */
export interface Origin {
  readonly upstreams: Upstreams;
  readonly inFlight: { count: number };
}

export interface Question {
  readonly packet: Buffer;
  readonly query: Query;
  readonly transport: Transport;
}

/** Asks other servers what we do not know. Never fails: the worst answer is SERVFAIL. */
export class Forwarder {
  readonly #timeoutMs: number;
  readonly #port: number;
  readonly #perOrigin: number;
  #inFlight = 0;

  constructor(options: ForwarderOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? UPSTREAM_TIMEOUT_MS;
    this.#port = options.port ?? DNS_PORT;
    this.#perOrigin = options.perOrigin ?? PER_ORIGIN;
  }

  /** At once when it is known already. `question.packet` is not needed after the call. */
  forward(origin: Origin, question: Question): Buffer | Promise<Buffer> {
    const known = origin.upstreams.cache.find(question.packet, question.query);
    if (known !== undefined) return limited(known, question);
    return this.#ask(origin, { ...question, packet: Buffer.from(question.packet) });
  }

  async #ask(origin: Origin, question: Question): Promise<Buffer> {
    if (origin.inFlight.count >= this.#perOrigin || this.#inFlight >= IN_ALL) return own(question, REFUSED);
    origin.inFlight.count += 1;
    this.#inFlight += 1;
    try {
      const response = await this.#together(origin.upstreams, question);
      return response === undefined ? own(question, FAILED) : fitted(response, question);
    } finally {
      origin.inFlight.count -= 1;
      this.#inFlight -= 1;
    }
  }

  /** Waits for the answer to the same question if somebody has asked it already. */
  #together(upstreams: Upstreams, question: Question): Promise<Buffer | undefined> {
    const same = cacheKey(question.query);
    if (same === undefined) return this.#firstAnswer(upstreams, question);
    // What is cut off for one need not be for another.
    const key = `${question.transport} ${question.query.udpSize} ${same}`;
    const asking = upstreams.asking.get(key);
    if (asking !== undefined) return asking;
    const asked = this.#firstAnswer(upstreams, question).finally(() => upstreams.asking.delete(key));
    upstreams.asking.set(key, asked);
    return asked;
  }

  async #firstAnswer(upstreams: Upstreams, question: Question): Promise<Buffer | undefined> {
    const options = { transport: question.transport, timeoutMs: this.#timeoutMs, open: upstreams.open };
    for (const ip of upstreams.servers) {
      const response = await exchange({ ip, port: this.#port }, question, options).catch(() => undefined);
      if (response === undefined || !isUseful(response)) continue;
      upstreams.cache.store(question.query, response);
      return response;
    }
    return undefined;
  }
}

function isUseful(response: Buffer): boolean {
  const rcode = response.readUInt16BE(2) & FLAG.rcode;
  return rcode !== RCODE.SERVFAIL && rcode !== RCODE.REFUSED;
}

/** With the client's id and spelling, and no larger than it takes. Others may wait for the same response. */
function fitted(response: Buffer, question: Question): Buffer {
  const out = Buffer.from(response);
  question.packet.copy(out, 0, 0, 2);
  question.packet.copy(out, HEADER_SIZE, HEADER_SIZE, question.query.questionEnd);
  return limited(out, question);
}

function limited(response: Buffer, { query, transport }: Question): Buffer {
  return response.length > limitOf(query, transport) ? truncated(response, query) : response;
}

function own({ packet, query, transport }: Question, answer: typeof FAILED): Buffer {
  return buildResponse(packet, query, answer, { limit: limitOf(query, transport) });
}
