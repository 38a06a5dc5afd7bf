import { Socket as TcpSocket } from 'node:net';
import { familyOf, type Ip, invalid, unavailable } from '../../../base/index.ts';
import { answersQuestion, type Query } from '../wire/index.ts';
import { random16 } from './randomness.ts';

/** Opens sockets somewhere else, for one server each, and gives their descriptors away. Throws where no way leads there. */
export interface Dialler {
  /** Connected, from a port chosen at random. */
  udp(ip: Ip, port: number): number;
  /** Bound to any address of that family, not connected. */
  tcp(family: 4 | 6): number;
}

export interface Upstream {
  readonly ip: Ip;
  readonly port: number;
}

export interface ExchangeOptions {
  readonly timeoutMs: number;
  /** Absent: from this thread's own network namespace. */
  readonly dialler?: Dialler | undefined;
}

/**
 * Asks one server once over TCP, with an id of its own, and returns what answers exactly that question. Throws on timeout,
 * refusal and anything else that makes the server useless.
 */
export async function exchange(
  upstream: Upstream,
  question: { readonly packet: Buffer; readonly query: Query },
  { dialler, timeoutMs }: ExchangeOptions,
): Promise<Buffer> {
  const packet = Buffer.from(question.packet);
  packet.writeUInt16BE(random16(), 0);
  const fd = dialler?.tcp(familyOf(upstream.ip));
  return askTcp(upstream, { packet, end: question.query.questionEnd }, { fd, timeoutMs });
}

interface Asked {
  readonly packet: Buffer;
  readonly end: number;
}

interface AskOptions {
  readonly fd: number | undefined;
  readonly timeoutMs: number;
}

/** Addresses only: nothing to look up, and no thread of the pool to wait for. */
export function numericLookup(
  host: string,
  _options: unknown,
  done: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  done(null, host, host.includes(':') ? 6 : 4);
}

function askTcp(upstream: Upstream, asked: Asked, options: AskOptions): Promise<Buffer> {
  const socket = options.fd === undefined ? new TcpSocket() : new TcpSocket({ fd: options.fd });
  return settle(options.timeoutMs, {
    start(succeed, fail) {
      const frames = new FrameReader();
      socket.on('error', fail);
      socket.on('close', () => fail(useless(upstream, 'connection closed')));
      socket.on('data', (chunk: Buffer) => {
        for (const response of frames.push(chunk)) {
          if (answersQuestion(response, asked.packet, asked.end) === true) succeed(response);
          else fail(useless(upstream, 'answered another question'));
        }
      });
      socket.connect({ port: upstream.port, host: upstream.ip, lookup: numericLookup }, () => {
        socket.write(framed(asked.packet));
      });
    },
    stop: () => socket.destroy(),
    timeout: () => useless(upstream, 'no answer'),
  });
}

interface Attempt {
  start(succeed: (response: Buffer) => void, fail: (error: Error) => void): void;
  stop(): void;
  timeout(): Error;
}

function settle(timeoutMs: number, attempt: Attempt): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timer = setTimeout(() => reject(attempt.timeout()), timeoutMs);
  try {
    attempt.start(resolve, reject);
  } catch (error) {
    reject(error);
  }
  return promise.finally(() => {
    clearTimeout(timer);
    attempt.stop();
  });
}

function useless(upstream: Upstream, why: string): Error {
  return unavailable('dns_upstream_failed', `cannot resolve by ${upstream.ip}: ${why}`);
}

/** A message as it goes over TCP: its length in two bytes, then itself. */
export function framed(message: Buffer): Buffer {
  const out = Buffer.allocUnsafe(message.length + 2);
  out.writeUInt16BE(message.length);
  message.copy(out, 2);
  return out;
}

/** Cuts a TCP stream into messages. */
export class FrameReader {
  readonly #maxSize: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(maxSize = 0xffff) {
    this.#maxSize = maxSize;
  }

  /** The messages that `chunk` completes. Throws `dns_message_too_large`; the stream is of no use then. */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 2) {
      const size = this.#rest.readUInt16BE();
      if (size > this.#maxSize) throw invalid('dns_message_too_large', `cannot read a DNS message of ${size} bytes`);
      if (this.#rest.length < 2 + size) return;
      const message = this.#rest.subarray(2, 2 + size);
      this.#rest = this.#rest.subarray(2 + size);
      yield message;
    }
  }
}
