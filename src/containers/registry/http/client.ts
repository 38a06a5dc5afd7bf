import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isKind, messageOf, nodeHttp, unavailable } from '../../../base/index.ts';
import { Agents, type TransportOptions } from './agents.ts';

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

const IDLE_MS = 60_000;
const CONNECT_MS = 15_000;

export interface HttpClientOptions extends TransportOptions {
  /** Silence on a connection for so many milliseconds is a failure. */
  readonly idleMs?: number;
  /** A host that does not answer at all is given up after so many. */
  readonly connectMs?: number;
}

/** HTTP as registries need it: streams both ways, no redirects by itself, and connections that are kept. */
export class HttpClient implements Disposable {
  readonly #agents: Agents;
  readonly #idleMs: number;
  readonly #connectMs: number;

  constructor(options: HttpClientOptions = {}) {
    this.#agents = new Agents(options);
    this.#idleMs = options.idleMs ?? IDLE_MS;
    this.#connectMs = options.connectMs ?? CONNECT_MS;
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    const { method, url, headers, body, insecure = false, signal } = request;
    signal?.throwIfAborted();
    const parsed = new URL(url);
    const secure = parsed.protocol === 'https:';
    const { agent, proxy } = this.#agents.for(parsed, insecure);
    const length = Buffer.isBuffer(body) ? { 'content-length': String(body.length) } : {};
    const outgoing = (secure ? httpsRequest : nodeHttp().request)(url, {
      method,
      agent,
      headers: { 'user-agent': 'fairway', ...length, ...headers },
      ...(signal && { signal }),
    });
    outgoing.setTimeout(this.#idleMs, () => outgoing.destroy(new Silence(this.#idleMs)));
    let connected = false;
    onceConnected(outgoing, { secure, ms: this.#connectMs }, () => {
      connected = true;
    });
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
      const code = connected && wasDropped(error) ? DROPPED : 'registry_unreachable';
      throw unavailable(
        code,
        `${verb} "${url}": ${proxy === null ? '' : 'proxyconnect tcp: '}${reasonOf(error)}`,
        error,
      );
    }
  }

  [Symbol.dispose](): void {
    this.#agents[Symbol.dispose]();
  }
}

/** Nothing came for too long. */
class Silence extends Error {
  constructor(ms: number) {
    super(`no answer for ${ms / 1000} seconds`);
    this.name = 'Silence';
  }
}

const DROPPED = 'registry_dropped';
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE', 'HPE_INVALID_EOF_STATE']);

/** There was a connection, and it broke or fell silent: the same again may go well. */
export function isDropped(error: unknown): boolean {
  return isKind(error, 'unavailable') ? error.code === DROPPED : wasDropped(error);
}

function wasDropped(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof Silence) return true;
  return BROKEN.has(code ?? '') && syscall !== 'connect';
}

/** Gives up a host that does not let us in. Connections that are kept were made before, and need no limit. */
function onceConnected(
  outgoing: ClientRequest,
  { secure, ms }: { readonly secure: boolean; readonly ms: number },
  tell: () => void,
): void {
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) return tell();
    const timer = setTimeout(() => outgoing.destroy(new Error('dial tcp: i/o timeout')), ms);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      tell();
    });
    socket.once('close', () => clearTimeout(timer));
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
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `tls: failed to verify certificate: x509: ${messageOf(error)}`;
    default:
      return messageOf(error);
  }
}
