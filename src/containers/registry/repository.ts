import { Readable } from 'node:stream';
import { type FairwayError, forbidden, isKind, notFound, unauthorized, unavailable } from '../../base/index.ts';
import { digestOf, familiarName, familiarRepository, MEDIA_TYPE, type Reference } from '../images/index.ts';
import { basicAuthorization, type Challenge, parseChallenge, type RegistryCredentials } from './credentials.ts';
import type { Endpoint } from './endpoints.ts';
import { type HttpClient, type HttpRequest, type HttpResponse, readBody } from './http.ts';

export interface RemoteManifest {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface RepositoryDeps {
  readonly http: HttpClient;
  readonly credentials?: RegistryCredentials | undefined;
}

type Request = Omit<HttpRequest, 'url' | 'insecure'> & { readonly accept?: string };

const ACCEPT = [MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerList, MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerManifest].join(
  ', ',
);
const REDIRECTS_MAX = 5;

/** One repository at one endpoint, by the distribution protocol. Asks for a token when the registry wants one. */
export class Repository {
  readonly #http: HttpClient;
  readonly #credentials: RegistryCredentials;
  readonly #endpoint: Endpoint;
  readonly #reference: Reference;
  readonly #actions: string;
  #authorization: string | null;

  constructor(deps: RepositoryDeps, endpoint: Endpoint, reference: Reference, options: { push?: boolean } = {}) {
    this.#http = deps.http;
    this.#credentials = endpoint.mirror ? {} : (deps.credentials ?? {});
    this.#endpoint = endpoint;
    this.#reference = reference;
    this.#actions = options.push ? 'pull,push' : 'pull';
    const { registryToken } = this.#credentials;
    this.#authorization = registryToken ? `Bearer ${registryToken}` : null;
  }

  /** Is there a registry of this protocol, and does it let us in? Throws when not. */
  async ping(signal?: AbortSignal): Promise<void> {
    const response = await this.#send(`${this.#endpoint.origin}/v2/`, { method: 'GET', signal });
    response.body.resume();
    if (response.status === 401) throw this.#denied(response.status, 'unauthorized: authentication required');
    if (response.status >= 300) {
      throw unavailable('no_registry', `no registry answers at "${this.#endpoint.origin}": status ${response.status}`);
    }
  }

