import { Readable } from 'node:stream';
import { type Clock, type FairwayError, invalid, messageOf, unavailable } from '../../base/index.ts';
import { digestOf, MEDIA_TYPE, type Reference } from '../images/index.ts';
import { Authorizer } from './authorizer.ts';
import { parseChallenge, type RegistryCredentials } from './credentials.ts';
import type { Endpoint } from './endpoints.ts';
import { drain, type HttpClient, type HttpRequest, type HttpResponse, isDropped, readBody } from './http/index.ts';
import { type Refused, refusal } from './refusals.ts';
import { delayBefore, isBusy, pause } from './retry.ts';

export interface RemoteManifest {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface RepositoryDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly credentials?: RegistryCredentials | undefined;
}

export interface RepositoryOptions {
  readonly push?: boolean;
  /** How often a request that a busy registry turned away is made. */
  readonly attempts: number;
  /** Hosts (`name:port`) that may be asked without TLS. */
  readonly plainHttp: (host: string) => boolean;
}

type Request = Omit<HttpRequest, 'url' | 'insecure'>;

const ACCEPT = [MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerList, MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerManifest].join(
  ', ',
);
const REDIRECTS_MAX = 5;
const TAGS_MAX = 100_000;
/** Some registries give few tags at a time, but none gives none for ever. */
const PAGES_MAX = 10_000;

/**
 * One repository at one endpoint, by the distribution protocol. Asks for a token when the registry wants one; asks again,
 * later and later, when it is busy. Credentials go to the endpoint and to whom it names for tokens, never along a redirect.
 */
export class Repository {
  readonly endpoint: Endpoint;
  readonly #deps: RepositoryDeps;
  readonly #options: RepositoryOptions;
  readonly reference: Reference;
  readonly #authorizer: Authorizer;

  constructor(deps: RepositoryDeps, endpoint: Endpoint, reference: Reference, options: RepositoryOptions) {
    this.#deps = deps;
    this.endpoint = endpoint;
    this.reference = reference;
    this.#options = options;
    this.#authorizer = new Authorizer(endpoint.mirror ? {} : (deps.credentials ?? {}));
  }

  /** Is there a registry of this protocol, and does it let us in? Throws when not. */
  async ping(signal?: AbortSignal): Promise<void> {
    const url = `${this.endpoint.origin}/v2/`;
    const response = await this.#send(url, { method: 'GET', signal }, null);
    if (response.status >= 300) throw await this.#refused(response, 'ping', url);
    drain(response.body);
  }

  /** By tag or digest. What comes back has been checked against a digest that was asked for. */
  async manifest(tagOrDigest: string, signal?: AbortSignal): Promise<RemoteManifest> {
    const url = this.#url(`manifests/${tagOrDigest}`);
    const response = await this.#send(url, { method: 'GET', signal, headers: { accept: ACCEPT } });
    if (response.status !== 200) throw await this.#refused(response, 'manifest', url);
    const bytes = await readBody(response.body);
    const digest = digestOf(bytes);
    if (tagOrDigest.startsWith('sha256:') && tagOrDigest !== digest) {
      throw invalid(
        'digest_mismatch',
        `manifest verification failed for digest ${tagOrDigest}: the registry sent "${digest}"`,
      );
    }
    return { mediaType: mediaTypeOf(response, bytes), digest, bytes };
  }

