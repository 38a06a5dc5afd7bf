import type { Clock } from '../../base/index.ts';
import { HUB, type ImageEngine, type ImageStore, parseReference, type Reference } from '../images/index.ts';
import type { RegistryCredentials } from './credentials.ts';
import { endpointsOf, type RegistryOptions } from './endpoints.ts';
import { HttpClient } from './http.ts';
import { Puller, type PullOptions, type Resolved } from './pull.ts';
import { Pusher, type PushOptions } from './push.ts';
import { isUnreachable, Repository } from './repository.ts';

export interface RegistryDeps {
  readonly engine: ImageEngine;
  readonly store: ImageStore;
  readonly clock?: Clock;
}

/** Registries, as the daemon uses them. Nothing is sent anywhere until one of these methods is called. */
export class Registry implements Disposable {
  readonly #http = new HttpClient();
  readonly #puller: Puller;
  readonly #pusher: Pusher;
  readonly #options: RegistryOptions;

  constructor(deps: RegistryDeps, options: RegistryOptions = {}) {
    this.#options = options;
    this.#puller = new Puller({ ...deps, http: this.#http }, options);
    this.#pusher = new Pusher({ ...deps, http: this.#http }, options);
  }

  /** Resolves to the image id. */
  pull(reference: Reference, options: PullOptions = {}): Promise<string> {
    return this.#puller.pull(reference, options);
  }

  push(reference: Reference, options: PushOptions = {}): Promise<void> {
    return this.#pusher.push(reference, options);
  }

  /** What a name points at over there. */
  resolve(reference: Reference, options: PullOptions = {}): Promise<Resolved> {
    return this.#puller.resolve(reference, options);
  }

  /** Throws when the registry does not accept the credentials. */
  async login(credentials: RegistryCredentials, signal?: AbortSignal): Promise<void> {
    const domain = domainOf(credentials.serverAddress ?? '');
    let last: unknown;
    for (const endpoint of endpointsOf(domain, this.#options, true)) {
      const reference = { ...parseReference('login'), domain };
      try {
        await new Repository({ http: this.#http, credentials }, endpoint, reference).ping(signal);
        return;
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        last ??= error;
      }
    }
    throw last;
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }
}

/** Clients name a registry by URL, by host, or the default one by its old address. */
function domainOf(serverAddress: string): string {
  const host = serverAddress.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return host === '' || host === HUB.legacyDomain || host === HUB.registryHost ? HUB.domain : host;
}
