import type { Readable } from 'node:stream';
import { FrameSplitter, type Hijacked } from '../../client/index.ts';
import type { Input, Output } from '../grammar/index.ts';
import { DetachFilter } from './detach-keys.ts';

export interface ConversationStreams {
  /** Absent when the container's stdin is not ours. */
  readonly stdin?: Input | undefined;
  readonly stdout?: Output | undefined;
  readonly stderr?: Output | undefined;
}

export interface ConversationOptions {
  readonly tty: boolean;
  /** With a terminal, the keys that leave the container running. */
  readonly detachKeys?: Buffer | undefined;
}

export type Ending = 'ended' | 'detached';

/**
 * Carries bytes between our streams and a taken-over connection until the other side ends or the user detaches.
 * The terminal is raw meanwhile and is restored in every case.
 */
export async function converse(
  connection: Hijacked,
  streams: ConversationStreams,
  options: ConversationOptions,
): Promise<Ending> {
  const { stdin } = streams;
  const raw = options.tty && stdin?.isTTY === true && stdin.setRawMode !== undefined;
  if (raw) stdin.setRawMode?.(true);
  const restore = (): void => {
    if (raw) stdin.setRawMode?.(false);
  };
  process.once('exit', restore);
  try {
    const detached = feed(connection, stdin, options);
    const ended = drain(connection.readable, streams, connection.raw && options.tty).then((): Ending => 'ended');
    return await Promise.race([ended, detached]);
  } finally {
    process.removeListener('exit', restore);
    restore();
    stdin?.pause();
    connection.close();
  }
}

/** Sends our input on and half-closes at its end. Resolves only when the user detaches. */
function feed(connection: Hijacked, stdin: Input | undefined, options: ConversationOptions): Promise<Ending> {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  connection.writable.on('error', () => {});
  if (stdin === undefined) {
    connection.writable.end();
    return promise;
  }
  const filter = options.tty && options.detachKeys !== undefined ? new DetachFilter(options.detachKeys) : undefined;
  stdin.on('data', (chunk: Buffer | string) => {
    const typed = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const { pass, detached } = filter?.push(typed) ?? { pass: typed, detached: false };
    if (pass.length > 0 && connection.writable.writable && !connection.writable.write(pass)) {
      stdin.pause();
      connection.writable.once('drain', () => stdin.resume());
    }
    if (detached) resolve('detached');
  });
  stdin.once('end', () => connection.writable.end());
  stdin.resume();
  return promise;
}

/** Writes a stream of the daemon to ours, taking frames apart unless it is `raw`. */
export async function drain(readable: Readable, streams: ConversationStreams, raw: boolean): Promise<void> {
  const splitter = new FrameSplitter((name, bytes) => streams[name]?.write(bytes));
  for await (const chunk of readable) {
    if (raw) streams.stdout?.write(chunk);
    else splitter.push(chunk);
    await flushed(streams.stdout);
  }
  if (splitter.failure !== undefined) throw new Error(`error from daemon in stream: ${splitter.failure}`);
}

async function flushed(output: Output | undefined): Promise<void> {
  if (output === undefined || !output.writableNeedDrain || output.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      output.removeListener('drain', done);
      output.removeListener('close', done);
      resolve();
    };
    output.once('drain', done);
    output.once('close', done);
  });
}
