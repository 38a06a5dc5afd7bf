import type { FairwayError } from '../../base/index.ts';
import { basicAuthorization, type Challenge, type RegistryCredentials } from './credentials.ts';
import { type HttpRequest, type HttpResponse, readBody } from './http/index.ts';

type Ask = (request: Omit<HttpRequest, 'insecure'>) => Promise<HttpResponse>;

/** Finds the `Authorization` that a registry asks for: basic, or a bearer token from whom it names. */
export class Authorizer {
  readonly #credentials: RegistryCredentials;
  #authorization: string | null;
  #lacksBasic = false;

  constructor(credentials: RegistryCredentials) {
    this.#credentials = credentials;
    const { registryToken } = credentials;
    this.#authorization = registryToken ? `Bearer ${registryToken}` : null;
  }

  /** The registry has asked for a name and a password, and there are none. */
  get lacksBasic(): boolean {
    return this.#lacksBasic;
  }

  /** Nobody has said who we are. */
  get anonymous(): boolean {
    const { username, identityToken, registryToken } = this.#credentials;
    return !username && !identityToken && !registryToken;
  }

  header(): Record<string, string> {
    return this.#authorization === null ? {} : { authorization: this.#authorization };
  }

  /** Resolves to true when there is another authorization to try. Throws when who gives tokens refuses. */
  async answer(
    challenge: Challenge,
    scope: string | null,
    ask: Ask,
    refuse: (response: HttpResponse) => Promise<FairwayError>,
  ): Promise<boolean> {
    if (this.#credentials.registryToken) return false;
    const found =
      challenge.scheme === 'basic' ? this.#basic() : await this.#bearer(challenge.parameters, scope, ask, refuse);
    if (found === null || found === this.#authorization) return false;
    this.#authorization = found;
    return true;
  }

  #basic(): string | null {
    const basic = basicAuthorization(this.#credentials);
    this.#lacksBasic = basic === null;
    return basic;
  }

  async #bearer(
    parameters: Challenge['parameters'],
    wanted: string | null,
    ask: Ask,
    refuse: (response: HttpResponse) => Promise<FairwayError>,
  ): Promise<string | null> {
    const { realm = '', service } = parameters;
    if (!/^https?:/.test(realm) || !URL.canParse(realm)) return null;
    // More than one scope is ours to ask for; the challenge names but one.
    const scopes = wanted?.includes(' ') ? wanted : (parameters.scope ?? wanted);
    const response = await ask(this.#tokenRequest(new URL(realm), service, scopes?.split(' ') ?? []));
    if (response.status !== 200) throw await refuse(response);
    const token = tokenOf(await readBody(response.body));
    return token === null ? null : `Bearer ${token}`;
  }

  #tokenRequest(realm: URL, service: string | undefined, scopes: readonly string[]): Omit<HttpRequest, 'insecure'> {
    const { identityToken } = this.#credentials;
    if (!identityToken) {
      if (service) realm.searchParams.set('service', service);
      for (const scope of scopes) realm.searchParams.append('scope', scope);
      const basic = basicAuthorization(this.#credentials);
      return { method: 'GET', url: realm.href, headers: basic === null ? {} : { authorization: basic } };
    }
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: identityToken,
      client_id: 'fairway',
      ...(service && { service }),
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    });
    return {
      method: 'POST',
      url: realm.href,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(form.toString()),
    };
  }
}

function tokenOf(bytes: Buffer): string | null {
  try {
    const { token, access_token: access } = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    return typeof token === 'string' ? token : typeof access === 'string' ? access : null;
  } catch {
    return null;
  }
}
