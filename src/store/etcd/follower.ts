import { Backoff, type Clock, type Log } from '../../base/index.ts';
import type { StoreChange } from '../../model/index.ts';
import type { KeyRange, Keys } from './keys.ts';
import { type Listing, parsed, type Records } from './records.ts';
import type { Watcher, Watches } from './watches.ts';
import type { WireEvent } from './wire/index.ts';

export interface FollowerDeps {
  readonly records: Records;
  readonly watches: Watches;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly log: Log;
  /** The store is as it was before something that was told of. */
  readonly onWentBack: () => void;
}

const LOOK_LONGEST_MS = 5_000;

/**
 * One listener's view of a prefix: which keys it was told of, at which revision. So it can be told the difference when etcd
 * no longer knows what happened in between.
 */
export class Follower implements Watcher {
  readonly range: KeyRange;
  readonly #deps: FollowerDeps;
  readonly #prefix: string;
  readonly #listener: (change: StoreChange) => void;
  readonly #looking: Backoff;
  readonly #known = new Map<string, number>();
  /** Whether the next list is only to be remembered. */
  #silent: boolean;
  #next = 0;
  #ended = false;

  /** `silent`: what is there at the beginning is not told. */
  constructor(
    deps: FollowerDeps,
    { prefix, silent }: { readonly prefix: string; readonly silent: boolean },
    listener: (change: StoreChange) => void,
  ) {
    this.#silent = silent;
    this.#deps = deps;
    this.#prefix = prefix;
    this.#listener = listener;
    this.range = deps.keys.range(prefix);
    this.#looking = new Backoff(
      { clock: deps.clock, work: () => this.#look(), onError: () => this.#looking.ask() },
      { longestMs: LOOK_LONGEST_MS },
    );
  }

  get next(): number {
    return this.#next;
  }

  async start(): Promise<void> {
    await this.#look();
  }

  /** Starts when the store is there, however late. */
  startLater(): void {
    this.#looking.ask();
  }

  end(): void {
    this.#ended = true;
    this.#looking[Symbol.dispose]();
    this.#deps.watches.remove(this);
    this.#known.clear();
  }

  changed(events: readonly WireEvent[]): void {
    for (const { type, kv } of events) {
      const key = this.#deps.keys.own(kv.key);
      const revision = Number(kv.mod_revision);
      // Of a time before the stream broke: it was told.
      if (revision < this.#next) continue;
      if (type === 'DELETE') this.#tellGone(key, revision);
      else this.#tell({ key, json: kv.value.toString(), revision });
      if (this.#ended) return;
    }
    this.progressed(Number(events.at(-1)?.kv.mod_revision ?? 0));
  }

  progressed(revision: number): void {
    this.#next = Math.max(this.#next, revision + 1);
  }

  compacted(): void {
    this.#looking.ask();
  }

  wentBack(): void {
    this.#looking.ask();
  }

  async #look(): Promise<boolean> {
    const listing = await this.#deps.records.list(this.#prefix);
    if (this.#ended) return true;
    if (listing.revision < this.#next - 1) {
      // The same revisions may mean something else now.
      for (const key of this.#known.keys()) this.#known.set(key, 0);
      this.#deps.onWentBack();
    }
    if (this.#silent) for (const { key, revision } of listing.records) this.#known.set(key, revision);
    else this.#tellDifference(listing);
    this.#silent = false;
    this.#watchAfter(listing.revision);
    return true;
  }

  #watchAfter(revision: number): void {
    if (this.#ended) return;
    this.#next = revision + 1;
    this.#deps.watches.add(this);
  }

  #tellDifference({ records, revision }: Listing): void {
    const there = new Set(records.map(({ key }) => key));
    for (const key of [...this.#known.keys()].sort()) if (!there.has(key)) this.#tellGone(key, revision);
    for (const record of records) if (this.#known.get(record.key) !== record.revision) this.#tell(record);
  }

  #tellGone(key: string, revision: number): void {
    this.#known.delete(key);
    this.#say({ key, value: undefined, revision });
  }

  #tell({ key, json, revision }: Listing['records'][number]): void {
    this.#known.set(key, revision);
    let value: unknown;
    try {
      value = parsed(key, json);
    } catch (error) {
      this.#deps.log.error({ err: error, key }, 'a record of the cluster store is damaged, and left out');
      return;
    }
    this.#say({ key, value, revision });
  }

  #say(change: StoreChange): void {
    if (this.#ended) return;
    try {
      this.#listener(change);
    } catch (error) {
      this.#deps.log.error({ err: error, key: change.key }, 'a listener to the cluster store failed');
    }
  }
}
