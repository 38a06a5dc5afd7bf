import { filtersText, type Session } from './session.ts';
import type { DiskUsage, Drift, EventMessage, Filters, Reconciliation, VersionInfo } from './wire.ts';

export interface EventsOptions {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly filters?: Filters;
  readonly signal?: AbortSignal;
}

export class System {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  info(): Promise<Record<string, unknown>> {
    return this.#session.json('GET', '/info');
  }

  version(): Promise<VersionInfo> {
    return this.#session.json('GET', '/version');
  }

  diskUsage(): Promise<DiskUsage> {
    return this.#session.json('GET', '/system/df');
  }

  /** What is not as the daemon made it. */
  async verify(): Promise<readonly Drift[]> {
    return (await this.#session.json<{ readonly Drift: readonly Drift[] }>('GET', '/fairway/verify')).Drift;
  }

  repair(): Promise<Reconciliation> {
    return this.#session.json('POST', '/fairway/repair');
  }

  collect(): Promise<Reconciliation> {
    return this.#session.json('POST', '/fairway/gc');
  }

  events(options: EventsOptions = {}): AsyncGenerator<EventMessage> {
    const { since, until, filters, signal } = options;
    return this.#session.stream('GET', '/events', { query: { since, until, filters: filtersText(filters) }, signal });
  }

  login(body: object): Promise<{ readonly Status?: string; readonly IdentityToken?: string }> {
    return this.#session.json('POST', '/auth', { body });
  }
}
