import type { Session } from './session.ts';
import type { ClusterInfo } from './wire.ts';

export interface ClusterPlace {
  readonly AdvertiseAddr?: string;
  readonly Port?: number;
}

/** Fairway's own: hosts that share networks. */
export class ClusterCalls {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  status(): Promise<ClusterInfo> {
    return this.#session.json('GET', '/fairway/cluster');
  }

  async token(): Promise<string> {
    return (await this.#session.json<{ readonly Token: string }>('GET', '/fairway/cluster/token')).Token;
  }

  init(body: ClusterPlace): Promise<{ readonly Token: string; readonly Status: ClusterInfo }> {
    return this.#session.json('POST', '/fairway/cluster/init', { body });
  }

  async join(body: ClusterPlace & { readonly Token: string; readonly Manager: boolean }): Promise<ClusterInfo> {
    return (await this.#session.json<{ readonly Status: ClusterInfo }>('POST', '/fairway/cluster/join', { body }))
      .Status;
  }

  async leave({ force }: { readonly force: boolean }): Promise<ClusterInfo> {
    const query = { force: force ? '1' : undefined };
    return (await this.#session.json<{ readonly Status: ClusterInfo }>('POST', '/fairway/cluster/leave', { query }))
      .Status;
  }
}
