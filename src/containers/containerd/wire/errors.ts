import { type ErrorKind, FairwayError } from '../../../base/index.ts';

/** The gRPC status codes that containerd answers with. */
export const GRPC = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

const KINDS: Readonly<Record<number, { kind: ErrorKind; code: string }>> = {
  [GRPC.CANCELLED]: { kind: 'unavailable', code: 'containerd_cancelled' },
  [GRPC.INVALID_ARGUMENT]: { kind: 'invalid', code: 'containerd_invalid' },
  [GRPC.DEADLINE_EXCEEDED]: { kind: 'unavailable', code: 'containerd_timeout' },
  [GRPC.NOT_FOUND]: { kind: 'notFound', code: 'containerd_not_found' },
  [GRPC.ALREADY_EXISTS]: { kind: 'conflict', code: 'containerd_exists' },
  [GRPC.PERMISSION_DENIED]: { kind: 'forbidden', code: 'containerd_forbidden' },
  [GRPC.FAILED_PRECONDITION]: { kind: 'conflict', code: 'containerd_precondition' },
  [GRPC.ABORTED]: { kind: 'conflict', code: 'containerd_aborted' },
  [GRPC.OUT_OF_RANGE]: { kind: 'invalid', code: 'containerd_out_of_range' },
  [GRPC.UNIMPLEMENTED]: { kind: 'unsupported', code: 'containerd_unimplemented' },
  [GRPC.UNAVAILABLE]: { kind: 'unavailable', code: 'containerd_unavailable' },
};

/** An answer of containerd that is not success. `details` is its text alone, without our own words around it. */
export class ContainerdError extends FairwayError {
  readonly details: string;
  readonly grpcCode: number;

  constructor(message: string, details: string, grpcCode: number, cause: unknown) {
    super(message, { ...(KINDS[grpcCode] ?? { kind: 'internal', code: 'containerd_error' }), cause });
    this.name = 'ContainerdError';
    this.details = details;
    this.grpcCode = grpcCode;
  }
}

interface StatusLike {
  readonly code: number;
  readonly details: string;
}

function isStatus(error: unknown): error is StatusLike {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string'
  );
}

// containerd itself answers UNAVAILABLE too (a locked ingest); these are the texts of the transport.
const TRANSPORT = /no connection established|connection dropped|name resolution|econn|enoent|rst_stream|shutting down/i;

/** There was no connection to send the request on. */
export function wasNeverSent(error: unknown): boolean {
  return isStatus(error) && error.code === GRPC.UNAVAILABLE && /no connection established/i.test(error.details);
}

/** Turns what grpc-js throws into our error; anything else passes through. `what` is `create task "x"`. */
export function fromGrpc(error: unknown, what: string, socketPath: string): unknown {
  if (!isStatus(error)) return error;
  const { code, details } = error;
  if (code === GRPC.UNAVAILABLE && TRANSPORT.test(details)) {
    const reason = details
      .replace(/^no connection established\. last error: (error: )?/i, '')
      .replace(/\. resolution note:.*$/i, '');
    return new ContainerdError(`cannot reach containerd at "${socketPath}": ${reason}`, details, code, error);
  }
  const reason = code === GRPC.DEADLINE_EXCEEDED ? 'containerd did not answer in time' : details;
  return new ContainerdError(`cannot ${what}: ${reason}`, details, code, error);
}
