// What every Store must do. Run it from the implementation's own test file.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isKind } from '../../src/base/index.ts';
import type { Store, StoreChange } from '../../src/model/index.ts';
import { eventually } from '../support/eventually.ts';

export interface StoreHarness {
  /** A store with nothing in it; the harness closes and removes what it opened. */
  open(): Promise<Store> | Store;
}

export function storeConformance(name: string, harness: StoreHarness): void {
  describe(`${name} keeps the store contract`, () => {
    records(harness);
    transactions(harness);
    watches(harness);
    model(harness);
  });
}

function records(harness: StoreHarness): void {
  it('gives back what was put, as a copy', async () => {
    const store = await harness.open();
    const value = { name: 'net', list: [1, null, 'ü'], nested: { on: true } };
    const revision = await store.put('networks/a', value);
    value.name = 'changed';
    const found = await store.get<{ name: string }>('networks/a');
    assert.deepEqual(found, {
      key: 'networks/a',
      value: { name: 'net', list: [1, null, 'ü'], nested: { on: true } },
      revision,
    });
    if (found) found.value.name = 'changed too';
    assert.equal((await store.get<{ name: string }>('networks/a'))?.value.name, 'net');
    await store.close();
  });

  it('lists a prefix by key, and nothing else', async () => {
    const store = await harness.open();
    for (const key of ['b/2', 'b/10', 'a/1', 'b', 'b/', 'ba/1', 'b/1', 'b/~']) await store.put(key, key);
    const keys = async (prefix: string): Promise<string[]> => (await store.list(prefix)).map(({ key }) => key);
    assert.deepEqual(await keys('b/'), ['b/', 'b/1', 'b/10', 'b/2', 'b/~']);
    assert.deepEqual(await keys('a/1'), ['a/1']);
    assert.deepEqual(await keys('nothing/'), []);
    assert.equal((await keys('')).length, 8);
    await store.close();
  });

  it('knows nothing of a missing key and deletes repeatably', async () => {
    const store = await harness.open();
    assert.equal(await store.get('gone'), undefined);
    await store.put('here', 1);
    await store.delete('here');
    await store.delete('here');
    assert.equal(await store.get('here'), undefined);
    await store.close();
  });

  it('grows the revision with every change, also after a deletion', async () => {
    const store = await harness.open();
    const first = await store.put('a', 1);
    const second = await store.put('a', 1);
    await store.delete('a');
    const third = await store.put('a', 1);
    assert.ok(first > 0 && second > first && third > second + 1, `${first} ${second} ${third}`);
    assert.equal(await store.commit([{ delete: 'never' }]), third);
    assert.equal(await store.commit([]), third);
    await store.close();
  });

  it('refuses bad keys and what is not JSON, changing nothing', async () => {
    const store = await harness.open();
    for (const key of ['', 'a b', 'ä', 'a\n', 'x'.repeat(513)]) {
      await assert.rejects(store.put(key, 1), (error) => isKind(error, 'invalid') && error.code === 'store_bad_key');
    }
    await assert.rejects(
      store.commit([
        { put: 'a', value: 1 },
        { put: 'b', value: undefined },
      ]),
      { code: 'store_bad_value' },
    );
    assert.deepEqual(await store.list(''), []);
    await store.close();
  });

  it('refuses work after close, which is repeatable', async () => {
    const store = await harness.open();
    await store.close();
    await store.close();
    await assert.rejects(store.get('a'), { code: 'store_closed' });
    await assert.rejects(store.list(''), { code: 'store_closed' });
    await assert.rejects(store.put('a', 1), { code: 'store_closed' });
  });
}

