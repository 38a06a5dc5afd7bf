import type { ProxyConfig } from './config.ts';

const FIRST_INHERITED = 3;

/** Descriptors of the sockets that systemd opened for us (`fd://`), by its protocol of `LISTEN_PID` and `LISTEN_FDS`. */
export function inheritedSockets(
  env: Readonly<Record<string, string | undefined>> = process.env,
  pid: number = process.pid,
): readonly number[] {
  if (env.LISTEN_PID !== undefined && Number(env.LISTEN_PID) !== pid) return [];
  const count = Number(env.LISTEN_FDS ?? 0);
  return Number.isInteger(count) && count > 0 ? Array.from({ length: count }, (_, at) => FIRST_INHERITED + at) : [];
}

/** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, or the same in small letters. */
export function proxiesOf(env: Readonly<Record<string, string | undefined>> = process.env): ProxyConfig {
  const value = (name: string): string | undefined => env[name] || env[name.toLowerCase()] || undefined;
  const [http, https, none] = [value('HTTP_PROXY'), value('HTTPS_PROXY'), value('NO_PROXY')];
  return { ...(http && { http }), ...(https && { https }), ...(none && { none }) };
}
