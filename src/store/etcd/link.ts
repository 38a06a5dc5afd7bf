import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff, type Clock, Emitter, type Log, messageOf } from '../../base/index.ts';
import { storeClosed } from '../record.ts';
import type { EtcdStoreOptions } from './options.ts';
import {
  isAuthOff,
  isStatus,
  Members,
  reasonOf,
  refusal,
  Schema,
  type Stream,
  unreachable,
  verdictOf,
} from './wire/index.ts';

export interface LinkDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/** Which method, and the words of an error: `cannot <what>: …`. */
export interface Call {
  readonly service: 'KV' | 'Lease' | 'Cluster' | 'Maintenance' | 'Auth' | 'Watch';
  readonly method: string;
  readonly what: string;
  /** Doing it twice is doing it once. */
  readonly repeatable: boolean;
}

/** After so long a call is given up. */
const BOUND_MS = 5_000;
/** The same while the last one had to be given up: nobody should wait long for a store that is known to be away. */
const BOUND_WHILE_AWAY_MS = 1_500;
/** So long one member is waited for, if another may be asked the same. */
const MEMBER_MS = 2_000;
const PAUSE_MS = { first: 50, longest: 500 };
/** And up to half as much more: nodes that lost the store together do not come back at one moment. */
const PROBE_LONGEST_MS = 2_000;

const PROBE: Call = {
  service: 'KV',
  method: 'Range',
  what: 'look whether the cluster store answers',
  repeatable: true,
};

/**
 * The way to a cluster of etcd: all calls go to one member (the *place*) until it fails, then to the next. A call is tried
 * again while it is known not to have been done, or is repeatable, for a bounded time. While the store is away it is looked
 * for, later and later, so that `onReachable` tells when it is back.
 */
export class Link {
  readonly #members: Members;
  readonly #schema: Schema;
  readonly #login: EtcdStoreOptions['login'];
  readonly #log: Log;
  readonly #prober: Backoff;
  readonly #moved = new Emitter<number>();
  readonly #reachability: Emitter<boolean>;
  readonly #closing = new AbortController();
  #token: Promise<string | undefined> | undefined;
  #place: number;
  #reachable = false;
  /** A call had to be given up since the last one that was answered. */
  #away = false;

