import { filtersText, type Session, segment } from './session.ts';
import type { CreateVolume, Filters, Volume } from './wire.ts';

export class Volumes {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async list(filters?: Filters): Promise<readonly Volume[]> {
    const query = { filters: filtersText(filters) };
    const answer = await this.#session.json<{ Volumes: Volume[] | null }>('GET', '/volumes', { query });
    return answer.Volumes ?? [];
  }

  inspect(name: string): Promise<Volume> {
    return this.#session.json('GET', `/volumes/${segment(name)}`);
  }

  create(body: CreateVolume): Promise<Volume> {
    return this.#session.json('POST', '/volumes/create', { body });
  }

  remove(name: string, options: { force?: boolean } = {}): Promise<void> {
    return this.#session.send('DELETE', `/volumes/${segment(name)}`, { query: { force: options.force || undefined } });
  }

  prune(filters: Filters): Promise<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }> {
    return this.#session.json('POST', '/volumes/prune', { query: { filters: filtersText(filters) } });
  }
}