  async tags(signal?: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    let url: string | null = this.#url('tags/list');
    for (let page = 0; url !== null; page += 1) {
      const response: HttpResponse = await this.#send(url, { method: 'GET', signal });
      if (response.status !== 200) throw await this.#refused(response, 'manifest', url);
      const { tags } = jsonOf(await readBody(response.body), 'list of tags');
      if (Array.isArray(tags)) found.push(...tags.filter((tag) => typeof tag === 'string'));
      if (found.length > TAGS_MAX || page >= PAGES_MAX)
        throw invalid('too_many_tags', `the registry has more than ${TAGS_MAX} tags`);
      const next = /<([^>]*)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ''))?.[1];
      url = next === undefined ? null : this.#follow(next, url);
    }
    return found;
  }

  /** The bytes of a blob from `offset` on; `partial` is false when the registry begins at the start regardless. */
  async blob(digest: string, offset: number, signal?: AbortSignal): Promise<{ partial: boolean; body: Readable }> {
    const url = this.#url(`blobs/${digest}`);
    const headers = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const response = await this.#send(url, { method: 'GET', signal, headers });
    if (response.status === 200) return { partial: false, body: response.body };
    if (response.status !== 206) throw await this.#refused(response, 'blob', url);
    const begins = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1];
    if (begins === undefined || Number(begins) === offset) return { partial: true, body: response.body };
    response.body.destroy();
    throw unavailable('wrong_range', `the registry sent "${digest}" from byte ${begins} on, not from ${offset}`);
  }

  async hasBlob(digest: string, signal?: AbortSignal): Promise<boolean> {
    const url = this.#url(`blobs/${digest}`);
    const response = await this.#send(url, { method: 'HEAD', signal });
    if (response.status !== 404 && response.status !== 200) throw await this.#refused(response, 'blob', url);
    drain(response.body);
    return response.status === 200;
  }

  /**
   * Asks the registry to take a blob from another of its repositories. Resolves to true when it has; false when it wants the
   * bytes, or does not let us.
   */
  async mountBlob(digest: string, from: string, signal?: AbortSignal): Promise<boolean> {
    const query = new URLSearchParams({ mount: digest, from });
    const url = `${this.#url('blobs/uploads/')}?${query}`;
    const scope = `${this.#scope()} repository:${from}:pull`;
    const response = await this.#send(url, { method: 'POST', signal, body: Buffer.alloc(0) }, scope);
    drain(response.body);
    const { location } = response.headers;
    // An upload has been begun instead; this one is not used.
    if (response.status === 202 && location !== undefined) {
      const cancelled = await this.#send(this.#follow(location, url), { method: 'DELETE', signal });
      drain(cancelled.body);
    }
    return response.status === 201;
  }

  async uploadBlob(
    blob: { digest: string; size: number },
    source: () => AsyncIterable<Buffer>,
    signal?: AbortSignal,
  ): Promise<void> {
    const begin = this.#url('blobs/uploads/');
    const begun = await this.#send(begin, { method: 'POST', signal, body: Buffer.alloc(0) });
    const location = begun.headers.location;
    if (begun.status !== 202 || location === undefined) throw await this.#refused(begun, 'upload', begin);
    drain(begun.body);
    const url = new URL(this.#follow(location, begin));
    url.searchParams.set('digest', blob.digest);
    const done = await this.#send(url.href, {
      method: 'PUT',
      signal,
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) },
      body: Readable.from(source(), { objectMode: false }),
    });
    if (done.status !== 201) throw await this.#refused(done, 'upload', url.href);
    drain(done.body);
  }

  async putManifest(
    tagOrDigest: string,
    manifest: { mediaType: string; bytes: Buffer },
    signal?: AbortSignal,
  ): Promise<void> {
    const url = this.#url(`manifests/${tagOrDigest}`);
    const headers = { 'content-type': manifest.mediaType };
    const response = await this.#send(url, { method: 'PUT', signal, headers, body: manifest.bytes });
    if (response.status !== 201) throw await this.#refused(response, 'manifest', url);
    drain(response.body);
  }

  #url(path: string): string {
    return `${this.endpoint.origin}/v2/${this.reference.path}/${path}`;
  }

  #scope(): string {
    return `repository:${this.reference.path}:${this.#options.push ? 'pull,push' : 'pull'}`;
  }

  /** Answers one challenge, waits for a busy registry, and follows redirects. */
  async #send(url: string, request: Request, scope: string | null = this.#scope()): Promise<HttpResponse> {
    const response = await this.#patiently(url, request, scope);
    return isRedirect(request, response) ? this.#redirected(response, url, request) : response;
  }

  async #redirected(first: HttpResponse, url: string, request: Request): Promise<HttpResponse> {
    let response = first;
    let at = url;
    for (let count = 0; isRedirect(request, response); count += 1) {
      drain(response.body);
      if (count === REDIRECTS_MAX) throw invalid('too_many_redirects', `too many redirects from "${url}"`);
      at = this.#follow(response.headers.location ?? '', at);
      response = await this.#patiently(at, request, null);
    }
    return response;
  }

  async #patiently(url: string, request: Request, scope: string | null): Promise<HttpResponse> {
    const { clock } = this.#deps;
    // A body that is a stream has been used up by the first attempt.
    const attempts = request.body instanceof Readable ? 1 : this.#options.attempts;
    for (let attempt = 1; ; attempt += 1) {
      let retryAfter: string | undefined;
      try {
        const response = await this.#authorized(url, request, scope);
        if (!isBusy(response.status) || attempt >= attempts) return response;
        retryAfter = response.headers['retry-after'];
        if (delayBefore(attempt, retryAfter, clock.now()) === null) return response;
        drain(response.body);
      } catch (error) {
        if (!isDropped(error) || attempt >= attempts) throw error;
      }
      await pause(clock, delayBefore(attempt, retryAfter, clock.now()) ?? 0, request.signal);
    }
  }

  async #authorized(url: string, request: Request, scope: string | null): Promise<HttpResponse> {
    const response = await this.#once(url, request);
    const challenge = response.status === 401 ? parseChallenge(response.headers['www-authenticate'] ?? '') : null;
    // Uploads begin with a request without a stream, so that one has its token; and nobody else is told who we are.
    if (!challenge || request.body instanceof Readable || !this.#isOwn(url)) return response;
    const ask = (realm: Omit<HttpRequest, 'insecure'>): Promise<HttpResponse> => {
      this.#assertAllowed(realm.url);
      return this.#deps.http.send({ ...realm, insecure: this.#insecureAt(realm.url), signal: request.signal });
    };
    if (!(await this.#authorizer.answer(challenge, scope, ask, (reply) => this.#refused(reply, 'token', url)))) {
      return response;
    }
    drain(response.body);
    return this.#once(url, request);
  }

  #once(url: string, request: Request): Promise<HttpResponse> {
    this.#assertAllowed(url);
    const authorization = this.#isOwn(url) ? this.#authorizer.header() : {};
    const headers = { ...request.headers, ...authorization };
    return this.#deps.http.send({ ...request, url, headers, insecure: this.#insecureAt(url) });
  }

  #isOwn(url: string): boolean {
    return new URL(url).origin === new URL(this.endpoint.origin).origin;
  }

  #insecureAt(url: string): boolean {
    return this.#isOwn(url) ? this.endpoint.insecure : this.#options.plainHttp(new URL(url).host);
  }

  /** A registry must not talk us out of TLS by naming another place. */
  #assertAllowed(url: string): void {
    const { protocol, host } = new URL(url);
    if (protocol === 'https:' || this.#isOwn(url)) return;
    if (protocol === 'http:' && this.#options.plainHttp(host)) return;
    throw invalid('insecure_redirect', `the registry sends us to "${url}", which is not HTTPS`);
  }

  #follow(location: string, base: string): string {
    if (!URL.canParse(location, base)) {
      throw invalid(
        'bad_location',
        `the registry sends us to ${JSON.stringify(location.slice(0, 200))}, which is no URL`,
      );
    }
    return new URL(location, base).href;
  }

  async #refused(response: HttpResponse, what: Refused['what'], url: string): Promise<FairwayError> {
    const bytes = await readBody(response.body).catch(() => Buffer.alloc(0));
    return refusal(response.status, bytes, {
      what,
      url,
      reference: this.reference,
      push: this.#options.push ?? false,
      anonymous: this.#authorizer.anonymous,
      lacksBasic: this.#authorizer.lacksBasic,
    });
  }
}

function isRedirect({ method }: Request, { status, headers }: HttpResponse): boolean {
  const known = status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
  return known && headers.location !== undefined && (method === 'GET' || method === 'HEAD');
}

function jsonOf(bytes: Buffer, what: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof json === 'object' && json !== null) return json as Record<string, unknown>;
  } catch (error) {
    throw invalid('bad_answer', `the registry's ${what} is no JSON: ${messageOf(error)}`, error);
  }
  throw invalid('bad_answer', `the registry's ${what} is no JSON object`);
}

function mediaTypeOf(response: HttpResponse, bytes: Buffer): string {
  const header = response.headers['content-type']?.split(';')[0]?.trim() ?? '';
  if (header !== '' && header !== 'application/json' && header !== 'text/plain') return header;
  const { mediaType } = jsonOf(bytes, 'manifest');
  return typeof mediaType === 'string' ? mediaType : MEDIA_TYPE.ociManifest;
}
