/** What a failure is to the caller; `api/` turns it into a status, the CLI into an exit code. */
export type ErrorKind =
  | 'notFound'
  | 'conflict'
  | 'invalid'
  | 'forbidden'
  | 'unauthorized'
  | 'unsupported'
  | 'unavailable'
  | 'notModified'
  | 'internal';

export interface FairwayErrorOptions {
  /** Stable, for programs: `network_not_found`. Never shown in place of the message. */
  readonly code: string;
  readonly kind: ErrorKind;
  readonly cause?: unknown;
}

/** The one error type that crosses a layer. Messages are lower case so that they chain. */
export class FairwayError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;

  constructor(message: string, options: FairwayErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'FairwayError';
    this.code = options.code;
    this.kind = options.kind;
  }
}

/** Thrown by feature probes: the message names what this kernel lacks (`CONFIG_IPVLAN`, …). */
export class UnsupportedError extends FairwayError {
  /** The kernel option or host program that is missing. */
  readonly missing: string;

  constructor(message: string, missing: string, cause?: unknown) {
    super(message, { code: 'unsupported', kind: 'unsupported', cause });
    this.name = 'UnsupportedError';
    this.missing = missing;
  }
}

function maker(kind: ErrorKind): (code: string, message: string, cause?: unknown) => FairwayError {
  return (code, message, cause) => new FairwayError(message, { code, kind, cause });
}

export const notFound = maker('notFound');
export const conflict = maker('conflict');
export const invalid = maker('invalid');
export const forbidden = maker('forbidden');
export const unavailable = maker('unavailable');
export const internal = maker('internal');
export const unauthorized = maker('unauthorized');

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isKind(error: unknown, kind: ErrorKind): error is FairwayError {
  return error instanceof FairwayError && error.kind === kind;
}

/** For what may be gone already: undefined instead of an error of kind `notFound`. */
export async function ifFound<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  }
}

/** Says in the type that a branch cannot be reached; at run time it throws. */
export function unreachable(value: never): never {
  throw internal('unreachable', `unexpected value ${JSON.stringify(value)}`);
}
