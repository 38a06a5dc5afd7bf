import type { Clock, Log } from '../../base/index.ts';
import { KeptStream } from './kept-stream.ts';
import type { KeyRange } from './keys.ts';
import type { Link } from './link.ts';
import type { WireEvent, WireWatch } from './wire/index.ts';

/** Somebody who wants to hear of every change of a range of keys. */
export interface Watcher {
  readonly range: KeyRange;
  /** The first revision it has not heard of. */
  readonly next: number;
  /** Whole revisions, in order. */
  changed(events: readonly WireEvent[]): void;
  /** Nothing up to this revision is missing. */
  progressed(revision: number): void;
  /** What it has not heard of is no longer known: it must look what is there. It is watched no more. */
  compacted(): void;
  /** The member knows of less than it has heard of: it must look what is there. It is watched no more. */
  wentBack(): void;
}

export interface WatchesDeps {
  readonly link: Link;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often a stream on which nothing happens is asked whether somebody is at its other end. */
const ASK_EVERY_MS = 5_000;

/** All watches of a store, on one stream; each goes on at its own revision when the stream was interrupted. */
export class Watches {
  readonly #deps: WatchesDeps;
  readonly #stream: KeptStream<object, WireWatch>;
  readonly #byId = new Map<string, Watcher>();
  /** Those who are not on the present stream yet, too. */
  readonly #watchers = new Set<Watcher>();
  #lastId = 0;
  #asking: (() => void) | undefined;

  constructor(deps: WatchesDeps) {
    this.#deps = deps;
    this.#stream = new KeptStream(
      deps,
      { service: 'Watch', method: 'Watch' },
      {
        opened: () => {
          this.#byId.clear();
          for (const watcher of this.#watchers) this.#create(watcher);
          this.#askLater();
        },
        received: (message: WireWatch) => this.#received(message),
      },
    );
  }

  add(watcher: Watcher): void {
    this.#watchers.add(watcher);
    if (this.#stream.isOpen) this.#create(watcher);
    else this.#stream.want();
  }

  remove(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    for (const [id, one] of this.#byId) {
      if (one !== watcher) continue;
      this.#byId.delete(id);
      this.#stream.write({ cancel_request: { watch_id: id } });
    }
  }

  close(): void {
    this.#asking?.();
    this.#stream.close();
  }

  #create(watcher: Watcher): void {
    this.#lastId += 1;
    const id = String(this.#lastId);
    this.#byId.set(id, watcher);
    const { key, end } = watcher.range;
    this.#stream.write(
      { create_request: { key, range_end: end, start_revision: watcher.next, progress_notify: true, watch_id: id } },
      { answered: true },
    );
  }

  #received(message: WireWatch): void {
    const watcher = this.#byId.get(message.watch_id);
    if (message.canceled) {
      this.#cancelled(message, watcher);
      return;
    }
    if (watcher === undefined) return;
    if (message.created) {
      // A member that is only behind is asked in vain; one whose data was replaced by older would never tell.
      if (Number(message.header.revision) < watcher.next - 1) {
        this.remove(watcher);
        watcher.wentBack();
      }
      return;
    }
    if (message.events.length > 0) watcher.changed(message.events);
    // Answers to a question about progress (watch -1) are no promise before etcd 3.4.25; what comes by itself is one.
    else watcher.progressed(Number(message.header.revision));
  }

  #cancelled(
    { watch_id: id, compact_revision: compacted, cancel_reason: reason }: WireWatch,
    watcher: Watcher | undefined,
  ): void {
    this.#byId.delete(id);
    if (watcher !== undefined && Number(compacted) > 0) {
      this.#watchers.delete(watcher);
      watcher.compacted();
      return;
    }
    // Refused (watch -1, or one of ours): another token, or another member, may do better; and not at once.
    if (watcher === undefined && id !== '-1') return;
    this.#deps.log.warn({ reason }, 'the cluster store ended a watch');
    this.#deps.link.forgetToken();
    this.#stream.restart(new Error(reason));
  }

  #askLater(): void {
    this.#asking?.();
    this.#asking = this.#deps.clock.after(ASK_EVERY_MS, () => {
      this.#stream.write({ progress_request: {} }, { answered: true });
      this.#askLater();
    });
  }
}
