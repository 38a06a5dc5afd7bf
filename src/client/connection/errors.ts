import { type ErrorKind, FairwayError } from '../../base/index.ts';

const KINDS: Readonly<Record<number, ErrorKind>> = {
  304: 'notModified',
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'notFound',
  409: 'conflict',
  501: 'unsupported',
  503: 'unavailable',
};

/** The daemon answered with a failure; `message` is the daemon's own text. */
export class ResponseError extends FairwayError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message, { code: `http_${status}`, kind: KINDS[status] ?? 'internal' });
    this.name = 'ResponseError';
    this.status = status;
  }
}

/** No daemon could be reached at `host`. */
export class ConnectionError extends FairwayError {
  readonly host: string;

  constructor(host: string, message: string, cause: unknown) {
    super(message, { code: 'connection_failed', kind: 'unavailable', cause });
    this.name = 'ConnectionError';
    this.host = host;
  }
}

/** Turns what the socket layer threw into a sentence that says what to do. */
export function connectionError(host: string, cause: unknown): ConnectionError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'EACCES' || code === 'EPERM') {
    return new ConnectionError(
      host,
      `permission denied while trying to connect to the Fairway daemon at ${host}`,
      cause,
    );
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new ConnectionError(
      host,
      `Cannot connect to the Fairway daemon at ${host}. Is the fairway daemon running?`,
      cause,
    );
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ConnectionError(host, `error during connect to ${host}: ${reason}`, cause);
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ResponseError && error.status === 404;
}
