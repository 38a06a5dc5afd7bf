import type { Store, StoreChange, StoreOperation, Versioned } from '../model/index.ts';
import { checkExpectation, checkKey, isChange, type Step, stepsOf, storeClosed, Watchers } from './record.ts';

interface Row {
  readonly json: string;
  readonly revision: number;
}

/** A store that lives as long as the process: tests, and the library door. Values are copied in and out. */
export class MemoryStore implements Store {
  readonly #rows = new Map<string, Row>();
  readonly #watchers: Watchers;
  #revision = 0;
  #closed = false;

  constructor(options: { readonly onWatchError?: (error: unknown) => void } = {}) {
    this.#watchers = new Watchers(options.onWatchError);
  }

  async get<T>(key: string): Promise<Versioned<T> | undefined> {
    this.#assertOpen();
    const row = this.#rows.get(checkKey(key));
    return row === undefined ? undefined : versioned<T>(key, row);
  }

  async list<T>(prefix: string): Promise<readonly Versioned<T>[]> {
    this.#assertOpen();
    const rows = [...this.#rows].filter(([key]) => key.startsWith(prefix));
    return rows.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, row]) => versioned<T>(key, row));
  }

  put(key: string, value: unknown): Promise<number> {
    return this.commit([{ put: key, value }]);
  }

  async delete(key: string): Promise<void> {
    await this.commit([{ delete: key }]);
  }

  async commit(operations: readonly StoreOperation[]): Promise<number> {
    this.#assertOpen();
    const steps = stepsOf(operations);
    for (const step of steps) checkExpectation(step, this.#rows.get(step.key)?.revision ?? 0);
    const changes = steps.filter((step) => isChange(step, this.#rows.has(step.key)));
    if (changes.length === 0) return this.#revision;
    this.#revision += 1;
    for (const step of changes) this.#apply(step);
    const revision = this.#revision;
    this.#watchers.tell(changes, revision);
    return revision;
  }

  watch(prefix: string, listener: (change: StoreChange) => void): () => void {
    return this.#watchers.add(prefix, listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #apply({ key, json }: Step): void {
    if (json === undefined) this.#rows.delete(key);
    else this.#rows.set(key, { json, revision: this.#revision });
  }

  #assertOpen(): void {
    if (this.#closed) throw storeClosed();
  }
}

function versioned<T>(key: string, row: Row): Versioned<T> {
  return { key, value: JSON.parse(row.json) as T, revision: row.revision };
}
