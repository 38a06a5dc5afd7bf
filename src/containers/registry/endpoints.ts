import { isIP } from 'node:net';
import { HUB } from '../images/index.ts';

export interface RegistryOptions {
  /** Hosts (`name`, `name:port`) or networks (`10.0.0.0/8`) that may use plain HTTP or a certificate nobody signed. */
  readonly insecureRegistries?: readonly string[];
  /** Tried before the default registry, and only for its images: `https://mirror.example`. */
  readonly mirrors?: readonly string[];
}

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
  const [base, bits] = network.split('/');
  if (base === undefined || bits === undefined || isIP(host) !== 4 || isIP(base) !== 4) return false;
  const shift = 32 - Number(bits);
  const value = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const block = (text: string): number => Math.floor(value(text) / 2 ** shift);
  return shift >= 0 && shift <= 32 && block(host) === block(base);
}