  /** By tag or digest. What comes back has been checked against a digest that was asked for. */
  async manifest(tagOrDigest: string, signal?: AbortSignal): Promise<RemoteManifest> {
    const response = await this.#send(this.#url(`manifests/${tagOrDigest}`), {
      method: 'GET',
      signal,
      headers: { accept: ACCEPT },
    });
    const bytes = await readBody(response.body);
    if (response.status !== 200) throw this.#refusal(response, bytes, 'manifest');
    const digest = digestOf(bytes);
    if (tagOrDigest.startsWith('sha256:') && tagOrDigest !== digest) {
      throw unavailable(
        'digest_mismatch',
        `the registry's manifest is "${digest}" where "${tagOrDigest}" was asked for`,
      );
    }
    return { mediaType: mediaTypeOf(response, bytes), digest, bytes };
  }

  async tags(signal?: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    for (let url: string | null = this.#url('tags/list'); url !== null; ) {
      const response: HttpResponse = await this.#send(url, { method: 'GET', signal });
      const bytes = await readBody(response.body);
      if (response.status !== 200) throw this.#refusal(response, bytes, 'manifest');
      const { tags } = JSON.parse(bytes.toString('utf8')) as { tags?: unknown };
      if (Array.isArray(tags)) found.push(...tags.filter((tag) => typeof tag === 'string'));
      const next = /<([^>]*)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ''))?.[1];
      url = next === undefined ? null : new URL(next, url).href;
    }
    return found;
  }

  /** The bytes of a blob from `offset` on; `partial` is false when the registry begins at the start regardless. */
  async blob(digest: string, offset: number, signal?: AbortSignal): Promise<{ partial: boolean; body: Readable }> {
    const response = await this.#send(this.#url(`blobs/${digest}`), {
      method: 'GET',
      signal,
      headers: offset > 0 ? { range: `bytes=${offset}-` } : {},
    });
    if (response.status === 200 || response.status === 206) {
      return { partial: response.status === 206, body: response.body };
    }
    throw this.#refusal(response, await readBody(response.body), 'blob');
  }

  async hasBlob(digest: string, signal?: AbortSignal): Promise<boolean> {
    const response = await this.#send(this.#url(`blobs/${digest}`), { method: 'HEAD', signal });
    response.body.resume();
    if (response.status === 404) return false;
    if (response.status === 200) return true;
    throw this.#refusal(response, Buffer.alloc(0), 'blob');
  }

  async uploadBlob(
    blob: { digest: string; size: number },
    source: () => AsyncIterable<Buffer>,
    signal?: AbortSignal,
  ): Promise<void> {
    const begun = await this.#send(this.#url('blobs/uploads/'), { method: 'POST', signal, body: Buffer.alloc(0) });
    const text = await readBody(begun.body);
    const location = begun.headers.location;
    if (begun.status !== 202 || location === undefined) throw this.#refusal(begun, text, 'upload');
    const url = new URL(location, this.#endpoint.origin);
    url.searchParams.set('digest', blob.digest);
    const done = await this.#send(url.href, {
      method: 'PUT',
      signal,
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) },
      body: Readable.from(source(), { objectMode: false }),
    });
    const answer = await readBody(done.body);
    if (done.status !== 201) throw this.#refusal(done, answer, 'upload');
  }

  async putManifest(
    tagOrDigest: string,
    manifest: { mediaType: string; bytes: Buffer },
    signal?: AbortSignal,
  ): Promise<void> {
    const response = await this.#send(this.#url(`manifests/${tagOrDigest}`), {
      method: 'PUT',
      signal,
      headers: { 'content-type': manifest.mediaType },
      body: manifest.bytes,
    });
    const answer = await readBody(response.body);
    if (response.status !== 201) throw this.#refusal(response, answer, 'manifest');
  }

  #url(path: string): string {
    return `${this.#endpoint.origin}/v2/${this.#reference.path}/${path}`;
  }

  /** Answers one challenge and follows redirects; our authorization goes to no other host. */
  async #send(url: string, request: Request): Promise<HttpResponse> {
    let response = await this.#once(url, request);
    const challenge = response.status === 401 ? parseChallenge(response.headers['www-authenticate'] ?? '') : null;
    // A body that is a stream has been used up; uploads begin with a request without one, so they have their token.
    if (challenge && !(request.body instanceof Readable) && !this.#credentials.registryToken) {
      const authorization = await this.#answer(challenge, request.signal);
      if (authorization !== null && authorization !== this.#authorization) {
        response.body.resume();
        this.#authorization = authorization;
        response = await this.#once(url, request);
      }
    }
    let at = url;
    for (let count = 0; isRedirect(request, response); count += 1) {
      if (count === REDIRECTS_MAX) throw unavailable('too_many_redirects', `too many redirects from "${url}"`);
      response.body.resume();
      at = new URL(response.headers.location ?? '', at).href;
      response = await this.#once(at, request);
    }
    return response;
  }

  #once(url: string, request: Request): Promise<HttpResponse> {
    const own = new URL(url).origin === new URL(this.#endpoint.origin).origin;
    const authorization: Record<string, string> =
      own && this.#authorization !== null ? { authorization: this.#authorization } : {};
    return this.#http.send({
      ...request,
      url,
      headers: { ...request.headers, ...authorization },
      insecure: this.#endpoint.insecure,
    });
  }

  async #answer(challenge: Challenge, signal: AbortSignal | undefined): Promise<string | null> {
    if (challenge.scheme === 'basic') return basicAuthorization(this.#credentials);
    const { realm, service } = challenge.parameters;
    if (!realm || !URL.canParse(realm)) return null;
    const scope = challenge.parameters.scope ?? `repository:${this.#reference.path}:${this.#actions}`;
    const token = await this.#token(new URL(realm), { service: service ?? '', scope }, signal);
    return token === null ? null : `Bearer ${token}`;
  }

  async #token(
    realm: URL,
    wanted: { service: string; scope: string },
    signal: AbortSignal | undefined,
  ): Promise<string | null> {
    const { identityToken } = this.#credentials;
    const form = new URLSearchParams({ ...(wanted.service && { service: wanted.service }), scope: wanted.scope });
    if (identityToken) {
      form.set('grant_type', 'refresh_token');
      form.set('refresh_token', identityToken);
      form.set('client_id', 'fairway');
    } else for (const [key, value] of form) realm.searchParams.set(key, value);
    const basic = identityToken ? null : basicAuthorization(this.#credentials);
    const response = await this.#http.send({
      method: identityToken ? 'POST' : 'GET',
      url: realm.href,
      headers: {
        ...(basic && { authorization: basic }),
        ...(identityToken && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      ...(identityToken && { body: Buffer.from(form.toString()) }),
      insecure: this.#endpoint.insecure,
      signal,
    });
    const bytes = await readBody(response.body);
    if (response.status !== 200) throw this.#refusal(response, bytes, 'token');
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    const { token, access_token: access } = json as { token?: unknown; access_token?: unknown };
    return typeof token === 'string' ? token : typeof access === 'string' ? access : null;
  }

  /** The registry's refusal in the words that Docker finds for it. */
  #refusal(response: HttpResponse, bytes: Buffer, what: 'manifest' | 'blob' | 'upload' | 'token'): FairwayError {
    const { status } = response;
    const reason = errorText(bytes) ?? `status ${status}`;
    if (status === 401 || status === 403) return this.#denied(status, reason);
    if (status === 404 && what === 'manifest') {
      return notFound('manifest_unknown', `manifest for ${familiarName(this.#reference)} not found: ${reason}`);
    }
    if (status === 404) return notFound('registry_not_found', `${what} not found: ${reason}`);
    if (status === 429) return unavailable('too_many_requests', `toomanyrequests: ${reason}`);
    return unavailable('registry_error', `the registry refused the ${what}: ${reason}`);
  }

  #denied(status: number, reason: string): FairwayError {
    if (this.#actions !== 'pull') return forbidden('push_denied', `push access denied: ${reason}`);
    const name = familiarRepository(this.#reference);
    const text = `pull access denied for ${name}, repository does not exist or may require 'docker login': ${reason}`;
    // Docker answers 404 here: a registry does not tell what is missing from what is forbidden.
    return status === 401 && this.#credentials.username
      ? unauthorized('unauthorized', `unauthorized: ${reason}`)
      : notFound('pull_denied', text);
  }
}

