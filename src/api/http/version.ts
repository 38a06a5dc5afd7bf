import { invalid } from '../../base/index.ts';

/** API versions are 1.N; everywhere in `api/` a version is its N. */
export const MAX_VERSION = 51;
export const MIN_VERSION = 24;

export function versionText(minor: number): string {
  return `1.${minor}`;
}

/** Splits `/v1.44/containers/json`. A path without a version means the newest. Throws Docker's texts. */
export function splitVersion(path: string): { readonly version: number; readonly rest: string } {
  const match = /^\/v(\d+(?:\.\d+)*)(\/.*)$/.exec(path);
  if (!match) return { version: MAX_VERSION, rest: path };
  const text = match[1] ?? '';
  const [major = 0, minor = 0] = text.split('.').map(Number);
  if (major < 1 || (major === 1 && minor < MIN_VERSION)) {
    throw invalid(
      'client_too_old',
      `client version ${text} is too old. Minimum supported API version is ${versionText(MIN_VERSION)}, ` +
        'please upgrade your client to a newer version',
    );
  }
  if (major > 1 || minor > MAX_VERSION) {
    throw invalid(
      'client_too_new',
      `client version ${text} is too new. Maximum supported API version is ${versionText(MAX_VERSION)}`,
    );
  }
  return { version: minor, rest: match[2] ?? '/' };
}
