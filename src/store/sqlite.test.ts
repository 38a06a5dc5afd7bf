import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { storeConformance } from '../../test/conformance/store-conformance.ts';
import { SqliteStore } from './index.ts';
import { MIGRATIONS, migrate } from './schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'fwt-store-'));
let count = 0;

function freshPath(): string {
  count += 1;
  return join(folder, `${count}`, 'state.db');
}

after(() => rmSync(folder, { recursive: true, force: true }));

storeConformance('SqliteStore', { open: () => SqliteStore.open(freshPath()) });

describe('SqliteStore as a file', () => {
  it('finds everything again, revisions included', async () => {
    const path = freshPath();
    const before = SqliteStore.open(path);
    await before.put('a', { v: 1 });
    const last = await before.put('b', 2);
    await before.delete('b');
    await before.close();
    const again = SqliteStore.open(path);
    assert.deepEqual((await again.get('a'))?.value, { v: 1 });
    assert.ok((await again.put('b', 3)) > last + 1);
    await again.close();
  });

  it('shows commits of this boot to another process at once, and keeps them in order with the others', async () => {
    const path = freshPath();
    const one = SqliteStore.open(path);
    const two = SqliteStore.open(path);
    const first = await one.commit([{ put: 'a', value: 1 }], { thisBoot: true });
    assert.equal((await two.get('a'))?.revision, first);
    const second = await two.commit([{ put: 'b', value: 2 }]);
    const third = await one.commit([{ delete: 'a' }], { thisBoot: true });
    assert.ok(first < second && second < third);
    await assert.rejects(one.commit([{ put: 'b', value: 3, expect: first }], { thisBoot: true }), {
      code: 'store_conflict',
    });
    assert.deepEqual(
      (await two.list('')).map(({ key }) => key),
      ['b'],
    );
    await one.close();
    await two.close();
  });

  it('is readable by its owner only, journal included', async () => {
    const path = freshPath();
    const store = SqliteStore.open(path);
    await store.put('a', 1);
    const files = readdirSync(join(path, '..'));
    assert.ok(files.includes('state.db-wal'), files.join());
    for (const file of files) assert.equal(statSync(join(path, '..', file)).mode & 0o777, 0o600, file);
    await store.close();
  });

  it('keeps expectations between two openings of the file', async () => {
    const path = freshPath();
    const one = SqliteStore.open(path);
    const two = SqliteStore.open(path);
    const revision = await one.put('a', 1);
    assert.equal((await two.get('a'))?.revision, revision);
    assert.ok((await two.put('a', 2)) > revision);
    await assert.rejects(one.commit([{ put: 'a', value: 3, expect: revision }]), { code: 'store_conflict' });
    await one.close();
    await two.close();
  });

  it('refuses a newer schema, naming both versions, and leaves the file alone', () => {
    const path = freshPath();
    void SqliteStore.open(path).close();
    const newer = new DatabaseSync(path);
    newer.exec('UPDATE schema_version SET version = 41');
    newer.close();
    assert.throws(() => SqliteStore.open(path), {
      code: 'store_schema_newer',
      message: new RegExp(`version 41, this program knows up to version ${MIGRATIONS.length}`),
    });
    const check = new DatabaseSync(path);
    assert.equal(check.prepare('SELECT version FROM schema_version').get()?.version, 41);
    check.close();
  });

  it('migrates from each earlier version, all of it or nothing', () => {
    const path = freshPath();
    void SqliteStore.open(path).close();
    const db = new DatabaseSync(path);
    const next = [...MIGRATIONS, 'CREATE TABLE extra (x INTEGER)'];
    assert.throws(() => migrate(db, path, [...next, 'CREATE nonsense']), /syntax error/);
    assert.equal(db.prepare('SELECT version FROM schema_version').get()?.version, MIGRATIONS.length);
    migrate(db, path, next);
    migrate(db, path, next);
    assert.equal(db.prepare('SELECT version FROM schema_version').get()?.version, next.length);
    assert.deepEqual(db.prepare('SELECT * FROM extra').all(), []);
    db.close();
  });

  it('says which file is not a database', () => {
    const path = join(folder, 'garbage.db');
    writeFileSync(path, 'not a database at all, but long enough to be read as one'.repeat(50));
    assert.throws(() => SqliteStore.open(path), { code: 'store_unusable', message: /garbage\.db.*not a database/ });
  });

  /** A store of many pages, closed. */
  async function filled(): Promise<string> {
    const path = freshPath();
    const store = SqliteStore.open(path);
    await store.commit(Array.from({ length: 200 }, (_, at) => ({ put: `key/${at}`, value: 'x'.repeat(500) })));
    await store.close();
    return path;
  }

  const damages: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    'cut off half-way': (bytes) => bytes.subarray(0, bytes.length / 2),
    'cut off to nothing': () => Buffer.alloc(0),
    'overwritten inside': (bytes) => Buffer.from(bytes).fill(0xa5, 4096, 12_288),
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`refuses a file that was ${what}, says what to do, and leaves it alone`, async () => {
      const path = await filled();
      writeFileSync(path, damage(readFileSync(path)));
      const before = readFileSync(path);
      assert.throws(() => SqliteStore.open(path), {
        code: 'store_unusable',
        message: /put back a copy of it, or move/,
      });
      assert.deepEqual(readFileSync(path), before);
    });
  }

  it('names the record that is no JSON', async () => {
    const path = await filled();
    const db = new DatabaseSync(path);
    db.exec(`UPDATE records SET value = '{"a":' WHERE key = 'key/7'`);
    db.close();
    const store = SqliteStore.open(path);
    await assert.rejects(store.list('key/'), { code: 'store_damaged', message: /"key\/7" is damaged/ });
    await store.close();
  });
});
