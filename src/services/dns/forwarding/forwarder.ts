import type { Ip } from '../../../base/index.ts';
import { ConnectedBatch } from '../../../kernel/index.ts';
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
import { type Dialler, exchange } from './exchange.ts';
import { UdpUpstream } from './udp-upstream.ts';

/** How long one server may take before the next is asked. */
const UPSTREAM_TIMEOUT_MS = 4_000;
const DNS_PORT = 53;
/** Unanswered queries at a time: of one sandbox, so that it cannot use up the others', and of all. */
const PER_ORIGIN = 1024;
const IN_ALL = 4096;
/** Of a datagram from a server. More than a client takes over UDP: what was cut off when it was read is too large for it. */
const UPSTREAM_SIZE = 4352;

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
  readonly dialler?: Dialler | undefined;
  readonly cache: AnswerCache;
  /** Who waits for the answer to a question that is being asked, so that the same is not asked twice at a time. */
  readonly asking: Map<string, Heard[]>;
}

/** Called once, with a view that is valid only during the call. Undefined: no server helped. */
type Heard = (response: Buffer | undefined) => void;

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
  readonly #batch = new ConnectedBatch({ size: UPSTREAM_SIZE });
  readonly #udp = new WeakMap<Upstreams, Map<Ip, UdpUpstream>>();
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
    if (origin.inFlight.count >= this.#perOrigin || this.#inFlight >= IN_ALL || isHuge(question)) {
      return own(question, REFUSED);
    }
    const kept = { ...question, packet: Buffer.from(question.packet) };
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    origin.inFlight.count += 1;
    this.#inFlight += 1;
    this.#together(origin.upstreams, kept, (response) => {
      origin.inFlight.count -= 1;
      this.#inFlight -= 1;
      resolve(response === undefined ? own(kept, FAILED) : fitted(response, kept));
    });
    return promise;
  }

  /** These servers will not be asked any more: no socket stays open for later questions. */
  release(upstreams: Upstreams): void {
    for (const udp of this.#udp.get(upstreams)?.values() ?? []) udp.close();
  }

  /** Waits for the answer to the same question if somebody has asked it already. */
  #together(upstreams: Upstreams, question: Question, heard: Heard): void {
    const same = cacheKey(question.query);
    if (same === undefined) {
      this.#firstAnswer(upstreams, question, heard);
      return;
    }
    // What is cut off for one need not be for another.
    const key = `${question.transport} ${question.query.udpSize} ${same}`;
    const waiting = upstreams.asking.get(key);
    if (waiting !== undefined) {
      waiting.push(heard);
      return;
    }
    const all = [heard];
    upstreams.asking.set(key, all);
    this.#firstAnswer(upstreams, question, (response) => {
      upstreams.asking.delete(key);
      for (const each of all) each(response);
    });
  }

  #firstAnswer(upstreams: Upstreams, question: Question, heard: Heard, first = 0): void {
    const ip = upstreams.servers[first];
    if (ip === undefined) {
      heard(undefined);
      return;
    }
    const { packet, query } = question;
    const timeoutMs = this.#timeoutMs;
    const done: Heard = (response) => {
      if (response === undefined || !isUseful(response)) {
        this.#firstAnswer(upstreams, question, heard, first + 1);
        return;
      }
      upstreams.cache.store(query, response);
      heard(response);
    };
    if (question.transport === 'udp') {
      this.#udpTo(upstreams, ip).ask({ packet, questionEnd: query.questionEnd, timeoutMs, done });
      return;
    }
    const options = { timeoutMs, dialler: upstreams.dialler };
    exchange({ ip, port: this.#port }, question, options).then(done, () => done(undefined));
  }

  #udpTo(upstreams: Upstreams, ip: Ip): UdpUpstream {
    const servers = this.#udp.get(upstreams) ?? new Map<Ip, UdpUpstream>();
    this.#udp.set(upstreams, servers);
    const known = servers.get(ip);
    if (known !== undefined) return known;
    const udp = new UdpUpstream({ ip, port: this.#port }, { batch: this.#batch, dialler: upstreams.dialler });
    servers.set(ip, udp);
    return udp;
  }
}

/** No program asks so much over UDP. */
function isHuge({ packet, transport }: Question): boolean {
  return transport === 'udp' && packet.length > UPSTREAM_SIZE;
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