/** True for what another endpoint may do better: nobody there, or another protocol. */
export function isUnreachable(error: unknown): boolean {
  return isKind(error, 'unavailable') && error.code === 'registry_unreachable';
}

function isRedirect({ method }: Request, { status, headers }: HttpResponse): boolean {
  const known = status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
  return known && headers.location !== undefined && (method === 'GET' || method === 'HEAD');
}

function mediaTypeOf(response: HttpResponse, bytes: Buffer): string {
  const header = response.headers['content-type']?.split(';')[0]?.trim() ?? '';
  if (header !== '' && header !== 'application/json' && header !== 'text/plain') return header;
  const { mediaType } = JSON.parse(bytes.toString('utf8')) as { mediaType?: unknown };
  return typeof mediaType === 'string' ? mediaType : MEDIA_TYPE.ociManifest;
}

/** `manifest unknown: manifest unknown`, as registries write `{code, message}`. */
function errorText(bytes: Buffer): string | null {
  try {
    const json = JSON.parse(bytes.toString('utf8')) as { errors?: { code?: string; message?: string }[] };
    const texts = (json.errors ?? []).map(
      ({ code, message }) => `${(code ?? '').toLowerCase().replaceAll('_', ' ')}: ${message ?? ''}`,
    );
    return texts.length > 0 ? texts.join('; ') : null;
  } catch {
    return null;
  }
}
