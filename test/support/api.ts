import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Of an error; else empty. */
  readonly message: string;
  /** Parsed when it is JSON, else its text. */
  readonly body: unknown;
}

/** The Engine API by hand: what a client sends, byte by byte, and all of what it is told. */
export class RawApi {
  readonly #socketPath: string;
  readonly #version: string;

  /** `version`: `1.48`; empty for paths without one. */
  constructor(socketPath: string, version = '1.48') {
    this.#socketPath = socketPath;
    this.#version = version;
  }

  async call(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const [sent, response] = await this.#send(method, path, body);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    sent.destroy();
    const text = Buffer.concat(chunks).toString();
    const json = /^application\/json/.test(response.headers['content-type'] ?? '');
    const parsed: unknown = json && text.trim() !== '' && !text.trim().includes('\n') ? JSON.parse(text) : text;
    const status = response.statusCode ?? 0;
    const message = status >= 400 ? ((parsed as { message?: string }).message ?? '') : '';
    return { status, headers: response.headers, message, body: parsed };
  }

  /** A body that goes on; the caller destroys it. */
  async stream(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const [, response] = await this.#send(method, path, body);
    return response;
  }

  /** The connection after 101, and what came with the head. */
  hijack(path: string, body?: unknown): Promise<{ readonly socket: Duplex; readonly head: Buffer }> {
    return new Promise((resolve, reject) => {
      const sent = this.#request('POST', path, body, { Connection: 'Upgrade', Upgrade: 'tcp' });
      sent.on('upgrade', (_, socket, head) => resolve({ socket, head }));
      sent.on('response', ({ statusCode }) => reject(new Error(`no upgrade: ${statusCode}`)));
      sent.on('error', reject);
    });
  }

  #send(method: string, path: string, body: unknown): Promise<[ClientRequest, IncomingMessage]> {
    return new Promise((resolve, reject) => {
      const sent = this.#request(method, path, body, {});
      sent.on('response', (response) => resolve([sent, response]));
      sent.on('error', reject);
    });
  }

  #request(method: string, path: string, body: unknown, headers: Record<string, string>): ClientRequest {
    const text = body === undefined ? '' : JSON.stringify(body);
    const sent = request({
      socketPath: this.#socketPath,
      path: this.#version === '' ? path : `/v${this.#version}${path}`,
      method,
      headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers },
    });
    sent.end(text);
    return sent;
  }
}

/** `?filters=` as Go's client writes it. */
export function filtersQuery(filters: Readonly<Record<string, readonly string[]>>): string {
  const sets = Object.fromEntries(
    Object.entries(filters).map(([key, values]) => [key, Object.fromEntries(values.map((value) => [value, true]))]),
  );
  return `filters=${encodeURIComponent(JSON.stringify(sets))}`;
}
