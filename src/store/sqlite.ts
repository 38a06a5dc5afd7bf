import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { FairwayError, internal, messageOf } from '../base/index.ts';
import type { CommitOptions, Store, StoreChange, StoreOperation, Versioned } from '../model/index.ts';
import { checkExpectation, checkKey, isChange, type Step, stepsOf, storeClosed, Watchers } from './record.ts';
import { migrate } from './schema.ts';

const BUSY_TIMEOUT_MS = 5_000;
/** Keys are at most 0x7e: everything under a prefix sorts below the prefix followed by this. */
const AFTER_ANY_KEY = '\x7f';

interface Row {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
}

interface Statements {
  readonly get: StatementSync;
  readonly list: StatementSync;
  readonly put: StatementSync;
  readonly remove: StatementSync;
  readonly revision: StatementSync;
  readonly setRevision: StatementSync;
}

/**
 * The daemon's store: one SQLite file, readable by its owner only. Each commit is synced to disk before it resolves, unless it is for this boot only.
 * Several processes may share the file: commits and expectations hold between them, watches hear only their own process.
 */
export class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #watchers: Watchers;

  /**
   * Opens or creates the file and its folder. Throws `store_schema_newer` (unsupported) or `store_unusable`, for a file that is
   * damaged, empty or not to be written, and leaves it as it is then.
   */
  static open(path: string, options: { readonly onWatchError?: (error: unknown) => void } = {}): SqliteStore {
    try {
      return new SqliteStore(openDatabase(path), new Watchers(options.onWatchError));
    } catch (error) {
      if (error instanceof FairwayError) throw error;
      throw unusable(path, messageOf(error), error);
    }
  }

  private constructor(db: DatabaseSync, watchers: Watchers) {
    this.#db = db;
    this.#watchers = watchers;
    this.#statements = {
      get: db.prepare('SELECT key, value, revision FROM records WHERE key = ?'),
      list: db.prepare('SELECT key, value, revision FROM records WHERE key >= ? AND key < ? ORDER BY key'),
      put: db.prepare('INSERT OR REPLACE INTO records (key, value, revision) VALUES (?, ?, ?)'),
      remove: db.prepare('DELETE FROM records WHERE key = ?'),
      revision: db.prepare('SELECT revision FROM counter'),
      setRevision: db.prepare('UPDATE counter SET revision = ?'),
    };
  }

  async get<T>(key: string): Promise<Versioned<T> | undefined> {
    this.#assertOpen();
    const row = this.#row(checkKey(key));
    return row === undefined ? undefined : versioned<T>(row);
  }

  async list<T>(prefix: string): Promise<readonly Versioned<T>[]> {
    this.#assertOpen();
    const rows = this.#statements.list.all(prefix, prefix + AFTER_ANY_KEY) as unknown as Row[];
    return rows.map((row) => versioned<T>(row));
  }

  put(key: string, value: unknown): Promise<number> {
    return this.commit([{ put: key, value }]);
  }

  async delete(key: string): Promise<void> {
    await this.commit([{ delete: key }]);
  }

  async commit(operations: readonly StoreOperation[], options: CommitOptions = {}): Promise<number> {
    this.#assertOpen();
    const steps = stepsOf(operations);
    const { changes, revision } = this.#transaction(() => this.#write(steps), options);
    this.#watchers.tell(changes, revision);
    return revision;
  }

  watch(prefix: string, listener: (change: StoreChange) => void): () => void {
    return this.#watchers.add(prefix, listener);
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  #write(steps: readonly Step[]): { readonly changes: readonly Step[]; readonly revision: number } {
    const changes = steps.filter((step) => {
      const present = this.#row(step.key)?.revision ?? 0;
      checkExpectation(step, present);
      return isChange(step, present !== 0);
    });
    const before = Number(this.#statements.revision.get()?.revision ?? 0);
    if (changes.length === 0) return { changes, revision: before };
    const revision = before + 1;
    for (const { key, json } of changes) {
      if (json === undefined) this.#statements.remove.run(key);
      else this.#statements.put.run(key, json, revision);
    }
    this.#statements.setRevision.run(revision);
    return { changes, revision };
  }

  #transaction<T>(work: () => T, { thisBoot = false }: CommitOptions): T {
    if (!thisBoot) return this.#immediate(work);
    // The log is written in order and the next full commit syncs all of it, so a power cut leaves a former state, whole.
    this.#db.exec('PRAGMA synchronous = NORMAL');
    try {
      return this.#immediate(work);
    } finally {
      this.#db.exec('PRAGMA synchronous = FULL');
    }
  }

  #immediate<T>(work: () => T): T {
    try {
      return this.#once(work);
    } catch (error) {
      if (!isFull(error)) throw error;
      // What stands in the log goes into the file, and the log begins anew in the space it has.
      this.#db.exec('PRAGMA wal_checkpoint(RESTART)');
      return this.#once(work);
    }
  }

  #once<T>(work: () => T): T {
    // Immediate: a deferred one that reads first could fail to upgrade when another process writes in between.
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite rolls back by itself on some errors (disk full).
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #row(key: string): Row | undefined {
    return this.#statements.get.get(key) as unknown as Row | undefined;
  }

  #assertOpen(): void {
    if (!this.#db.isOpen) throw storeClosed();
  }
}

const WAY_OUT =
  'put back a copy of it, or move it away: the next daemon then begins with nothing and ends the containers it does not know';

function unusable(path: string, reason: string, cause?: unknown): FairwayError {
  const damaged = /not a database|malformed|damaged|empty/.test(reason);
  return internal('store_unusable', `cannot open store "${path}": ${reason}${damaged ? `; ${WAY_OUT}` : ''}`, cause);
}

/** A file cut off to nothing would pass for a new one, and all that runs for somebody else's. */
function assertNotEmptied(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.size === 0) throw unusable(path, 'the file is empty');
}

/** All pages and their order; what is broken is better known now than when it is needed. */
function assertWhole(db: DatabaseSync, path: string): void {
  const [found] = Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {});
  if (found !== 'ok') throw unusable(path, `it is damaged: ${String(found)}`);
}

/**
 * Space for further records in the file and its log, taken while there is some: on a full disk, stopping and removing, which
 * give space back, must still be written down.
 */
const RESERVE_BYTES = 1 << 20;
/** No key of a record: these are at most 0x7e. */
const RESERVE_KEY = '\x7freserve';

function takeReserve(db: DatabaseSync): void {
  try {
    db.prepare('INSERT OR REPLACE INTO records VALUES (?, ?, 0)').run(RESERVE_KEY, ' '.repeat(RESERVE_BYTES));
  } catch (error) {
    if (!isFull(error)) throw error;
  }
  try {
    db.prepare('DELETE FROM records WHERE key = ?').run(RESERVE_KEY);
    db.exec('PRAGMA wal_checkpoint(RESTART)');
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

const SQLITE_FULL = 13;

function isFull(error: unknown): boolean {
  return (error as { readonly errcode?: number }).errcode === SQLITE_FULL;
}

function openDatabase(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  assertNotEmptied(path);
  // Made before SQLite opens it, with its mode: the -wal and -shm files take theirs from it.
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    assertWhole(db, path);
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = FULL');
    migrate(db, path);
    takeReserve(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function versioned<T>({ key, value, revision }: Row): Versioned<T> {
  try {
    return { key, value: JSON.parse(value) as T, revision };
  } catch (error) {
    throw internal('store_damaged', `the store's record "${key}" is damaged: ${messageOf(error)}; ${WAY_OUT}`, error);
  }
}
