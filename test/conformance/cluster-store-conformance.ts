// What every ClusterStore must do beyond what every Store must. Run it from the implementation's own test file.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FairwayError } from '../../src/base/index.ts';
import type { ClusterStore, StoreChange } from '../../src/model/index.ts';
import { eventually } from '../support/eventually.ts';

/** One node's way to what is shared. */
export interface ConnectedStore {
  readonly store: ClusterStore;
  cut(): void;
  heal(): void;
}

export interface ClusterStoreHarness {
  /** So many nodes that share a state with nothing in it; the harness closes and removes what it opened. */
  open(nodes: number): Promise<readonly ConnectedStore[]>;
  /** The shortest lease that may be asked for. */
  readonly shortestLeaseSeconds: number;
  /** Where the store can forget what happened before. */
  forgetHistory?(): Promise<void>;
}

export function clusterStoreConformance(name: string, harness: ClusterStoreHarness): void {
  describe(`${name} keeps the cluster store contract`, () => {
    follows(harness);
    interruptions(harness);
    leases(harness);
    together(harness);
  });
}

async function one(harness: ClusterStoreHarness): Promise<ConnectedStore> {
  const [node] = await harness.open(1);
  assert.ok(node);
  return node;
}

async function two(harness: ClusterStoreHarness): Promise<readonly [ConnectedStore, ConnectedStore]> {
  const [a, b] = await harness.open(2);
  assert.ok(a && b);
  return [a, b];
}

const told = ({ key, value }: StoreChange): readonly [string, unknown] => [key, value];

