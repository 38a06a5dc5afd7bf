import { type Clock, FairwayError, isKind, systemClock, unauthorized } from '../../base/index.ts';
import {
  HUB,
  type ImageEngine,
  type ImageStore,
  type Platform,
  type Progress,
  parsePlatform,
  parseReference,
} from '../images/index.ts';
import type { RegistryCredentials } from './credentials.ts';
import { endpointsOf, isInsecure, type RegistryOptions } from './endpoints.ts';
import { HttpClient, type HttpClientOptions } from './http/index.ts';
import { Puller, type PullOptions } from './pull.ts';
import { Pusher } from './push.ts';
import { isUnreachable } from './refusals.ts';
import { Repository } from './repository.ts';

export interface RegistryDeps {
  readonly engine: ImageEngine;
  readonly store: ImageStore;
  readonly clock?: Clock;
}

export interface RegistryCall {
  readonly auth?: RegistryCredentials;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface RemoteDescription {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly platforms: readonly { readonly os: string; readonly architecture: string; readonly variant?: string }[];
}

const REFUSED: ReadonlySet<string> = new Set(['no_credentials', 'unauthorized']);

/** Registries, as the daemon uses them. Nothing is sent anywhere until one of these methods is called. */
export class Registry implements Disposable {
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #puller: Puller;
  readonly #pusher: Pusher;
  #options: RegistryOptions;

  constructor(deps: RegistryDeps, options: RegistryOptions & HttpClientOptions = {}) {
    this.#options = options;
    this.#http = new HttpClient(options);
    this.#clock = deps.clock ?? systemClock;
    const current = (): RegistryOptions => this.#options;
    this.#puller = new Puller({ ...deps, http: this.#http }, current);
    this.#pusher = new Pusher({ ...deps, http: this.#http }, current);
  }

  /** Calls from now on use these; for a daemon that reloads its configuration. */
  configure(options: RegistryOptions): void {
    this.#options = options;
  }

  /** By tag (`latest` when there is none) or digest, or every tag; `platform` as `linux/arm64/v8`. */
  async pull(
    reference: string,
    options: RegistryCall & { readonly platform?: string; readonly allTags?: boolean } = {},
  ): Promise<void> {
    const { auth, platform, allTags = false, ...rest } = options;
    const wanted: PullOptions = { ...rest, credentials: auth, ...(platform && { platform: parsePlatform(platform) }) };
    const named = parseReference(reference);
    const tags = allTags ? await this.#puller.tags(named, wanted) : [named.tag];
    for (const tag of tags) await this.#puller.pull({ ...named, tag }, wanted);
  }

  /** One tag, or without a tag all of the repository's. */
  async push(reference: string, options: RegistryCall & { readonly platform?: string } = {}): Promise<void> {
    const { auth, platform, ...rest } = options;
    const wanted = platform === undefined ? {} : { platform: parsePlatform(platform) };
    await this.#pusher.push(parseReference(reference), { ...rest, ...wanted, credentials: auth });
  }

  /** What a name points at over there, without bringing it here. */
  async describe(reference: string, auth?: RegistryCredentials): Promise<RemoteDescription> {
    const { target, platforms } = await this.#puller.resolve(parseReference(reference), { credentials: auth });
    return { descriptor: target, platforms: platforms.map(plain) };
  }

  /** Throws when the registry does not accept the credentials; resolves to what Docker says then. */
  async login(credentials: RegistryCredentials, signal?: AbortSignal): Promise<string> {
    const domain = domainOf(credentials.serverAddress ?? '');
    const reference = { ...parseReference('login'), domain };
    let last: unknown;
    for (const endpoint of endpointsOf(domain, this.#options, true)) {
      try {
        const { insecureRegistries = [] } = this.#options;
        const options = { attempts: 1, plainHttp: (host: string) => isInsecure(host, insecureRegistries) };
        const deps = { http: this.#http, clock: this.#clock, credentials };
        await new Repository(deps, endpoint, reference, options).ping(signal);
        return 'Login Succeeded';
      } catch (error) {
        if (isKind(error, 'unauthorized') || REFUSED.has(error instanceof FairwayError ? error.code : '')) {
          const text = `login attempt to ${endpoint.origin}/v2/ failed with status: 401 Unauthorized`;
          throw unauthorized('login_failed', text, error);
        }
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

function plain({ os, architecture, variant }: Platform): RemoteDescription['platforms'][number] {
  return { os, architecture, ...(variant !== undefined && { variant }) };
}

/** Clients name a registry by URL, by host, or the default one by its old address. */
function domainOf(serverAddress: string): string {
  const host = serverAddress.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return host === '' || host === HUB.legacyDomain || host === HUB.registryHost ? HUB.domain : host;
}
