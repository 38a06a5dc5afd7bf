import * as v from 'valibot';
import { type ErrorKind, FairwayError, messageOf } from '../../base/index.ts';

const STATUS: Readonly<Record<ErrorKind, number>> = {
  notFound: 404,
  conflict: 409,
  invalid: 400,
  forbidden: 403,
  unauthorized: 401,
  unsupported: 501,
  unavailable: 503,
  notModified: 304,
  internal: 500,
};

/** A failure of HTTP itself, before any handler of ours has a say. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
  }
}

export interface WireError {
  readonly status: number;
  readonly message: string;
}

/** What a client is told: a status and one line of text. Never a stack. */
export function wireError(error: unknown): WireError {
  if (error instanceof HttpError) return { status: error.status, message: error.message };
  if (error instanceof FairwayError) return { status: STATUS[error.kind], message: error.message };
  if (v.isValiError(error)) return { status: 400, message: messageOf(error) };
  if (error instanceof AggregateError) {
    const kinds = error.errors.map((one) => wireError(one).status);
    return { status: kinds.every((status) => status === kinds[0]) ? (kinds[0] ?? 500) : 500, message: error.message };
  }
  return { status: 500, message: messageOf(error) };
}

export function pageNotFound(): HttpError {
  return new HttpError(404, 'page not found');
}
