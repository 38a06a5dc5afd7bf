import { type FairwayError, forbidden, internal, invalid, messageOf, unavailable } from '../../../base/index.ts';

/** The gRPC status codes that etcd and the transport answer with. */
const GRPC = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** What a failed call means for the next attempt. */
export type Verdict =
  /** Nothing of it happened; another member may answer. */
  | 'notDone'
  /** The other side is not who it should be, or does not take us for who we are; nothing of it happened. */
  | 'notTrusted'
  /** It may have happened. */
  | 'unknown'
  /** Nothing of it happened; our token is not good any more. */
  | 'tokenRefused'
  /** That is etcd's answer. */
  | 'answer';

interface Status {
  readonly code: number;
  readonly details: string;
}

export function isStatus(error: unknown): error is Error & Status {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}

const NEVER_SENT = /no connection established|waiting for lb pick|name resolution failed/i;
const REFUSED =
  /etcdserver: (?:no leader|too many requests|not capable|unhealthy cluster|rpc not supported for learner)/i;
const CERTIFICATE = /certificate|altnames|wrong version number|ssl routines|tls alert|handshake|EPROTO/i;

export function verdictOf(error: unknown): Verdict {
  if (!isStatus(error)) return 'answer';
  const { code, details } = error;
  switch (code) {
    case GRPC.UNAUTHENTICATED:
      return 'tokenRefused';
    case GRPC.INVALID_ARGUMENT:
      return /auth store is old/.test(details) ? 'tokenRefused' : 'answer';
    case GRPC.RESOURCE_EXHAUSTED:
      return REFUSED.test(details) ? 'notDone' : 'answer';
    case GRPC.UNAVAILABLE:
    case GRPC.DEADLINE_EXCEEDED:
      if (NEVER_SENT.test(details)) return CERTIFICATE.test(details) ? 'notTrusted' : 'notDone';
      return REFUSED.test(details) ? 'notDone' : 'unknown';
    case GRPC.CANCELLED:
    case GRPC.INTERNAL:
    case GRPC.UNKNOWN:
      return 'unknown';
    default:
      return 'answer';
  }
}

/** As it came, or as the cause of our own error. */
function statusOf(error: unknown): Status | undefined {
  if (isStatus(error)) return error;
  return error instanceof Error && isStatus(error.cause) ? error.cause : undefined;
}

export function isCompacted(error: unknown): boolean {
  return statusOf(error)?.code === GRPC.OUT_OF_RANGE;
}

export function isLeaseGone(error: unknown): boolean {
  return /requested lease not found/.test(statusOf(error)?.details ?? '');
}

export function isLeaseThere(error: unknown): boolean {
  return /lease already exists/.test(statusOf(error)?.details ?? '');
}

/** Somebody has just come, or is about to. */
export function isUnhealthy(error: unknown): boolean {
  return /unhealthy cluster|too many learner members/.test(statusOf(error)?.details ?? '');
}

/** To remove or promote; or, when one is added, that one with the same address came and went within this second. */
export function isNoMember(error: unknown): boolean {
  return /member not found/.test(statusOf(error)?.details ?? '');
}

/** It has not yet all that the others have. */
export function isBehind(error: unknown): boolean {
  return /in sync with leader/.test(statusOf(error)?.details ?? '');
}

export function isAuthOff(error: unknown): boolean {
  return /authentication is not enabled/.test(statusOf(error)?.details ?? '');
}

/** The words of a failure without those of the transport. */
export function reasonOf(error: unknown): string {
  if (!isStatus(error)) return messageOf(error);
  if (error.code === GRPC.DEADLINE_EXCEEDED) return 'it does not answer';
  return (
    error.details
      .replace(/^no connection established\. last error: /i, '')
      .replace(/\. resolution note:.*$/is, '')
      // OpenSSL's reason without the place in its source, and without when it was.
      .replace(/\w+:error:\w+:[^:\n]*:[^:\n]*:([^:\n]+):[^\n]*\n?/g, '$1')
      .replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)/g, '')
      .replace(/^(?:error: )+/i, '')
      .replace(/^etcdserver: /, '')
  );
}

export function unreachable(endpoints: readonly string[], error: unknown): FairwayError {
  const reason = reasonOf(error);
  const hint =
    isStatus(error) && verdictOf(error) === 'notTrusted' ? ' (see the certificates in --cluster-store-opt)' : '';
  return unavailable(
    'store_unreachable',
    `cannot reach the cluster store at ${endpoints.join(',')}: ${reason}${hint}`,
    error,
  );
}

/** What etcd answered, in our words. `what`: `commit`, `list "networks/"`. */
export function refusal(error: unknown, what: string, user: string | undefined): unknown {
  if (!isStatus(error)) return error;
  const { code, details } = error;
  const said = details.replace(/^etcdserver: /, '');
  if (/user name is empty|user name not found/.test(details)) {
    return unavailable(
      'store_login',
      'the cluster store asks for a user: give --cluster-store-opt kv.user and kv.password',
      error,
    );
  }
  if (/authentication failed|invalid auth token/.test(details)) {
    return unavailable('store_login', `the cluster store refuses user ${JSON.stringify(user ?? '')}: ${said}`, error);
  }
  if (code === GRPC.PERMISSION_DENIED) {
    const who = user === undefined ? '' : ` as user ${JSON.stringify(user)}`;
    return forbidden('store_forbidden', `cannot ${what}${who}: ${said}`, error);
  }
  if (/too many operations|request is too large/.test(details))
    return invalid('store_too_large', `cannot ${what}: ${said}`, error);
  if (/space exceeded/.test(details))
    return unavailable('store_full', `cannot ${what}: the cluster store is full (${said})`, error);
  return internal('store_refused', `cannot ${what}: ${said}`, error);
}
