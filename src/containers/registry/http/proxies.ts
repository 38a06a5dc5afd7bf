import { cidrContains, tryParseCidr, tryParseIp } from '../../../base/index.ts';

/** As the environment variables of the same names have them. */
export interface ProxySettings {
  /** For `http://`: a URL. */
  readonly http?: string | undefined;
  /** For `https://`. */
  readonly https?: string | undefined;
  /** Hosts that are asked directly, with commas between them. */
  readonly none?: string | undefined;
}

/** Which proxy a request goes through, null for none. Loopback is always asked directly. Semantics: Go's `httpproxy`. */
export function proxyFor(url: URL, settings: ProxySettings): string | null {
  const proxy = url.protocol === 'https:' ? settings.https : settings.http;
  if (!proxy || isExempt(url, settings.none ?? '')) return null;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  if (host === 'localhost' || host === '::1' || (tryParseIp(host) && host.startsWith('127.'))) return true;
  return list.split(',').some((entry) => fits(entry.trim().toLowerCase(), host, port));
}

function fits(entry: string, host: string, port: string): boolean {
  if (entry === '') return false;
  if (entry === '*') return true;
  const ip = tryParseIp(host);
  const network = entry.includes('/') ? tryParseCidr(entry) : undefined;
  if (network) return ip !== undefined && ip !== null && cidrContains(network, ip);
  const [, bracketed, plain, wantedPort] = /^(?:\[([^\]]+)\]|([^:]+|[0-9a-f:]+?))(?::(\d+))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain ?? entry;
  if (wantedPort !== undefined && wantedPort !== port) return false;
  if (ip) return name === host;
  if (name.startsWith('*.')) return host.endsWith(name.slice(1));
  return name.startsWith('.') ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
}
