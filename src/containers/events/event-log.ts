import { type Clock, Emitter, type Log, silentLog, systemClock } from '../../base/index.ts';
import type { EngineEvent, EventSink } from '../../model/index.ts';

export interface EventLogDeps {
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface EventLogOptions {
  /** How many past events are remembered. */
  readonly keep?: number;
}

/** A ring of the last events, and whoever listens. */
export class EventLog implements EventSink {
  readonly #clock: Clock;
  readonly #keep: number;
  readonly #emitter: Emitter<EngineEvent>;
  readonly #past: EngineEvent[] = [];

  constructor(deps: EventLogDeps = {}, options: EventLogOptions = {}) {
    const log = deps.log ?? silentLog;
    this.#clock = deps.clock ?? systemClock;
    this.#keep = options.keep ?? 256;
    this.#emitter = new Emitter((error) => log.error({ err: error }, 'a listener of events failed'));
  }

  publish(event: Omit<EngineEvent, 'timeNanos' | 'scope'> & { readonly scope?: EngineEvent['scope'] }): void {
    const complete: EngineEvent = { ...event, scope: event.scope ?? 'local', timeNanos: this.#clock.nowNanos() };
    this.#past.push(complete);
    if (this.#past.length > this.#keep) this.#past.shift();
    this.#emitter.emit(complete);
  }

  /** Remembered events, oldest first, both ends inclusive. */
  between(since: bigint | undefined, until: bigint | undefined): readonly EngineEvent[] {
    return this.#past.filter(
      ({ timeNanos }) => (since === undefined || timeNanos >= since) && (until === undefined || timeNanos <= until),
    );
  }

  /** Every event from now on; with `since`, the remembered ones first. Returns the end of the subscription. */
  subscribe(listener: (event: EngineEvent) => void, since?: bigint): () => void {
    if (since !== undefined) for (const event of this.between(since, undefined)) listener(event);
    return this.#emitter.on(listener);
  }
}
