import { internal, messageOf } from '../../base/index.ts';
import { checkExpectation, type Step } from '../record.ts';
import type { Keys } from './keys.ts';
import type { Call, Link } from './link.ts';
import { isCompacted, type WireKeyValue, type WireRange, type WireTxn } from './wire/index.ts';

/** At most so many records in one answer. */
const PAGE = 500;
/** A list that takes longer than etcd keeps the revision at which it began begins anew. */
const LIST_ATTEMPTS = 3;

export interface Listing {
  readonly records: readonly { readonly key: string; readonly json: string; readonly revision: number }[];
  /** At which all of them were so. */
  readonly revision: number;
}

/** Reads and transactions of etcd's KV service, in the store's words. */
export class Records {
  readonly #link: Link;
  readonly #keys: Keys;

  constructor(link: Link, keys: Keys) {
    this.#link = link;
    this.#keys = keys;
  }

  async get(key: string): Promise<Listing['records'][number] | undefined> {
    const [found] = (await this.#range(`read ${JSON.stringify(key)}`, { key: this.#keys.wire(key) })).kvs;
    return found && this.#record(found);
  }

  async list(prefix: string): Promise<Listing> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#pages(prefix);
      } catch (error) {
        if (!isCompacted(error) || attempt === LIST_ATTEMPTS) throw error;
      }
    }
  }

  /** Returns the store's revision afterwards. Throws conflict `store_conflict`, naming the record. */
  async commit(steps: readonly Step[], lease: string | undefined): Promise<number> {
    const expecting = steps.filter(({ expect }) => expect !== undefined);
    const request = {
      compare: expecting.map(({ key, expect }) => ({
        result: 'EQUAL',
        target: 'MOD',
        key: this.#keys.wire(key),
        mod_revision: String(expect),
      })),
      success: steps.filter(({ action }) => action !== 'check').map((step) => this.#operation(step, lease)),
      // Only to say what stands in the way.
      failure: expecting.map(({ key }) => ({ request_range: { key: this.#keys.wire(key), keys_only: true } })),
    };
    const call: Call = { service: 'KV', method: 'Txn', what: 'commit', repeatable: request.success.length === 0 };
    const answer = await this.#link.call<WireTxn>(call, request);
    if (!answer.succeeded) {
      expecting.forEach((step, at) => {
        const [found] = answer.responses[at]?.response_range?.kvs ?? [];
        checkExpectation(step, Number(found?.mod_revision ?? 0));
      });
    }
    return Number(answer.header.revision);
  }

  #operation({ key, json }: Step, lease: string | undefined): object {
    const wire = this.#keys.wire(key);
    if (json === undefined) return { request_delete_range: { key: wire } };
    return { request_put: { key: wire, value: Buffer.from(json), ...(lease !== undefined && { lease }) } };
  }

  async #pages(prefix: string): Promise<Listing> {
    const what = `list ${JSON.stringify(prefix)}`;
    const { key, end } = this.#keys.range(prefix);
    const records: Listing['records'][number][] = [];
    let from = key;
    let revision = 0;
    for (;;) {
      const page = await this.#range(what, { key: from, range_end: end, limit: PAGE, revision });
      records.push(...page.kvs.map((one) => this.#record(one)));
      if (revision === 0) revision = Number(page.header.revision);
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return { records, revision };
      from = Buffer.concat([last.key, Buffer.from([0])]);
    }
  }

  #range(what: string, request: object): Promise<WireRange> {
    return this.#link.call<WireRange>({ service: 'KV', method: 'Range', what, repeatable: true }, request);
  }

  #record({ key, value, mod_revision: revision }: WireKeyValue): Listing['records'][number] {
    return { key: this.#keys.own(key), json: value.toString(), revision: Number(revision) };
  }
}

export function parsed(key: string, json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw internal('store_damaged', `the cluster store's record "${key}" is no JSON: ${messageOf(error)}`, error);
  }
}
