/** What a client sends in `X-Registry-Auth`. */
export interface RegistryCredentials {
  readonly username?: string;
  readonly password?: string;
  readonly serverAddress?: string;
  /** An OAuth refresh token in place of the password. */
  readonly identityToken?: string;
  /** A bearer token to be sent as it is. */
  readonly registryToken?: string;
}

export function basicAuthorization({ username, password }: RegistryCredentials): string | null {
  if (!username) return null;
  return `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
}

export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly parameters: Readonly<Record<string, string>>;
}

/** Reads a `WWW-Authenticate` header; null for a scheme that we do not know. */
export function parseChallenge(header: string): Challenge | null {
  const [, scheme = '', rest = ''] = /^\s*([A-Za-z]+)\s*(.*)$/s.exec(header) ?? [];
  const known = scheme.toLowerCase();
  if (known !== 'basic' && known !== 'bearer') return null;
  const parameters: Record<string, string> = {};
  for (const [, key = '', quoted, plain] of rest.matchAll(/([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)) {
    parameters[key.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
  }
  return { scheme: known, parameters };
}
