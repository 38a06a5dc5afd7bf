import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';

export interface TestAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** The decoded body. */
  readonly json: unknown;
}

export interface TestRequest {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: http.Agent;
}

/** One request over the socket. A string or buffer goes as it is, anything else as JSON. */
export async function send(
  socketPath: string,
  method: string,
  path: string,
  request: TestRequest = {},
): Promise<TestAnswer> {
  const { body, agent } = request;
  const raw = typeof body === 'string' || Buffer.isBuffer(body);
  const bytes = body === undefined ? undefined : raw ? body : JSON.stringify(body);
  const headers = {
    ...(bytes === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(bytes) }),
    ...request.headers,
  };
  const call = http.request({ socketPath, method, path, headers, ...(agent ? { agent } : {}) });
  call.end(bytes);
  const [response] = (await once(call, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode ?? 0, headers: response.headers, text, json: decode(text) };
}

function decode(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A bare connection: what is written goes out as it is, what arrives is collected. */
export class RawConnection {
  readonly socket: net.Socket;
  #chunks: Buffer[] = [];
  #ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(socketPath: string) {
    this.socket = net.connect({ path: socketPath, allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    const over = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.socket.on('end', over);
    this.socket.on('close', over);
    this.socket.on('error', over);
  }

  get received(): Buffer {
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  write(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** Until what arrived holds the text; fails when the connection ends without it. */
  async until(text: string): Promise<string> {
    while (!this.received.includes(text)) {
      if (this.#ended) throw new Error(`the connection ended after: ${this.received}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return this.received.toString('latin1');
  }

  /** Everything, once the other side has ended. */
  async end(): Promise<Buffer> {
    while (!this.#ended) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    this.socket.destroy();
    return this.received;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
