import { Agent, request } from 'node:http';

/** The Engine API over one kept-alive connection, without a client library in the way. */
export class Api {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  readonly #socketPath: string;
  readonly #version: string;
  readonly #patienceMs: number;
  #closed = false;

  /** A call fails that has no answer after `patienceMs`. */
  constructor(socketPath: string, version = 'v1.47', patienceMs = 120_000) {
    this.#socketPath = socketPath;
    this.#version = version;
    this.#patienceMs = patienceMs;
  }

  call(method: string, path: string, body?: unknown): Promise<unknown> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new Error(`${method} ${path}: closed`);
      const call = request(
        {
          agent: this.#agent,
          socketPath: this.#socketPath,
          method,
          path: `/${this.#version}${path}`,
          timeout: this.#patienceMs,
          headers:
            text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const answer = Buffer.concat(chunks).toString();
            if ((response.statusCode ?? 500) >= 400)
              reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`));
            else if (!response.headers['content-type']?.startsWith('application/json') || answer === '')
              resolve(undefined);
            else resolve(parsed(answer));
          });
        },
      );
      call.on('error', (error: NodeJS.ErrnoException) => {
        // The server ended the connection after its idle time, just as we took it up again.
        if (!this.#closed && call.reusedSocket && error.code === 'ECONNRESET') resolve(this.call(method, path, body));
        else reject(error);
      });
      call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer for ${this.#patienceMs} ms`)));
      call.end(text);
    });
  }

  /** Reads an answer to its end and forgets it. */
  drain(method: string, path: string, body: unknown): Promise<void> {
    const text = JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
      const call = request(
        { socketPath: this.#socketPath, method, path: `/${this.#version}${path}`, headers },
        (response) => {
          response.resume();
          response.on('end', resolve);
        },
      );
      call.on('error', reject);
      call.end(text);
    });
  }

  async create(name: string, network: string, cmd: readonly string[] = ['sleep', '600']): Promise<string> {
    const body = { Image: 'busybox', Cmd: cmd, HostConfig: { NetworkMode: network } };
    return ((await this.call('POST', `/containers/create?name=${name}`, body)) as { Id: string }).Id;
  }

  async run(name: string, network: string, cmd?: readonly string[]): Promise<number> {
    const id = await this.create(name, network, cmd);
    await this.call('POST', `/containers/${id}/start`);
    return ((await this.call('GET', `/containers/${id}/json`)) as { State: { Pid: number } }).State.Pid;
  }

  async remove(name: string): Promise<void> {
    await this.call('DELETE', `/containers/${name}?force=1`);
  }

  /** Calls under way fail, and all that come later. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }
}

/** podman calls a plain `OK` JSON. */
function parsed(answer: string): unknown {
  try {
    return JSON.parse(answer);
  } catch {
    return answer;
  }
}
