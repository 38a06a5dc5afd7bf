import type { DatabaseSync } from 'node:sqlite';
import { FairwayError } from '../base/index.ts';

/** Each entry brings the schema from its index to the next version. Entries are never edited once released. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE records (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID, STRICT;
   CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL) STRICT;
   INSERT INTO counter VALUES (1, 0);`,
];

/**
 * Brings the database to the newest schema, all of it or nothing. Refuses one written by a newer program: what is in
 * there could mean something this one does not know.
 */
export function migrate(db: DatabaseSync, path: string, migrations: readonly string[] = MIGRATIONS): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    db.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT');
    const found = Number(db.prepare('SELECT max(version) AS version FROM schema_version').get()?.version ?? 0);
    if (found > migrations.length) throw newerSchema(path, found, migrations.length);
    for (const script of migrations.slice(found)) db.exec(script);
    if (found < migrations.length) {
      db.exec('DELETE FROM schema_version');
      db.prepare('INSERT INTO schema_version VALUES (?)').run(migrations.length);
    }
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function newerSchema(path: string, found: number, known: number): FairwayError {
  return new FairwayError(
    `cannot open store "${path}": it has schema version ${found}, this program knows up to version ${known}; ` +
      'use the newer program, or another data root',
    { code: 'store_schema_newer', kind: 'unsupported' },
  );
}
