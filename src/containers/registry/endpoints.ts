import { isIP } from 'node:net';
import { cidrContains, tryParseCidr, tryParseIp } from '../../base/index.ts';
import { HUB } from '../images/index.ts';

export interface RegistryOptions {
  /** Hosts (`name`, `name:port`) or networks (`10.0.0.0/8`) that may use plain HTTP or a certificate nobody signed. */
  readonly insecureRegistries?: readonly string[];
  /** Tried before the default registry, and only for its images: `https://mirror.example`. */
  readonly mirrors?: readonly string[];
  /** Layers that come at once, over all pulls. */
  readonly maxDownloads?: number;
  /** Layers that go at once, over all pushes. */
  readonly maxUploads?: number;
  /** How often a layer or a busy registry is tried. */
  readonly maxAttempts?: number;
}

/** Docker's. */
export const REGISTRY_DEFAULTS = { maxDownloads: 3, maxUploads: 5, maxAttempts: 5 } as const;

/** One place to ask, with a scheme. */
export interface Endpoint {
  /** `https://host:port` without a slash at the end. */
  readonly origin: string;
  /** Accept any certificate. */
  readonly insecure: boolean;
  readonly mirror: boolean;
}

/** Where a domain's registry answers, in the order of trying. Insecure ones fall back to plain HTTP. */
export function endpointsOf(domain: string, options: RegistryOptions = {}, forPush = false): Endpoint[] {
  const endpoints: Endpoint[] = [];
  if (domain === HUB.domain) {
    if (!forPush) {
      for (const mirror of options.mirrors ?? []) {
        endpoints.push({ origin: mirror.replace(/\/+$/, ''), insecure: false, mirror: true });
      }
    }
    endpoints.push({ origin: `https://${HUB.registryHost}`, insecure: false, mirror: false });
    return endpoints;
  }
  const insecure = isInsecure(domain, options.insecureRegistries ?? []);
  endpoints.push({ origin: `https://${domain}`, insecure, mirror: false });
  if (insecure) endpoints.push({ origin: `http://${domain}`, insecure, mirror: false });
  return endpoints;
}

function hostOf(domain: string): string {
  const bracketed = /^\[([^\]]+)\]/.exec(domain)?.[1];
  return bracketed ?? domain.replace(/:\d+$/, '');
}

/** Loopback always is; the rest as configured. */
export function isInsecure(domain: string, insecureRegistries: readonly string[]): boolean {
  const host = hostOf(domain);
  if (host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))) return true;
  return insecureRegistries.some((entry) => entry === domain || entry === host || inNetwork(host, entry));
}

function inNetwork(host: string, network: string): boolean {
  const cidr = network.includes('/') ? tryParseCidr(network) : undefined;
  const ip = tryParseIp(host);
  return cidr !== undefined && ip !== undefined && cidrContains(cidr, ip);
}
