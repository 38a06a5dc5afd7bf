import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { invalid, messageOf } from '../../../base/index.ts';

/** What the folder of a host holds: authorities to trust for it, and what to show it. */
export interface HostCertificates {
  readonly authorities: readonly string[];
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
}

/**
 * Reads `<folder>/<host[:port]>/`: `*.crt` are authorities, `x.cert` with `x.key` is a client's certificate. Semantics and texts:
 * Docker's `certs.d`. Read for each connection, so that a new file counts at once.
 */
export function certificatesOf(host: string, folders: readonly string[]): HostCertificates {
  const found = { authorities: [] as string[], certificates: [] as string[], keys: [] as string[] };
  for (const folder of folders) {
    const path = join(folder, host);
    const names = filesOf(path);
    for (const name of names) {
      if (name.endsWith('.crt')) found.authorities.push(read(path, name));
      if (name.endsWith('.cert')) {
        const key = `${name.slice(0, -'.cert'.length)}.key`;
        if (!names.includes(key)) {
          const text = `missing key ${key} for client certificate ${name}. CA certificates must use the extension .crt`;
          throw invalid('missing_key', text);
        }
        found.certificates.push(read(path, name));
        found.keys.push(read(path, key));
      }
      if (name.endsWith('.key') && !names.includes(`${name.slice(0, -'.key'.length)}.cert`)) {
        throw invalid('missing_certificate', `missing client certificate ${name.slice(0, -4)}.cert for key ${name}`);
      }
    }
  }
  return found;
}

function filesOf(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw invalid('unreadable_certificates', `cannot read the certificates of a registry: ${messageOf(error)}`, error);
  }
}

function read(folder: string, name: string): string {
  const path = join(folder, name);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid('unreadable_certificate', `cannot read certificate "${path}": ${messageOf(error)}`, error);
  }
}

let trusted: readonly string[] | undefined;

/** Whom the runtime and the machine trust, once. */
function commonAuthorities(): readonly string[] {
  trusted ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return trusted;
}

export function secureContextOf({ authorities, certificates, keys }: HostCertificates): SecureContext {
  try {
    return createSecureContext({
      ca: [...commonAuthorities(), ...authorities],
      ...(certificates.length > 0 && { cert: [...certificates], key: [...keys] }),
    });
  } catch (error) {
    throw invalid('bad_certificate', `cannot use the certificates of a registry: ${messageOf(error)}`, error);
  }
}
