import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { type FairwayError, invalid } from '../../base/index.ts';
import { belongTogether, type Credentials } from './certificates.ts';

/** What one needs to join: where the store is, and the right to make oneself a certificate. Whoever has it is a node. */
export interface JoinToken {
  /** `host:port` */
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly authority: Credentials;
}

const MARK = 'FWC1-';
const CHECK_BYTES = 4;

export function encodeToken({ endpoints, prefix, authority }: JoinToken): string {
  const cert = new X509Certificate(authority.cert).raw.toString('base64url');
  const key = createPrivateKey(authority.key).export({ type: 'pkcs8', format: 'der' }).toString('base64url');
  const body = Buffer.from(JSON.stringify([endpoints, prefix, cert, key]));
  return MARK + Buffer.concat([checkOf(body), body]).toString('base64url');
}

/** Throws invalid `bad_token`; never shows any of it. */
export function decodeToken(text: string): JoinToken {
  const trimmed = text.trim();
  if (!trimmed.startsWith(MARK)) throw badToken('it is none of `fairway cluster init`');
  const bytes = Buffer.from(trimmed.slice(MARK.length), 'base64url');
  const body = bytes.subarray(CHECK_BYTES);
  if (!checkOf(body).equals(bytes.subarray(0, CHECK_BYTES))) throw badToken('it is not complete, or a letter is wrong');
  try {
    const [endpoints, prefix, cert, key] = JSON.parse(body.toString()) as [string[], string, string, string];
    const authority = {
      cert: new X509Certificate(Buffer.from(cert, 'base64url')).toString(),
      key: createPrivateKey({ key: Buffer.from(key, 'base64url'), type: 'pkcs8', format: 'der' })
        .export({ type: 'pkcs8', format: 'pem' })
        .toString(),
    };
    if (!belongTogether(authority) || endpoints.length === 0) throw badToken('its parts do not belong together');
    return { endpoints, prefix, authority };
  } catch (error) {
    throw badToken('it holds no certificate and key', error);
  }
}

function checkOf(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, CHECK_BYTES);
}

function badToken(why: string, cause?: unknown): FairwayError {
  return invalid('bad_token', `invalid join token: ${why}`, cause);
}
