import type { Ip } from '../../../base/index.ts';
import { buildResponse, FAILED, REFUSED, truncated } from './answer.ts';
import { exchange, type OpenElsewhere } from './exchange.ts';
import { FLAG, type Query, RCODE } from './message.ts';
import { limitOf, type Transport } from './responder.ts';

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

/** Who asks: queries in flight are counted for each. */
export interface Origin {
  /** Asked in order. */
  readonly servers: readonly Ip[];
  /** Where the servers are dialled from; absent: the host. */
  readonly open?: OpenElsewhere | undefined;
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

  async forward(origin: Origin, question: Question): Promise<Buffer> {
    if (origin.inFlight.count >= this.#perOrigin || this.#inFlight >= IN_ALL) return own(question, REFUSED);
    origin.inFlight.count += 1;
    this.#inFlight += 1;
    try {
      return (await this.#firstAnswer(origin, question)) ?? own(question, FAILED);
    } finally {
      origin.inFlight.count -= 1;
      this.#inFlight -= 1;
    }
  }

  async #firstAnswer(origin: Origin, question: Question): Promise<Buffer | undefined> {
    const options = { transport: question.transport, timeoutMs: this.#timeoutMs, open: origin.open };
    for (const ip of origin.servers) {
      const response = await exchange({ ip, port: this.#port }, question, options).catch(() => undefined);
      if (response !== undefined && isUseful(response)) return fitted(response, question);
    }
    return undefined;
  }
}

function isUseful(response: Buffer): boolean {
  const rcode = response.readUInt16BE(2) & FLAG.rcode;
  return rcode !== RCODE.SERVFAIL && rcode !== RCODE.REFUSED;
}

/** With the client's id, and no larger than it takes. */
function fitted(response: Buffer, { packet, query, transport }: Question): Buffer {
  packet.copy(response, 0, 0, 2);
  return response.length > limitOf(query, transport) ? truncated(response, query) : response;
}

function own({ packet, query, transport }: Question, answer: typeof FAILED): Buffer {
  return buildResponse(packet, query, answer, { limit: limitOf(query, transport) });
}
