import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, unavailable } from '../../base/index.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | Readable | undefined;
  readonly insecure?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Must be read to its end or destroyed. */
  readonly body: IncomingMessage;
}

/** Silence on a connection for so long is a failure. */
const IDLE_MS = 120_000;
/** A host that does not answer at all is given up sooner. */
const CONNECT_MS = 15_000;
const BODY_MAX = 8 << 20;

/** HTTP as registries need it: streams both ways, no redirects by itself, and connections that are kept. */
export class HttpClient implements Disposable {
  readonly #plain = new HttpAgent({ keepAlive: true, maxSockets: 8 });
  readonly #secure = new HttpsAgent({ keepAlive: true, maxSockets: 8 });
  readonly #lax = new HttpsAgent({ keepAlive: true, maxSockets: 8, rejectUnauthorized: false });

  async send(request: HttpRequest): Promise<HttpResponse> {
    const { method, url, headers, body, insecure, signal } = request;
    const secure = url.startsWith('https:');
    const agent = secure ? (insecure ? this.#lax : this.#secure) : this.#plain;
    const length = Buffer.isBuffer(body) ? { 'content-length': String(body.length) } : {};
    const outgoing = (secure ? httpsRequest : httpRequest)(url, {
      method,
      agent,
      headers: { 'user-agent': 'fairway', ...length, ...headers },
      ...(signal && { signal }),
    });
    outgoing.setTimeout(IDLE_MS, () => outgoing.destroy(new Error(`no answer for ${IDLE_MS / 1000} seconds`)));
    limitConnecting(outgoing, secure);
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve);
      outgoing.once('error', reject);
    });
    try {
      // A server may refuse before it has read everything: then the answer counts, not the broken upload.
      if (body === undefined || Buffer.isBuffer(body)) outgoing.end(body);
      else pipeline(body, outgoing).catch((error: Error) => outgoing.destroy(error));
      const response = await answer;
      return { status: response.statusCode ?? 0, headers: response.headers, body: response };
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const verb = `${method.slice(0, 1)}${method.slice(1).toLowerCase()}`;
      throw unavailable('registry_unreachable', `${verb} "${url}": ${reasonOf(error)}`, error);
    }
  }

  [Symbol.dispose](): void {
    for (const agent of [this.#plain, this.#secure, this.#lax]) agent.destroy();
  }
}

/** Connections that are kept were made before, and need no limit. */
function limitConnecting(outgoing: ClientRequest, secure: boolean): void {
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => outgoing.destroy(new Error('dial tcp: i/o timeout')), CONNECT_MS);
    const done = (): void => clearTimeout(timer);
    socket.once(secure ? 'secureConnect' : 'connect', done);
    socket.once('close', done);
  });
}

/** Why there is no connection, in the words that Docker has for it. */
function reasonOf(error: unknown): string {
  // Several addresses that all refuse come as one error without a text of its own.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const { code, hostname, address, port } = error as NodeJS.ErrnoException & Partial<Record<string, unknown>>;
  const place = `dial tcp ${String(address).includes(':') ? `[${address}]` : address}:${port}: connect:`;
  switch (code) {
    case 'ENOTFOUND':
      return `dial tcp: lookup ${hostname}: no such host`;
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${hostname}: the name server does not answer`;
    case 'ECONNREFUSED':
      return `${place} connection refused`;
    case 'EHOSTUNREACH':
      return `${place} no route to host`;
    case 'ENETUNREACH':
      return `${place} network is unreachable`;
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'ERR_SSL_HTTP_REQUEST':
      return 'http: server gave HTTP response to HTTPS client';
    default:
      return messageOf(error);
  }
}

export async function readBody(body: IncomingMessage, limit = BODY_MAX): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit)
      throw unavailable('registry_answer_too_large', `the registry's answer is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
