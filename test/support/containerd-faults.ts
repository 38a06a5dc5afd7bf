import { once } from 'node:events';
import { rmSync } from 'node:fs';
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import type { TestHost } from './host.ts';

/** What is done to one call. `lost`: containerd does it, and its answer does not arrive. */
export interface Fault {
  /** Counted from 0. */
  readonly at: number;
  readonly how: 'refused' | 'lost';
  /** Called when the call arrives, before anything is done with it. */
  readonly meanwhile?: () => void;
}

const INTERNAL = '13';
/** What is open all the time, or changes nothing and is repeated. */
const NOT_COUNTED = /\/(Subscribe|Wait|Version)$/;

/** Stands between the daemon and the containerd that it started, and spoils one call of it (gRPC over HTTP/2). */
export class ContainerdFaults implements AsyncDisposable {
  /** For the daemon's `--containerd`. */
  static readonly SOCKET = '/run/fairway/faults.sock';
  readonly #server: Http2Server = createServer();
  readonly #sessions = new Set<{ destroy(): void }>();
  readonly #upstream: string;
  #fault: Fault | undefined;
  #count = 0;
  #struck: string | undefined;

  private constructor(host: TestHost) {
    this.#upstream = join(host.directory, 'run/fairway/containerd/containerd.sock');
    this.#server.on('session', (session) => {
      const upstream = connect('http://containerd', { createConnection: () => connectSocket(this.#upstream) });
      for (const [one, other] of [
        [session, upstream],
        [upstream, session],
      ] as const) {
        this.#sessions.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          this.#sessions.delete(one);
          other.destroy();
        });
      }
      session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
        this.#call(upstream, stream, headers),
      );
    });
  }

  static async start(host: TestHost): Promise<ContainerdFaults> {
    const faults = new ContainerdFaults(host);
    const path = join(host.directory, ContainerdFaults.SOCKET);
    rmSync(path, { force: true });
    faults.#server.listen(path);
    await once(faults.#server, 'listening');
    return faults;
  }

  /** From now on calls are counted, and the one that is meant is spoilt. */
  arm(fault?: Fault): void {
    this.#fault = fault;
    this.#count = 0;
    this.#struck = undefined;
  }

  /** How many calls there were, and which was spoilt. */
  disarm(): { readonly count: number; readonly struck: string | undefined } {
    this.#fault = undefined;
    return { count: this.#count, struck: this.#struck };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const session of [...this.#sessions]) session.destroy();
    await closed;
  }

  #call(upstream: ClientHttp2Session, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => {});
    const path = String(headers[':path']);
    const fault = this.#faultOf(path);
    fault?.meanwhile?.();
    if (fault?.how === 'refused') {
      fail(stream, path);
      return;
    }
    const call = upstream.request(headers);
    call.on('error', () => stream.close());
    stream.on('close', () => call.close());
    stream.pipe(call);
    if (fault?.how === 'lost') {
      call.resume();
      call.on('end', () => fail(stream, path));
      return;
    }
    let trailers: IncomingHttpHeaders = {};
    call.on('trailers', (found) => {
      trailers = found;
    });
    call.on('response', ({ ...response }, flags) => {
      // With nothing but a status it is one frame of headers (END_STREAM).
      if ((flags & 1) !== 0) {
        stream.respond(response, { endStream: true });
        return;
      }
      stream.respond(response, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(plain(trailers)));
      call.pipe(stream);
    });
  }

  #faultOf(path: string): Fault | undefined {
    if (NOT_COUNTED.test(path)) return undefined;
    const at = this.#count;
    this.#count += 1;
    if (at !== this.#fault?.at) return undefined;
    this.#struck = path.slice(path.lastIndexOf('.') + 1);
    return this.#fault;
  }
}

function fail(stream: ServerHttp2Stream, path: string): void {
  if (stream.destroyed) return;
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': INTERNAL,
      'grpc-message': `spoilt by the test: ${path}`,
    },
    { endStream: true },
  );
}

/** Without what Node adds for itself. */
function plain(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
