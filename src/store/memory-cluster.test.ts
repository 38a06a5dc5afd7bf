import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterStoreConformance } from '../../test/conformance/cluster-store-conformance.ts';
import { storeConformance } from '../../test/conformance/store-conformance.ts';
import { ManualClock } from '../base/index.ts';
import { MemoryCluster } from './memory-cluster.ts';

storeConformance('MemoryClusterStore', { open: () => new MemoryCluster().open() });

clusterStoreConformance('MemoryClusterStore', {
  open: async (nodes) => {
    const cluster = new MemoryCluster();
    return Array.from({ length: nodes }, () => {
      const store = cluster.open();
      return { store, cut: () => store.cut(), heal: () => store.heal() };
    });
  },
  shortestLeaseSeconds: 0.05,
});

describe('a simulated cluster', () => {
  it('tells a follower that was cut off the difference', async () => {
    const cluster = new MemoryCluster();
    const [a, b] = [cluster.open(), cluster.open()];
    await a.put('n/stays', 1);
    await a.put('n/goes', 1);
    const seen: unknown[] = [];
    await b.follow('n/', ({ key, value }) => seen.push([key, value]));
    b.cut();
    await assert.rejects(b.get('n/stays'), { code: 'store_unreachable' });
    await a.delete('n/goes');
    await a.put('n/goes', 2);
    await a.delete('n/goes');
    await a.put('n/new', 3);
    b.heal();
    await a.put('n/new', 4);
    assert.deepEqual(seen, [
      ['n/goes', 1],
      ['n/stays', 1],
      ['n/goes', undefined],
      ['n/new', 3],
      ['n/new', 4],
    ]);
  });

  it('ends a lease that nobody renews, with what is bound to it, as one change', async () => {
    const clock = new ManualClock();
    const cluster = new MemoryCluster({ clock });
    const [a, b] = [cluster.open(), cluster.open()];
    const lease = await a.grantLease(10);
    await a.commit(
      [
        { put: 'x', value: 1 },
        { put: 'y', value: 1 },
      ],
      { lease },
    );
    await clock.advance(60_000);
    assert.equal((await b.list('')).length, 2);
    a.cut();
    let lost = 0;
    lease.onLost(() => {
      lost += 1;
    });
    const revisions = new Set<number>();
    b.watch('', ({ revision }) => revisions.add(revision));
    await clock.advance(30_000);
    assert.deepEqual(await b.list(''), []);
    assert.equal(revisions.size, 1);
    assert.deepEqual([lost, lease.held], [1, false]);
    a.heal();
    assert.equal(await a.resumeLease(lease.id), undefined);
    await assert.rejects(a.commit([{ put: 'x', value: 1 }], { lease }), { code: 'lease_lost' });
  });

  it('makes a commit whose answer is lost', async () => {
    const cluster = new MemoryCluster();
    const store = cluster.open();
    store.loseNextAnswer();
    await assert.rejects(store.put('x', 1), { code: 'store_unreachable' });
    assert.equal((await store.get('x'))?.value, 1);
  });
});
