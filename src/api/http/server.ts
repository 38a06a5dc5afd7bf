import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Log, nodeHttp, silentLog } from '../../base/index.ts';
import { admitAfterLook } from './admission.ts';
import { assertTransferEncoding, readJson } from './body.ts';
import { HttpError, wireError } from './errors.ts';
import { preambleOf, runHijack } from './hijack.ts';
import { ChunkedReply, encodeBody, errorAnswer, sendAnswer } from './reply.ts';
import { type Answer, type Call, type Hijack, type HijackKind, isHijack, type Route } from './route.ts';
import { type Match, Router } from './router.ts';
import { MAX_VERSION, splitVersion, versionText } from './version.ts';
import { runWebSocket } from './websocket.ts';

export interface HttpApiOptions {
  /** For the Server header. */
  readonly productVersion: string;
  readonly experimental?: boolean;
  /** A client that does not say what it wants for so long is sent away; default 5 minutes, as dockerd's. */
  readonly headerTimeoutMs?: number;
  readonly log?: Log;
}

const HEADER_TIMEOUT_MS = 300_000;

/** Serves a route table on connections that somebody else accepts. */
export class HttpApi {
  readonly #router: Router;
  readonly #http: Server;
  readonly #log: Log;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #headerTimeoutMs: number;
  readonly #sockets = new Set<Socket>();
  /** Connections whose client did not ask for the upgrade that we put into its request. */
  readonly #raw = new WeakSet<Socket>();

  constructor(routes: readonly Route[], options: HttpApiOptions) {
    this.#router = new Router(routes);
    this.#log = options.log ?? silentLog;
    this.#headers = {
      'Api-Version': versionText(MAX_VERSION),
      'Docker-Experimental': String(options.experimental ?? false),
      Ostype: 'linux',
      Server: `Fairway/${options.productVersion} (linux)`,
    };
    this.#headerTimeoutMs = options.headerTimeoutMs ?? HEADER_TIMEOUT_MS;
    this.#http = nodeHttp().createServer({
      requestTimeout: 0,
      headersTimeout: this.#headerTimeoutMs,
      connectionsCheckingInterval: Math.min(this.#headerTimeoutMs, 30_000),
      keepAliveTimeout: 0,
      // An upgrade that is not for one of our own streams (h2c of a build session) is answered as a plain request.
      shouldUpgradeCallback: (req) => this.#takesOver(req),
    });
    this.#http.on('request', (req, res) => void this.#onRequest(req, res));
    this.#http.on('upgrade', (req, stream, head) => void this.#onUpgrade(req, stream, head));
    this.#http.on('clientError', (_error, stream) => refuse(stream, 400, 'malformed HTTP request'));
    // Somebody else listens; the server begins to watch the time of its connections when it hears of it.
    this.#http.emit('listening');
  }

  /** Takes a connection over. It must have been accepted with `allowHalfOpen`. */
  accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const slow = setTimeout(() => socket.destroy(), this.#headerTimeoutMs).unref();
    socket.once('close', () => clearTimeout(slow));
    admitAfterLook(socket, (raw) => {
      clearTimeout(slow);
      if (raw) this.#raw.add(socket);
      this.#http.emit('connection', socket);
    });
  }

  /** Breaks what is still open. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#http.close();
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  #takesOver(req: IncomingMessage): boolean {
    try {
      return this.#match(req).match.route.hijack !== undefined;
    } catch {
      return false;
    }
  }

  #match(req: IncomingMessage): { readonly match: Match; readonly version: number; readonly query: URLSearchParams } {
    assertTransferEncoding(req.headers);
    const target = req.url ?? '/';
    const mark = target.indexOf('?');
    const { version, rest } = splitVersion(mark < 0 ? target : target.slice(0, mark));
    const match = this.#router.match(req.method ?? 'GET', rest, version);
    return { match, version, query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)) };
  }

  async #onRequest(req: IncomingMessage, res: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(this.#headers)) res.setHeader(name, value);
    const gone = new AbortController();
    res.once('close', () => {
      if (!res.writableFinished) gone.abort();
    });
    try {
      const { match, version, query } = this.#match(req);
      if (match.route.websocket) throw new HttpError(400, 'not websocket protocol');
      const call = makeCall(req, res, { match, version, query, signal: gone.signal });
      const result = await run(match.route, call);
      if (result === undefined) res.end();
      else if (isHijack(result)) await this.#takeOver(req, result);
      else await sendAnswer(res, result);
    } catch (error) {
      await this.#fail(req, res, error);
    }
  }

  async #fail(req: IncomingMessage, res: ServerResponse, error: unknown): Promise<void> {
    const wire = wireError(error);
    const fields = { method: req.method, url: req.url, status: wire.status, reason: wire.message };
    if (wire.status >= 500 && !res.destroyed) this.#log.error({ ...fields, err: error }, 'a request failed');
    else this.#log.debug(fields, 'a request was refused');
    if (res.headersSent || res.destroyed) {
      res.destroy();
      return;
    }
    await sendAnswer(res, errorAnswer(wire));
  }

  /** The request was not the first of its connection and had no Upgrade header. */
  async #takeOver(req: IncomingMessage, hijack: Hijack): Promise<void> {
    await bodyEnd(req);
    const { socket } = req;
    for (const event of ['data', 'end', 'drain', 'error', 'timeout']) socket.removeAllListeners(event);
    socket.setTimeout(0);
    const preamble = preambleOf(kindOf(hijack), false, this.#headers);
    await runHijack({ stream: socket, head: Buffer.alloc(0), preamble }, hijack);
  }

  async #onUpgrade(req: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    const gone = new AbortController();
    stream.on('error', () => gone.abort());
    stream.once('close', () => gone.abort());
    let accepted = false;
    const upgraded = !this.#raw.has(req.socket);
    const accept = (kind: HijackKind): void => {
      accepted = true;
      stream.write(preambleOf(kind, upgraded, this.#headers));
    };
    try {
      const { match, version, query } = this.#match(req);
      const call = { ...makeCall(req, undefined, { match, version, query, signal: gone.signal }), accept };
      const result = await run(match.route, call);
      await bodyEnd(req);
      if (result !== undefined && isHijack(result)) {
        const preamble = accepted ? '' : preambleOf(kindOf(result), upgraded, this.#headers);
        if (stream.destroyed) result.session.detach();
        else if (match.route.websocket) await runWebSocket({ req, stream, head }, result);
        else await runHijack({ stream, head, preamble }, result);
        return;
      }
      this.#answerUpgrade(stream, result ?? { status: 204 });
    } catch (error) {
      if (accepted) stream.destroy();
      else this.#answerUpgrade(stream, errorAnswer(wireError(error)));
    }
  }

  /** A plain answer on a connection that already left the HTTP parser. */
  #answerUpgrade(stream: Duplex, answer: Answer): void {
    if (stream.destroyed) return;
    const { bytes = Buffer.alloc(0), type } = encodeBody(answer.body);
    const lines = [
      `HTTP/1.1 ${answer.status} ${nodeHttp().STATUS_CODES[answer.status] ?? ''}`,
      ...Object.entries(this.#headers).map(([name, value]) => `${name}: ${value}`),
      ...(type === '' ? [] : [`Content-Type: ${type}`]),
      `Content-Length: ${bytes.length}`,
      'Connection: close',
    ];
    stream.resume();
    stream.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes]), () => stream.destroy());
  }
}

