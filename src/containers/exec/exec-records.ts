import type { Store } from '../../model/index.ts';
import type { ExecOptions } from '../contract.ts';
import type { PipeRequest } from '../streams/index.ts';

/** An exec as stored under `execs/<id>`, from its start until it is forgotten. Plain JSON data. */
export interface ExecRecord {
  readonly version: 1;
  readonly id: string;
  readonly containerId: string;
  readonly options: ExecOptions;
  readonly pid: number;
  /** Which pipes there are to read and to remove. */
  readonly pipes: PipeRequest;
  /** Present: it has ended. */
  readonly exitCode?: number;
}

const PREFIX = 'execs/';
/** No process outlives it. */
const THIS_BOOT = { thisBoot: true } as const;

/** What the next daemon has to know of execs. */
export class ExecRecords {
  readonly #store: Store;

  constructor(deps: { readonly store: Store }) {
    this.#store = deps.store;
  }

  /** Those of other versions of ours are left alone. */
  async load(): Promise<ExecRecord[]> {
    const entries = await this.#store.list<ExecRecord>(PREFIX);
    return entries.map(({ value }) => value).filter(({ version }) => version === 1);
  }

  async save(record: ExecRecord): Promise<void> {
    await this.#store.commit([{ put: PREFIX + record.id, value: record }], THIS_BOOT);
  }

  /** Repeatable. */
  async delete(id: string): Promise<void> {
    await this.#store.commit([{ delete: PREFIX + id }], THIS_BOOT);
  }
}
