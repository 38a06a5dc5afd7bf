import { filtersText, type Session, segment } from './session.ts';
import type { CreateNetwork, Filters, NetworkSummary } from './wire.ts';
import type { EndpointConfig } from './wire-containers.ts';

export class Networks {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  list(filters?: Filters): Promise<NetworkSummary[]> {
    return this.#session.json('GET', '/networks', { query: { filters: filtersText(filters) } });
  }

  inspect(name: string, options: { verbose?: boolean } = {}): Promise<NetworkSummary> {
    const query = { verbose: options.verbose || undefined };
    return this.#session.json('GET', `/networks/${segment(name)}`, { query });
  }

  create(body: CreateNetwork): Promise<{ readonly Id: string; readonly Warning?: string }> {
    return this.#session.json('POST', '/networks/create', { body });
  }

  remove(name: string): Promise<void> {
    return this.#session.send('DELETE', `/networks/${segment(name)}`);
  }

  connect(name: string, container: string, config: EndpointConfig): Promise<void> {
    const body = { Container: container, EndpointConfig: config };
    return this.#session.send('POST', `/networks/${segment(name)}/connect`, { body });
  }

  disconnect(name: string, container: string, options: { force?: boolean } = {}): Promise<void> {
    const body = { Container: container, Force: options.force === true };
    return this.#session.send('POST', `/networks/${segment(name)}/disconnect`, { body });
  }

  prune(filters: Filters): Promise<{ readonly NetworksDeleted: readonly string[] | null }> {
    return this.#session.json('POST', '/networks/prune', { query: { filters: filtersText(filters) } });
  }
}
