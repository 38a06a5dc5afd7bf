// A daemon made of one function, on a unix socket in a folder of its own: for the tests of the client and of the
// command line. It keeps what was asked. Not part of the program.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

export interface Asked {
  readonly method: string;
  /** Without the version's prefix and the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly version: string;
  readonly body: string;
}

export interface Answer {
  readonly status?: number;
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
  /** Sent in place of `body`, with the response left to the function. */
  readonly stream?: (response: ServerResponse) => void;
}

export interface FakeDaemonOptions {
  /** Undefined is a 404 in the words of the daemon. */
  readonly answer: (asked: Asked) => Answer | undefined | Promise<Answer | undefined>;
  /** What takes part in a connection that was taken over. `input` resolves with all that the client sent. */
  readonly talk?: (asked: Asked, talk: Talk) => void | Promise<void>;
  readonly apiVersion?: string;
}

export interface Talk {
  readonly socket: Duplex;
  /** Resolves when the client has ended its side. */
  readonly input: Promise<string>;
  /** Writes a frame; stream 1 is stdout, 2 is stderr. */
  frame(stream: number, text: string): void;
}

export class FakeDaemon implements AsyncDisposable {
  readonly host: string;
  readonly asked: Asked[] = [];
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(folder: string, options: FakeDaemonOptions) {
    this.#folder = folder;
    this.host = `unix://${join(folder, 'daemon.sock')}`;
    this.#server = createServer((request, response) => {
      this.#serve(request, response, options).catch((error: unknown) => response.destroy(error as Error));
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, { socket, head, options }).catch(() => socket.destroy());
    });
  }

  static async start(options: FakeDaemonOptions): Promise<FakeDaemon> {
    const folder = await mkdtemp(join(tmpdir(), 'fairway-fake-'));
    const daemon = new FakeDaemon(folder, options);
    await new Promise<void>((resolve, reject) => {
      daemon.#server.once('error', reject);
      daemon.#server.listen(join(folder, 'daemon.sock'), resolve);
    });
    return daemon;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** `METHOD path` of every call but the pings. */
  get calls(): string[] {
    return this.asked.filter(({ path }) => path !== '/_ping').map(({ method, path }) => `${method} ${path}`);
  }

  async #serve(request: IncomingMessage, response: ServerResponse, options: FakeDaemonOptions): Promise<void> {
    const asked = describe(request, await readAll(request));
    this.asked.push(asked);
    response.setHeader('Api-Version', options.apiVersion ?? '1.51');
    if (asked.path === '/_ping') {
      response.end(asked.method === 'HEAD' ? undefined : 'OK');
      return;
    }
    const answer = (await options.answer(asked)) ?? { status: 404, body: { message: `No such thing: ${asked.path}` } };
    response.statusCode = answer.status ?? 200;
    if (answer.stream !== undefined) answer.stream(response);
    else if (typeof answer.body === 'string') response.end(answer.body);
    else response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  }

  async #upgrade(
    request: IncomingMessage,
    what: { socket: Duplex; head: Buffer; options: FakeDaemonOptions },
  ): Promise<void> {
    const { socket, options } = what;
    // Node's request still carries the body; the stream begins after it.
    const asked = describe(request, await readAll(request));
    const reader = new SocketReader(socket, what.head);
    this.asked.push(asked);
    const answer = await options.answer(asked);
    if (answer !== undefined && (answer.status ?? 200) >= 400) {
      const body = JSON.stringify(answer.body);
      socket.end(`HTTP/1.1 ${answer.status} Failed\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
      return;
    }
    socket.write(
      'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n' +
        'Content-Type: application/vnd.docker.multiplexed-stream\r\n\r\n',
    );
    const frame = (stream: number, text: string): void => {
      const header = Buffer.alloc(8);
      header.writeUInt8(stream, 0);
      header.writeUInt32BE(Buffer.byteLength(text), 4);
      socket.write(Buffer.concat([header, Buffer.from(text)]));
    };
    await options.talk?.(asked, { socket, input: reader.rest(), frame });
  }
}

class SocketReader {
  #bytes: Buffer;
  #ended = false;
  #wake: () => void = () => {};

  constructor(socket: Duplex, head: Buffer) {
    this.#bytes = head;
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    socket.on('error', () => {});
    for (const event of ['end', 'close'] as const) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  async rest(): Promise<string> {
    while (!this.#ended) await this.#more();
    return this.#bytes.toString();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function describe(request: IncomingMessage, body: string): Asked {
  const url = new URL(request.url ?? '/', 'http://daemon');
  const match = /^\/v([\d.]+)(\/.*)$/.exec(url.pathname);
  return {
    method: request.method ?? '',
    path: match?.[2] ?? url.pathname,
    query: url.searchParams,
    version: match?.[1] ?? '',
    body,
  };
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