  private constructor(members: Members, schema: Schema, { login, spread = false }: EtcdStoreOptions, deps: LinkDeps) {
    this.#place = spread ? Math.floor(Math.random() * members.endpoints.length) : 0;
    this.#members = members;
    this.#schema = schema;
    this.#login = login;
    this.#log = deps.log;
    this.#reachability = new Emitter((error) =>
      deps.log.error({ err: error }, 'a listener to the cluster store failed'),
    );
    this.#prober = new Backoff(
      { clock: deps.clock, work: () => this.#probe(), onError: () => this.#prober.ask() },
      { longestMs: PROBE_LONGEST_MS * (1 + Math.random() / 2) },
    );
  }

  /** Reads certificates and keys; throws invalid when they cannot be used. Opens no connection. */
  static async open(options: EtcdStoreOptions, deps: LinkDeps): Promise<Link> {
    const [members, schema] = await Promise.all([Members.open(options), Schema.load()]);
    return new Link(members, schema, options, deps);
  }

  get reachable(): boolean {
    return this.#reachable;
  }

  onReachable(listener: (reachable: boolean) => void): () => void {
    return this.#reachability.on(listener);
  }

  get memberCount(): number {
    return this.#members.endpoints.length;
  }

  /** The member that is asked now. */
  get place(): number {
    return this.#place;
  }

  onMoved(listener: (place: number) => void): () => void {
    return this.#moved.on(listener);
  }

  async call<Res>(call: Call, request: object): Promise<Res> {
    const end = performance.now() + (this.#away ? BOUND_WHILE_AWAY_MS : BOUND_MS);
    let pause = PAUSE_MS.first;
    let distrusted = 0;
    let tokensRefused = 0;
    for (let attempt = 1; ; attempt += 1) {
      if (this.#closing.signal.aborted) throw storeClosed();
      const place = this.#place;
      const left = Math.max(end - performance.now(), 1);
      let sent = false;
      try {
        const token = await this.#currentToken(place);
        sent = true;
        const timeoutMs = call.repeatable ? Math.min(left, MEMBER_MS) : left;
        const method = this.#schema.method(call.service, call.method);
        const answer = await this.#members.unary<Res>(place, method, request, { token, timeoutMs });
        this.answered();
        return answer;
      } catch (error) {
        if (this.#closing.signal.aborted) throw storeClosed();
        const judged = verdictOf(error);
        const verdict = judged === 'unknown' && (call.repeatable || !sent) ? 'notDone' : judged;
        if (verdict === 'answer') {
          // It is there, whatever it says.
          if (isStatus(error)) this.answered();
          throw refusal(error, call.what, this.#login?.user);
        }
        if (verdict === 'tokenRefused') {
          this.forgetToken();
          tokensRefused += 1;
          if (tokensRefused > 2) throw refusal(error, call.what, this.#login?.user);
          continue;
        }
        this.suspect(place);
        distrusted += verdict === 'notTrusted' ? 1 : 0;
        if (performance.now() >= end || distrusted >= this.#members.endpoints.length) throw this.#givenUp(error);
        if (verdict === 'unknown') throw unreachable(this.#members.endpoints, error);
        if (attempt % this.#members.endpoints.length !== 0) continue;
        // An attempt without time would only say that it had none.
        if (performance.now() + pause >= end) throw this.#givenUp(error);
        await sleep(pause);
        pause = Math.min(pause * 2, PAUSE_MS.longest);
      }
    }
  }

  /** A stream to the present member; what it was asked for is the caller's to ask again when it breaks. */
  async stream(service: Call['service'], method: string): Promise<{ readonly stream: Stream; readonly place: number }> {
    const place = this.#place;
    const token = await this.#currentToken(place);
    if (this.#closing.signal.aborted) throw storeClosed();
    return { stream: this.#members.stream(place, this.#schema.method(service, method), { token }), place };
  }

  /** The member at this place did not do its part: the next one is asked from now on. */
  suspect(place: number): void {
    if (place !== this.#place) return;
    this.#place = (place + 1) % this.#members.endpoints.length;
    this.#moved.emit(this.#place);
  }

  answered(): void {
    this.#away = false;
    if (this.#reachable || this.#closing.signal.aborted) return;
    this.#reachable = true;
    this.#reachability.emit(true);
  }

  /** Nobody answered; it is looked for until somebody does. */
  lost(error: unknown): void {
    this.#prober.ask();
    if (!this.#reachable) return;
    this.#reachable = false;
    this.#log.warn({ endpoints: this.#members.endpoints }, `the cluster store is out of reach: ${reasonOf(error)}`);
    this.#reachability.emit(false);
  }

  forgetToken(): void {
    this.#token = undefined;
  }

  close(): void {
    this.#closing.abort();
    this.#prober[Symbol.dispose]();
    this.#members.close();
  }

  #givenUp(error: unknown): Error {
    this.#away = true;
    this.lost(error);
    return unreachable(this.#members.endpoints, error);
  }

  #currentToken(place: number): Promise<string | undefined> {
    if (this.#login === undefined) return Promise.resolve(undefined);
    if (this.#token === undefined) {
      const token = this.#authenticate(place, this.#login);
      token.catch(() => {
        if (this.#token === token) this.#token = undefined;
      });
      this.#token = token;
    }
    return this.#token;
  }

  async #authenticate(
    place: number,
    { user, password }: NonNullable<EtcdStoreOptions['login']>,
  ): Promise<string | undefined> {
    try {
      const method = this.#schema.method('Auth', 'Authenticate');
      const request = { name: user, password };
      const { token } = await this.#members.unary<{ token: string }>(place, method, request, { timeoutMs: MEMBER_MS });
      return token;
    } catch (error) {
      if (isAuthOff(error)) return undefined;
      throw error;
    }
  }

  /** A read that needs a majority. */
  async #probe(): Promise<boolean> {
    if (this.#reachable) return false;
    try {
      this.#away = false;
      await this.call(PROBE, { key: Buffer.from('\0'), count_only: true });
    } catch (error) {
      this.#log.debug({}, messageOf(error));
      this.#prober.ask();
    }
    return true;
  }
}
