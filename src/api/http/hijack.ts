import type { Duplex, Readable } from 'node:stream';
import type { Hijack, HijackKind } from './route.ts';
import { frameHeader, STREAM_STDERR, STREAM_STDOUT } from './stdcopy.ts';

/** How long a client may keep its half of a connection open after everything was sent. */
const LINGER_MS = 1000;

export interface HijackedConnection {
  readonly stream: Duplex;
  /** Bytes that arrived together with the request; already the container's. */
  readonly head: Buffer;
  /** Status line and headers, ready to send; empty when they were sent. */
  readonly preamble: string;
}

/** The head of the answer: 101 for a client that asked to upgrade, 200 for an old one. */
export function preambleOf(kind: HijackKind, upgraded: boolean, headers: Readonly<Record<string, string>>): string {
  const framed = kind.multiplexedType && !kind.tty;
  const type = `application/vnd.docker.${framed ? 'multiplexed' : 'raw'}-stream`;
  const lines = upgraded
    ? ['HTTP/1.1 101 UPGRADED', `Content-Type: ${type}`, 'Connection: Upgrade', 'Upgrade: tcp']
    : ['HTTP/1.1 200 OK', `Content-Type: ${type}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/**
 * Joins the connection and the session until the session's output ends. The client's half-close ends the container's
 * stdin only; output goes on. A connection that breaks leaves the session.
 */
export async function runHijack(connection: HijackedConnection, hijack: Hijack): Promise<void> {
  const { stream, head, preamble } = connection;
  const { session } = hijack;
  const leave = (): void => {
    session.detach();
  };
  stream.on('error', leave);
  stream.once('close', leave);
  if (preamble !== '') stream.write(preamble);
  if (session.stdin) {
    const { stdin } = session;
    stdin.on('error', () => stream.unpipe(stdin));
    if (head.length > 0) stdin.write(head);
    stream.pipe(stdin);
    stdin.once('close', () => stream.resume());
  } else {
    stream.resume();
  }
  const outputs: Promise<void>[] = [];
  if (session.stdout) outputs.push(copy(session.stdout, stream, session.tty ? undefined : STREAM_STDOUT));
  if (session.stderr) outputs.push(copy(session.stderr, stream, session.tty ? undefined : STREAM_STDERR));
  if (outputs.length > 0) await Promise.all(outputs);
  else if (session.stdin) await ended(session.stdin, stream);
  finish(stream);
  leave();
}

async function copy(from: Readable, to: Duplex, framed: number | undefined): Promise<void> {
  try {
    for await (const chunk of from) {
      const payload = chunk as Buffer;
      if (to.destroyed) return;
      // Both parts are queued in one go: nothing of the other stream can come between them.
      if (framed !== undefined) to.write(frameHeader(framed, payload.length));
      if (!to.write(payload)) await drained(to);
    }
  } catch {
    // The session broke off; what was read has been sent.
  }
}

function drained(stream: Duplex): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

/** A session with stdin alone lasts until either side ends it. */
function ended(stdin: NodeJS.WritableStream, stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    stdin.once('close', resolve);
    stdin.once('finish', resolve);
    stream.once('close', resolve);
  });
}

/** Says that there is no more. The connection goes when the client ends its half, or a while after the last byte went out. */
function finish(stream: Duplex): void {
  if (stream.destroyed) return;
  stream.resume();
  stream.end(() => {
    if (stream.readableEnded) {
      stream.destroy();
      return;
    }
    const timer = setTimeout(() => stream.destroy(), LINGER_MS);
    timer.unref();
    stream.once('close', () => clearTimeout(timer));
    stream.once('end', () => stream.destroy());
  });
}
