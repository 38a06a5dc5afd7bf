import {
  type FairwayError,
  forbidden,
  internal,
  isKind,
  nodeHttp,
  notFound,
  unauthorized,
  unavailable,
} from '../../base/index.ts';
import { familiarName, familiarRepository, type Reference } from '../images/index.ts';

/** What was asked of a registry when it refused. */
export interface Refused {
  readonly what: 'ping' | 'manifest' | 'blob' | 'upload' | 'token';
  readonly reference: Reference;
  readonly push: boolean;
  readonly url: string;
  /** Nobody has said who we are. */
  readonly anonymous: boolean;
  /** The registry wants a name and a password, and we have none. */
  readonly lacksBasic: boolean;
}

/** A registry's refusal, in the words that Docker finds for it. */
export function refusal(status: number, bytes: Buffer, refused: Refused): FairwayError {
  const { what, reference, push } = refused;
  const told = errorText(bytes);
  const reason =
    told ?? `received unexpected HTTP status: ${status} ${nodeHttp().STATUS_CODES[status] ?? ''}`.trimEnd();
  if (status === 401 && refused.lacksBasic) {
    const text = push ? 'no basic auth credentials' : `Get "${refused.url}": no basic auth credentials`;
    // Not 401: that makes clients ask their user for a password of the default registry.
    return internal('no_credentials', text);
  }
  if (status === 401 || status === 403) return denied(status, told, refused);
  if (status === 404 && what === 'manifest' && !push) {
    if (told?.startsWith('name unknown')) {
      return notFound('name_unknown', `repository ${familiarRepository(reference)} not found: ${told}`);
    }
    return notFound(
      'manifest_unknown',
      `manifest for ${familiarName(reference)} not found: ${told ?? 'manifest unknown'}`,
    );
  }
  if (status === 404) return notFound('registry_not_found', told ?? `${what} not found: ${reason}`);
  if (status === 429) return unavailable('too_many_requests', told ?? 'toomanyrequests: the registry asks to wait');
  return unavailable('registry_error', reason);
}

function denied(status: number, told: string | null, { push, reference, what, anonymous }: Refused): FairwayError {
  const reason =
    told ??
    (status === 401 ? 'unauthorized: authentication required' : 'denied: requested access to the resource is denied');
  if (push) return forbidden('push_denied', reason);
  if (what === 'ping') return unauthorized('unauthorized', reason);
  if (status === 401 && !anonymous) return internal('unauthorized', reason);
  // Docker answers 404 here: a registry does not tell what is missing from what is forbidden.
  const name = familiarRepository(reference);
  const text = `pull access denied for ${name}, repository does not exist or may require 'docker login': ${reason}`;
  return notFound('pull_denied', text);
}

/** `manifest unknown: manifest unknown`, as registries write `{code, message}`; token services write `{details}`. */
function errorText(bytes: Buffer): string | null {
  try {
    const json = JSON.parse(bytes.toString('utf8')) as { errors?: unknown; details?: unknown; message?: unknown };
    const list = Array.isArray(json.errors) ? (json.errors as { code?: unknown; message?: unknown }[]) : [];
    const texts = list.map(({ code, message }) => {
      const name = typeof code === 'string' ? code.toLowerCase().replaceAll('_', ' ') : 'unknown';
      return `${name}: ${typeof message === 'string' ? message : name}`;
    });
    if (texts.length > 0) return texts.join('; ');
    return typeof json.details === 'string' ? json.details : null;
  } catch {
    return null;
  }
}

/** True for what another endpoint may do better: nobody there, or another protocol. */
export function isUnreachable(error: unknown): boolean {
  return isKind(error, 'unavailable') && error.code === 'registry_unreachable';
}
