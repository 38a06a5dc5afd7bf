import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { messageOf, nodeHttp } from '../../base/index.ts';
import { connectionError, ResponseError } from './errors.ts';
import { parseHost } from './host.ts';

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface CallOptions {
  readonly query?: Query | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, chunked. */
  readonly upload?: Readable | undefined;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A connection taken over for raw bytes. Ending `writable` half-closes it; `readable` goes on. */
export interface Hijacked {
  readonly readable: Readable;
  readonly writable: Duplex;
  /** False when the bytes come in frames of stdout and stderr. */
  readonly raw: boolean;
  close(): void;
}

/** HTTP to one daemon. Paths are sent as given; versions and meanings are the client's business. */
export class Transport {
  readonly host: string;
  readonly #dial: () => Socket;
  readonly #agent: Agent;

  constructor(host: string) {
    const address = parseHost(host);
    this.host = host;
    // Half-open sockets: the daemon goes on sending output after our input has ended.
    this.#dial = () => connect({ ...address, allowHalfOpen: true });
    this.#agent = new (nodeHttp().Agent)({ keepAlive: true });
    this.#agent.createConnection = () => connect(address);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Resolves with the response whatever its status; the body is unread. */
  send(method: string, path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = nodeHttp().request({ ...this.#options(method, path, options), agent: this.#agent });
      outgoing.once('response', resolve);
      outgoing.once('error', (error) => reject(this.#failure(error, options.signal)));
      writeBody(outgoing, options);
    });
  }

  /** Rejects with a {@link ResponseError} for every status of 400 and more. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    const response = await this.send(method, path, options);
    if ((response.statusCode ?? 500) >= 400) throw await responseError(response);
    return response;
  }

  hijack(path: string, options: CallOptions = {}): Promise<Hijacked> {
    return new Promise((resolve, reject) => {
      const outgoing = nodeHttp().request({
        ...this.#options('POST', path, options),
        createConnection: this.#dial,
        headers: { ...headersOf(options), Connection: 'Upgrade', Upgrade: 'tcp' },
      });
      outgoing.once('upgrade', (response, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve(hijacked(response, socket, socket));
      });
      outgoing.once('response', (response) => {
        if (response.statusCode === 200) resolve(hijacked(response, response, response.socket));
        else responseError(response).then(reject, reject);
      });
      outgoing.once('error', (error) => reject(this.#failure(error, options.signal)));
      writeBody(outgoing, options);
    });
  }

  #options(method: string, path: string, options: CallOptions): RequestOptions {
    const base = { method, path: path + queryText(options.query), headers: headersOf(options), host: 'fairway' };
    return options.signal === undefined ? base : { ...base, signal: options.signal };
  }

  #failure(error: unknown, signal: AbortSignal | undefined): unknown {
    return signal?.aborted === true ? error : connectionError(this.host, error);
  }
}

function hijacked(response: IncomingMessage, readable: Readable, writable: Duplex): Hijacked {
  return {
    readable,
    writable,
    raw: response.headers['content-type'] !== 'application/vnd.docker.multiplexed-stream',
    close: () => writable.destroy(),
  };
}

function headersOf(options: CallOptions): Record<string, string | number> {
  const headers: Record<string, string | number> = { 'User-Agent': 'fairway-cli', ...options.headers };
  if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json';
    headers['Content-Length'] = Buffer.byteLength(JSON.stringify(options.body));
  } else if (options.upload !== undefined) {
    headers['Content-Type'] = options.contentType ?? 'application/x-tar';
  }
  return headers;
}

function writeBody(outgoing: ClientRequest, options: CallOptions): void {
  if (options.upload !== undefined) {
    options.upload.once('error', (error) => outgoing.destroy(error));
    options.upload.pipe(outgoing);
    return;
  }
  outgoing.end(options.body === undefined ? undefined : JSON.stringify(options.body));
}

/** `?a=1&b=x`; undefined is left out, booleans become 1 or 0, a list repeats its key. */
export function queryText(query: Query | undefined): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    if (Array.isArray(value)) for (const one of value) search.append(key, one);
    else search.append(key, typeof value === 'boolean' ? String(Number(value)) : String(value));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

export async function bodyText(response: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function responseError(response: IncomingMessage): Promise<ResponseError> {
  const status = response.statusCode ?? 500;
  const text = await bodyText(response).catch(messageOf);
  return new ResponseError(status, errorText(text) ?? `request returned ${response.statusMessage ?? status}`);
}

function errorText(body: string): string | undefined {
  if (body.trim() === '') return undefined;
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message).trim();
  } catch {
    // Not JSON: the text itself is the message.
  }
  return body.trim();
}