function follows(harness: ClusterStoreHarness): void {
  it('tells a follower what is there, by key, before it resolves, then what any node changes, in order', async () => {
    const [a, b] = await two(harness);
    const first = await a.store.put('n/b', 1);
    const second = await a.store.put('n/a', { v: 2 });
    await a.store.put('other', 0);
    const seen: StoreChange[] = [];
    const end = await b.store.follow('n/', (change) => seen.push(change));
    const before = [
      { key: 'n/a', value: { v: 2 }, revision: second },
      { key: 'n/b', value: 1, revision: first },
    ];
    assert.deepEqual(seen, before);
    const third = await a.store.commit([{ put: 'n/c', value: 3 }, { delete: 'n/b' }, { put: 'other', value: 1 }]);
    const fourth = await b.store.put('n/c', 4);
    await eventually(() => assert.equal(seen.length, 5));
    assert.deepEqual(
      seen.slice(2, 4).sort((x, y) => (x.key < y.key ? -1 : 1)),
      [
        { key: 'n/b', value: undefined, revision: third },
        { key: 'n/c', value: 3, revision: third },
      ],
    );
    assert.deepEqual(seen[4], { key: 'n/c', value: 4, revision: fourth });
    end();
    end();
    const others: string[] = [];
    await b.store.follow('n/', ({ key }) => others.push(key));
    await a.store.put('n/d', 5);
    await eventually(() => assert.equal(others.at(-1), 'n/d'));
    assert.equal(seen.length, 5);
  });

  it('lists and follows more than one answer holds', async () => {
    const { store } = await one(harness);
    const keys = Array.from({ length: 1_200 }, (_, at) => `many/${String(at).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 100) {
      await store.commit(keys.slice(at, at + 100).map((key) => ({ put: key, value: key })));
    }
    assert.deepEqual(
      (await store.list('many/')).map(({ key, value }) => (key === value ? key : 'wrong')),
      keys,
    );
    const seen: string[] = [];
    await store.follow('many/', ({ key }) => seen.push(key));
    assert.deepEqual(seen, keys);
  });
}

function interruptions(harness: ClusterStoreHarness): void {
  it('says so when it is cut off, and when it is back', async () => {
    const { store, cut, heal } = await one(harness);
    await store.put('a', 1);
    assert.equal(store.reachable, true);
    const heard: boolean[] = [];
    store.onReachable((reachable) => heard.push(reachable));
    cut();
    const refused = { code: 'store_unreachable', kind: 'unavailable' };
    await Promise.all([
      assert.rejects(store.get('a'), refused),
      assert.rejects(store.list(''), refused),
      assert.rejects(store.put('a', 2), refused),
      assert.rejects(
        store.follow('', () => {}),
        refused,
      ),
      assert.rejects(store.grantLease(10), refused),
    ]);
    assert.equal(store.reachable, false);
    heal();
    await eventually(() => assert.deepEqual(heard, [false, true]));
    assert.equal((await store.get('a'))?.value, 1);
  });

  for (const forgotten of harness.forgetHistory ? [false, true] : [false]) {
    it(`tells the difference after an interruption${forgotten ? ', also where the history is forgotten' : ''}`, async () => {
      const [a, b] = await two(harness);
      for (const key of ['n/stays', 'n/changes', 'n/goes', 'n/returns']) await a.store.put(key, 1);
      const seen: StoreChange[] = [];
      const watched: StoreChange[] = [];
      await b.store.follow('n/', (change) => seen.push(change));
      b.store.watch('n/', (change) => watched.push(change));
      // A commit of its own comes after its watch.
      await b.store.put('n/begin', 1);
      await eventually(() => assert.deepEqual([seen.length, watched.length], [5, 1]));
      b.cut();
      await eventually(() => assert.equal(b.store.reachable, false));
      await a.store.put('n/changes', 2);
      await a.store.commit([{ delete: 'n/goes' }, { delete: 'n/returns' }]);
      await a.store.put('n/returns', 2);
      await a.store.put('n/new', 2);
      if (forgotten) await harness.forgetHistory?.();
      b.heal();
      await a.store.put('n/z', 2);
      for (const [changes, had] of [
        [seen, 5],
        [watched, 1],
      ] as const) {
        await eventually(() => assert.equal(changes.at(-1)?.key, 'n/z'));
        const later = changes.slice(had);
        const state = new Map(later.map(told));
        assert.deepEqual(
          [...state].sort(([x], [y]) => (x < y ? -1 : 1)),
          [
            ['n/changes', 2],
            ['n/goes', undefined],
            ['n/new', 2],
            ['n/returns', 2],
            ['n/z', 2],
          ],
        );
        assert.equal(later.filter(({ key }) => key === 'n/changes').length, 1);
      }
    });
  }
}

function leases(harness: ClusterStoreHarness): void {
  const short = harness.shortestLeaseSeconds;

  it('ends what a lease holds, as one change, when it is revoked', async () => {
    const [a, b] = await two(harness);
    const lease = await a.store.grantLease(short);
    assert.equal(lease.held, true);
    assert.ok(lease.ttlSeconds >= short);
    await a.store.commit(
      [
        { put: 'l/a', value: 1 },
        { put: 'l/b', value: 1 },
      ],
      { lease },
    );
    await a.store.put('l/free', 1);
    assert.deepEqual(await lease.keys(), ['l/a', 'l/b']);
    const seen: StoreChange[] = [];
    await b.store.follow('l/', (change) => seen.push(change));
    let lost = 0;
    lease.onLost(() => {
      lost += 1;
    });
    await lease.revoke();
    await lease.revoke();
    assert.equal(lease.held, false);
    await eventually(() => assert.equal(seen.length, 5));
    assert.deepEqual(seen.slice(3).map(told).sort(), [
      ['l/a', undefined],
      ['l/b', undefined],
    ]);
    assert.equal(new Set(seen.slice(3).map(({ revision }) => revision)).size, 1);
    assert.equal(lost, 0);
    await assert.rejects(a.store.commit([{ put: 'l/a', value: 2 }], { lease }), {
      code: 'lease_lost',
      kind: 'unavailable',
    });
    assert.equal(await a.store.get('l/a'), undefined);
    assert.equal(await b.store.resumeLease(lease.id), undefined);
    assert.equal(await b.store.resumeLease('nonsense'), undefined);
  });

  it('goes on with the lease of a process that released it', async () => {
    const [a, b] = await two(harness);
    const lease = await a.store.grantLease(60);
    await a.store.commit([{ put: 'l/a', value: 1 }], { lease });
    lease.release();
    lease.release();
    const again = await b.store.resumeLease(lease.id);
    assert.ok(again);
    assert.deepEqual([again.id, again.held, again.ttlSeconds], [lease.id, true, lease.ttlSeconds]);
    await b.store.commit([{ put: 'l/b', value: 1 }], { lease: again });
    assert.deepEqual(await again.keys(), ['l/a', 'l/b']);
  });

  it('keeps a lease that is renewed, and ends that of a node which is cut off; both sides find out by themselves', async () => {
    const [a, b] = await two(harness);
    const lease = await a.store.grantLease(short);
    const other = await b.store.grantLease(short);
    await a.store.commit([{ put: 'l/a', value: 1 }], { lease });
    await b.store.commit([{ put: 'l/b', value: 1 }], { lease: other });
    let lost = 0;
    lease.onLost(() => {
      lost += 1;
    });
    a.cut();
    await eventually(async () => assert.equal(await b.store.get('l/a'), undefined));
    await eventually(() => assert.deepEqual([lost, lease.held], [1, false]));
    assert.equal(other.held, true);
    assert.equal((await b.store.get('l/b'))?.value, 1);
    a.heal();
    await eventually(() => assert.equal(a.store.reachable, true));
    await assert.rejects(a.store.commit([{ put: 'l/a', value: 2 }], { lease }), { code: 'lease_lost' });
    assert.equal(await a.store.resumeLease(lease.id), undefined);
    assert.equal(lost, 1);
  });
}

function together(harness: ClusterStoreHarness): void {
  it('loses none of the changes that several nodes make to one record by compare-and-swap', async () => {
    const nodes = await harness.open(3);
    const increment = async (store: ClusterStore): Promise<void> => {
      for (;;) {
        const found = await store.get<number>('counter');
        try {
          await store.commit([{ put: 'counter', value: (found?.value ?? 0) + 1, expect: found?.revision ?? 0 }]);
          return;
        } catch (error) {
          if (!(error instanceof FairwayError) || error.code !== 'store_conflict') throw error;
        }
      }
    };
    const work = nodes.map(async ({ store }) => {
      for (let count = 0; count < 15; count += 1) await increment(store);
    });
    await Promise.all(work);
    assert.equal((await nodes[0]?.store.get('counter'))?.value, 45);
  });
}