function kindOf({ session, multiplexedType }: Hijack): HijackKind {
  return { tty: session.tty, multiplexedType };
}

interface Matched {
  readonly match: Match;
  readonly version: number;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

function makeCall(req: IncomingMessage, res: ServerResponse | undefined, matched: Matched): Call {
  const { match, version, query, signal } = matched;
  return {
    method: req.method ?? 'GET',
    version,
    params: match.params,
    query,
    headers: req.headers,
    body: req,
    signal,
    json: (schema) => readJson(req, req.headers, schema),
    stream: (contentType, headers) => {
      if (!res) throw new HttpError(400, 'this request cannot be upgraded');
      return new ChunkedReply(res, contentType, headers);
    },
  };
}

function run(route: Route, call: Call): Promise<Answer | Hijack | undefined> {
  if (route.hijack) return route.hijack(call);
  if (route.handle) return route.handle(call);
  return Promise.resolve(undefined);
}

/** Until the body is through, the bytes on the wire are HTTP's. */
function bodyEnd(req: IncomingMessage): Promise<void> {
  if (req.complete || req.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    req.once('end', resolve);
    req.once('close', resolve);
    req.resume();
  });
}

function refuse(stream: Duplex, status: number, message: string): void {
  if (!stream.writable) {
    stream.destroy();
    return;
  }
  const body = `${JSON.stringify({ message })}\n`;
  const head = `HTTP/1.1 ${status} ${nodeHttp().STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\nConnection: close\r\n`;
  stream.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => stream.destroy());
}