function transactions(harness: StoreHarness): void {
  it('commits all with one revision, or nothing', async () => {
    const store = await harness.open();
    const a = await store.put('a', 1);
    const both = await store.commit([
      { put: 'a', value: 2, expect: a },
      { put: 'b', value: 2, expect: 0 },
      { delete: 'c', expect: 0 },
    ]);
    assert.deepEqual(
      (await store.list('')).map(({ key, revision }) => [key, revision]),
      [
        ['a', both],
        ['b', both],
      ],
    );
    for (const failing of [
      { put: 'c', value: 1, expect: 7 },
      { put: 'b', value: 1, expect: 0 },
      { delete: 'a', expect: a },
    ]) {
      await assert.rejects(
        store.commit([{ put: 'd', value: 3 }, failing, { delete: 'e' }]),
        (error) => isKind(error, 'conflict') && error.code === 'store_conflict',
      );
    }
    assert.equal(await store.get('d'), undefined);
    assert.equal((await store.get('a'))?.value, 2);
    await store.commit([{ delete: 'a', expect: both }]);
    assert.equal(await store.get('a'), undefined);
    await store.close();
  });

  it('holds a transaction to what it checks, and changes nothing by that', async () => {
    const store = await harness.open();
    const a = await store.put('a', 1);
    const seen: string[] = [];
    store.watch('', ({ key }) => seen.push(key));
    const b = await store.commit([
      { check: 'a', expect: a },
      { check: 'none', expect: 0 },
      { put: 'b', value: 1 },
    ]);
    assert.equal(await store.commit([{ check: 'a', expect: a }]), b);
    for (const failing of [
      { check: 'a', expect: b },
      { check: 'a', expect: 0 },
      { check: 'none', expect: 1 },
    ]) {
      await assert.rejects(store.commit([{ put: 'c', value: 1 }, failing]), { code: 'store_conflict' });
    }
    await store.put('c', 1);
    await eventually(() => assert.deepEqual(seen, ['b', 'c']));
    await store.delete('c');
    assert.deepEqual(
      (await store.list('')).map(({ key, revision }) => [key, revision]),
      [
        ['a', a],
        ['b', b],
      ],
    );
    await store.close();
  });

  it('refuses one key twice in a transaction', async () => {
    const store = await harness.open();
    await assert.rejects(store.commit([{ put: 'a', value: 1 }, { delete: 'a' }]), { code: 'store_duplicate_key' });
    await store.close();
  });

  it('lets exactly one of many writers win', async () => {
    const store = await harness.open();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, value) => store.commit([{ put: 'lock', value, expect: 0 }])),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    await store.close();
  });
}

function watches(harness: StoreHarness): void {
  it('tells watchers of their prefix, in order, until they end', async () => {
    const store = await harness.open();
    await store.put('n/before', 0);
    const seen: StoreChange[] = [];
    const end = store.watch('n/', (change) => seen.push(change));
    const first = await store.commit([
      { put: 'n/a', value: { v: 1 } },
      { put: 'other', value: 1 },
      { delete: 'n/missing' },
    ]);
    const second = await store.commit([{ delete: 'n/a' }]);
    await store.commit([{ put: 'n/a', value: 1, expect: 99 }]).catch(() => {});
    const third = await store.put('n/b', 1);
    const expected = [
      { key: 'n/a', value: { v: 1 }, revision: first },
      { key: 'n/a', value: undefined, revision: second },
      { key: 'n/b', value: 1, revision: third },
    ];
    await eventually(() => assert.deepEqual(seen, expected));
    end();
    end();
    const later: string[] = [];
    store.watch('n/', ({ key }) => later.push(key));
    await store.put('n/a', 2);
    await eventually(() => assert.deepEqual(later, ['n/a']));
    assert.deepEqual(seen, expected);
    await store.close();
  });

  it('tells everybody when one listener throws, and the commit stands', async () => {
    const store = await harness.open();
    const seen: string[] = [];
    store.watch('', () => {
      throw new Error('listener');
    });
    store.watch('', ({ key }) => seen.push(key));
    await store.put('a', 1);
    await eventually(() => assert.deepEqual(seen, ['a']));
    assert.equal((await store.get('a'))?.value, 1);
    await store.close();
  });
}

function model(harness: StoreHarness): void {
  it('behaves like a map with revisions', async () => {
    const key = fc.constantFrom('a', 'b', 'c/1', 'c/2');
    const operation = fc.record({ key, value: fc.option(fc.jsonValue(), { nil: undefined }), right: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 20 }), async (operations) => {
        const store = await harness.open();
        const expected = new Map<string, { value: unknown; revision: number }>();
        for (const { key, value, right } of operations) {
          const expect = (expected.get(key)?.revision ?? 0) + (right ? 0 : 1);
          const step = value === undefined ? { delete: key, expect } : { put: key, value, expect };
          const result = await store.commit([step]).catch(() => undefined);
          assert.equal(result !== undefined, right);
          if (result === undefined) continue;
          if (value === undefined) expected.delete(key);
          else expected.set(key, { value: JSON.parse(JSON.stringify(value)), revision: result });
        }
        const listed = (await store.list('')).map(({ key, value, revision }) => [key, { value, revision }]);
        assert.deepEqual(
          listed,
          [...expected].sort(([a], [b]) => (a < b ? -1 : 1)),
        );
        await store.close();
      }),
      { numRuns: 25, seed: 20 },
    );
  });
}
