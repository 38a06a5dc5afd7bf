import type { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { nodeHttp } from '../../../base/index.ts';
import { certificatesOf, secureContextOf } from './certificates.ts';
import { type ProxySettings, proxyFor } from './proxies.ts';

export interface TransportOptions {
  readonly proxies?: ProxySettings | undefined;
  /** Folders with a folder for each `host[:port]`. */
  readonly certificateFolders?: readonly string[] | undefined;
}

const SOCKETS_MAX = 16;
const AGENTS_MAX = 32;

/** Connections that are kept, apart by what they were made with: proxy, trust, client certificate. */
export class Agents implements Disposable {
  readonly #options: TransportOptions;
  readonly #agents = new Map<string, HttpAgent | HttpsAgent>();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** `insecure`: any certificate will do. */
  for(url: URL, insecure: boolean): { readonly agent: HttpAgent | HttpsAgent; readonly proxy: string | null } {
    const { proxies = {}, certificateFolders = [] } = this.#options;
    const proxy = proxyFor(url, proxies);
    const secure = url.protocol === 'https:';
    const certificates = secure ? certificatesOf(url.host, certificateFolders) : null;
    const key = JSON.stringify([secure, insecure, proxy, certificates]);
    let agent = this.#agents.get(key);
    if (!agent) {
      const common = {
        keepAlive: true,
        maxSockets: SOCKETS_MAX,
        ...(proxy !== null && { proxyEnv: environment(proxy) }),
      };
      agent = certificates
        ? new HttpsAgent({
            ...common,
            rejectUnauthorized: !insecure,
            secureContext: secureContextOf(certificates),
          })
        : new (nodeHttp().Agent)(common);
    }
    // The last used is the last to go.
    this.#agents.delete(key);
    this.#agents.set(key, agent);
    if (this.#agents.size > AGENTS_MAX) this.#dropOldest();
    return { agent, proxy };
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #dropOldest(): void {
    const [oldest] = this.#agents;
    if (oldest) this.#agents.delete(oldest[0]);
  }
}

/** Whom to exempt has been decided, so the runtime is not to think of it again. */
function environment(proxy: string): Record<string, string> {
  return { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
}
