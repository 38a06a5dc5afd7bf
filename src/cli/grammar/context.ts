import type { Readable, Writable } from 'node:stream';
import type { Client } from '../../client/index.ts';

/** A writable that may be a terminal. */
export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export interface Input extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(on: boolean): unknown;
}

/** What a command may touch. Tests hand in their own. */
export interface Context {
  readonly client: Client;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch. */
  now(): number;
}

export function print(context: Context, line: string): void {
  context.stdout.write(`${line}\n`);
}

export function warn(context: Context, line: string): void {
  context.stderr.write(`${line}\n`);
}

/** Ends the program with `code`; an empty message prints nothing. */
export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly code: number;

  constructor(code: number, message = '') {
    super(message);
    this.code = code;
  }
}
