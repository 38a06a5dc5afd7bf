import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { WireError } from './errors.ts';
import type { Answer, ReplyStream } from './route.ts';

/** Sends an answer as a whole. */
export async function sendAnswer(res: ServerResponse, answer: Answer): Promise<void> {
  const { status, headers = {}, body } = answer;
  if (body instanceof Readable) {
    res.writeHead(status, headers);
    await pipeline(body, res);
    return;
  }
  const { bytes, type } = encodeBody(body);
  if (bytes === undefined) {
    res.writeHead(status, headers);
    res.end();
    return;
  }
  res.writeHead(status, { 'Content-Type': type, 'Content-Length': bytes.length, ...headers });
  res.end(bytes);
}

/** A string goes as it is, anything else as JSON with Docker's final line end. */
export function encodeBody(body: unknown): { readonly bytes?: Buffer; readonly type: string } {
  if (body === undefined) return { type: '' };
  if (typeof body === 'string') return { bytes: Buffer.from(body), type: 'text/plain; charset=utf-8' };
  return { bytes: Buffer.from(`${JSON.stringify(body)}\n`), type: 'application/json' };
}

export function errorAnswer({ status, message }: WireError): Answer {
  if (status === 304) return { status };
  return { status, body: { message } };
}

/** A chunked body. Writing waits for a slow client and never fails: one who has gone is told of by the call's signal. */
export class ChunkedReply implements ReplyStream {
  readonly #res: ServerResponse;

  constructor(res: ServerResponse, contentType: string, headers: Readonly<Record<string, string>> = {}) {
    this.#res = res;
    res.writeHead(200, { 'Content-Type': contentType, ...headers });
    res.flushHeaders();
  }

  json(value: unknown): Promise<void> {
    return this.write(`${JSON.stringify(value)}\n`);
  }

  write(chunk: string | Uint8Array): Promise<void> {
    const res = this.#res;
    if (res.destroyed || res.write(chunk)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        res.off('drain', done);
        res.off('close', done);
        resolve();
      };
      res.on('drain', done);
      res.on('close', done);
    });
  }
}
