import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Context } from '../grammar/index.ts';

interface AuthFile {
  auths?: Record<string, { auth?: string; identitytoken?: string }>;
}

const DEFAULT_SERVER = 'https://index.docker.io/v1/';

/** The key of a registry in the file of credentials. */
export function serverKey(registry: string): string {
  return registry === '' || registry === 'docker.io'
    ? DEFAULT_SERVER
    : registry.replace(/^https?:\/\//, '').replace(/\/$/, '');
}

/** `$DOCKER_CONFIG/config.json`, the file the stock client keeps its logins in. */
export function authFilePath(env: Context['env']): string {
  return join(env.DOCKER_CONFIG ?? join(env.HOME ?? homedir(), '.docker'), 'config.json');
}

export function readAuthFile(path: string): AuthFile {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as AuthFile;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw new Error(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Replaces the file in one step; only its owner may read it. */
export function writeAuthFile(path: string, content: AuthFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(content, null, '\t')}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** What `X-Registry-Auth` carries for a registry; undefined when nobody logged in there. */
export function registryAuth(env: Context['env'], registry: string): string | undefined {
  const server = serverKey(registry);
  const entry = readAuthFile(authFilePath(env)).auths?.[server];
  if (entry?.auth === undefined) return undefined;
  const [username = '', ...password] = Buffer.from(entry.auth, 'base64').toString().split(':');
  const auth = { username, password: password.join(':'), serveraddress: server, identitytoken: entry.identitytoken };
  return Buffer.from(JSON.stringify(auth)).toString('base64url');
}
