import type { IncomingMessage } from 'node:http';
import { invalid } from '../base/index.ts';
import { bodyText, type CallOptions, type Hijacked, jsonLines, Transport } from './connection/index.ts';

/** The newest API this client speaks. */
export const CLIENT_API_VERSION = '1.51';

export interface PingResult {
  readonly apiVersion: string;
  readonly osType: string;
}

export interface SessionOptions {
  /** Used as it is, without asking the daemon. */
  readonly apiVersion?: string | undefined;
}

/** One client's conversation with a daemon: agrees on the API's version with the first call and prefixes every path. */
export class Session {
  readonly #transport: Transport;
  readonly #fixed: string | undefined;
  #agreed: Promise<string> | undefined;

  constructor(host: string, options: SessionOptions = {}) {
    this.#transport = new Transport(host);
    this.#fixed = options.apiVersion;
  }

  get host(): string {
    return this.#transport.host;
  }

  close(): void {
    this.#transport.close();
  }

  async ping(): Promise<PingResult> {
    let response = await this.#transport.send('HEAD', '/_ping');
    response.resume();
    if (response.statusCode !== 200) {
      response = await this.#transport.call('GET', '/_ping');
      response.resume();
    }
    return {
      apiVersion: header(response, 'api-version') ?? '1.24',
      osType: header(response, 'ostype') ?? 'linux',
    };
  }

  /** The version both sides speak: the lower one of ours and the daemon's. */
  apiVersion(): Promise<string> {
    if (this.#fixed !== undefined) return Promise.resolve(this.#fixed);
    this.#agreed ??= this.ping().then((pong) => lowerVersion(pong.apiVersion, CLIENT_API_VERSION));
    return this.#agreed;
  }

  async call(method: string, path: string, options?: CallOptions): Promise<IncomingMessage> {
    return await this.#transport.call(method, await this.#path(path), options);
  }

  async json<T>(method: string, path: string, options?: CallOptions): Promise<T> {
    const text = await bodyText(await this.call(method, path, options));
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw invalid('invalid_response', `error decoding the answer to ${method} ${path}`, cause);
    }
  }

  /** For calls whose answer says nothing beyond success. */
  async send(method: string, path: string, options?: CallOptions): Promise<void> {
    await bodyText(await this.call(method, path, options));
  }

  async *stream<T>(method: string, path: string, options?: CallOptions): AsyncGenerator<T> {
    yield* jsonLines<T>(await this.call(method, path, options));
  }

  async hijack(path: string, options?: CallOptions): Promise<Hijacked> {
    return await this.#transport.hijack(await this.#path(path), options);
  }

  async #path(path: string): Promise<string> {
    return `/v${await this.apiVersion()}${path}`;
  }
}

function header(response: IncomingMessage, name: string): string | undefined {
  const value = response.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function lowerVersion(a: string, b: string): string {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA < majorB || (majorA === majorB && minorA <= minorB) ? a : b;
}

/** The `filters` query parameter, left out when there is nothing to filter by. */
export function filtersText(filters: Readonly<Record<string, readonly string[]>> | undefined): string | undefined {
  return filters === undefined || Object.keys(filters).length === 0 ? undefined : JSON.stringify(filters);
}

/** A name as one segment of a path. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}
