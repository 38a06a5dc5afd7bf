import type { Ip } from '../../../base/index.ts';
import type { DnsView } from '../../../model/index.ts';
import {
  type Answer,
  addressRecord,
  BAD_EDNS_VERSION,
  buildError,
  buildResponse,
  CLASS,
  EMPTY,
  limitOf,
  NO_SUCH_NAME,
  nameOfKey,
  parseQuery,
  pointerRecord,
  type Query,
  type Transport,
  TYPE,
} from '../wire/index.ts';
import { ipOfReverseName, type Zone } from './zone.ts';

/** More questions than any program asks; then the cache starts anew. */
const CACHE_LIMIT = 2048;
/** Where the embedded resolver itself listens: as a sandbox's own server it would ask itself. */
const SELF = '127.0.0.11';

/** A query that we know no answer to and that others may be asked. */
export interface Unanswered {
  readonly query: Query;
}

/** The servers that a sandbox brings itself. They are dialled from the sandbox, so internal networks may have them too. */
export function ownServers(view: DnsView): readonly Ip[] {
  return view.dns.servers.filter((ip) => ip !== SELF);
}

/** Answers the queries of one sandbox from the zone; pure but for a cache of encoded answers. */
export class Responder {
  readonly #zone: Zone;
  /** Undefined: others know, or nobody. */
  readonly #cache = new Map<string, Answer | undefined>();
  #cacheVersion = -1;
  #view: DnsView;

  constructor(zone: Zone, view: DnsView) {
    this.#zone = zone;
    this.#view = view;
  }

  get view(): DnsView {
    return this.#view;
  }

  setView(view: DnsView): void {
    this.#view = view;
    this.#cache.clear();
  }

  /** The response, or what must be asked elsewhere; undefined: no answer at all. */
  respond(packet: Buffer, transport: Transport): Buffer | Unanswered | undefined {
    const query = parseQuery(packet);
    if (query === 'ignored') return undefined;
    if (typeof query === 'number') return buildError(packet, query);
    const answer = query.ednsVersion === 0 ? this.#answer(query) : BAD_EDNS_VERSION;
    if (answer === undefined) return { query };
    // At random: with a counter, a client that asks for A and AAAA in turn would always get the same address first.
    const rotation = answer.records.length < 2 ? 0 : Math.trunc(Math.random() * answer.records.length);
    return buildResponse(packet, query, answer, { limit: limitOf(query, transport), rotation });
  }

  #answer(query: Query): Answer | undefined {
    if (this.#cacheVersion !== this.#zone.version) {
      this.#cache.clear();
      this.#cacheVersion = this.#zone.version;
    }
    const cached = this.#cache.get(query.key);
    if (cached !== undefined || this.#cache.has(query.key)) return cached;
    const answer = this.#lookUp(query) ?? (this.#mayForward() ? undefined : NO_SUCH_NAME);
    if (this.#cache.size >= CACHE_LIMIT) this.#cache.clear();
    this.#cache.set(query.key, answer);
    return answer;
  }

  #mayForward(): boolean {
    return this.#view.forward || ownServers(this.#view).length > 0;
  }

  #lookUp(query: Query): Answer | undefined {
    if (query.class !== CLASS.IN && query.class !== CLASS.ANY) return undefined;
    const name = nameOfKey(query.key);
    const reverse = ipOfReverseName(name);
    if (reverse !== undefined) return this.#pointer(query.type, reverse);
    const found = this.#zone.find(this.#view, name);
    if (found === undefined) return undefined;
    // Known: whatever is missing is missing, and nobody else is asked about our names.
    const wanted = (type: number): boolean => query.type === type || query.type === TYPE.ANY;
    const records = found.flatMap(({ ipv4, ipv6 }) => [
      ...(ipv4 !== undefined && wanted(TYPE.A) ? [addressRecord(ipv4)] : []),
      ...(ipv6 !== undefined && wanted(TYPE.AAAA) ? [addressRecord(ipv6)] : []),
    ]);
    return { ...EMPTY, records };
  }

  #pointer(type: number, ip: Ip): Answer | undefined {
    const name = this.#zone.nameOf(this.#view, ip);
    if (name === undefined) return undefined;
    const record = type === TYPE.PTR || type === TYPE.ANY ? pointerRecord(name) : undefined;
    return record === undefined ? EMPTY : { ...EMPTY, records: [record] };
  }
}
