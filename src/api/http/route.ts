import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type * as v from 'valibot';
import type { StreamSession } from '../../containers/contract.ts';

/** Everything a handler may know of the request it answers. */
export interface Call {
  readonly method: string;
  /** The N of API 1.N. */
  readonly version: number;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The raw body, for archives. */
  readonly body: Readable;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** The decoded body, `undefined` when empty. */
  json<S extends v.GenericSchema>(schema: S): Promise<v.InferOutput<S> | undefined>;
  /** Sends the head of a hijacked answer before the session exists. Absent when the client did not ask to upgrade. */
  readonly accept?: (kind: HijackKind) => void;
  /** Sends the headers now and gives the body bit by bit. */
  stream(contentType: string, headers?: Readonly<Record<string, string>>): ReplyStream;
}

/** A body that is written while it becomes known. */
export interface ReplyStream {
  /** Resolves when more may be written; at once when the client has gone. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** One JSON value and a line end. */
  json(value: unknown): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, unless it is a string or a stream. Absent: no body. */
  readonly body?: unknown;
}

export interface HijackKind {
  readonly tty: boolean;
  /** From 1.42 on clients are told by the media type whether the stream is framed. */
  readonly multiplexedType: boolean;
}

/** The connection stops being HTTP and becomes the container's. */
export interface Hijack {
  readonly session: StreamSession;
  readonly multiplexedType: boolean;
}

export type Handler = (call: Call) => Promise<Answer | undefined>;
export type HijackHandler = (call: Call) => Promise<Answer | Hijack>;

export interface Route {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** `/networks/:id`; `:name*` takes slashes too. */
  readonly path: string;
  readonly handle?: Handler;
  readonly hijack?: HijackHandler;
  /** The connection becomes a WebSocket when it is taken over. */
  readonly websocket?: boolean;
  /** First API version that has it. */
  readonly since?: number;
}

export function ok(body: unknown, status = 200): Answer {
  return { status, body };
}

export function noContent(): Answer {
  return { status: 204 };
}

export function isHijack(result: Answer | Hijack): result is Hijack {
  return 'session' in result;
}
