import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newId, parseIp, silentLog } from '../../base/index.ts';
import { MemoryStore } from '../../store/index.ts';
import { loadState, put } from '../journal.ts';
import { type FakeHostNode, FakeHosts } from '../testing/fake-hosts.ts';
import { FakeFirewall } from '../testing/fakes.ts';
import { KnownNodes } from './nodes.ts';
import { OurPart } from './part.ts';

const HOUR_MS = 3_600_000;

/** Addresses from which the packet filter of that host takes frames. */
async function trusted({ net }: FakeHostNode): Promise<readonly string[]> {
  return net.firewall
    .entries()
    .flatMap((entry) => (entry.kind === 'node' ? [entry.address] : []))
    .sort();
}

describe('the nodes that a host takes frames from', () => {
  it('are those of the cluster, as they come', async () => {
    const hosts = await FakeHosts.of('a', 'b');
    await hosts.clock.advance(1000);
    assert.deepEqual(await trusted(hosts.get('a')), ['192.0.2.1', '192.0.2.2']);
    await hosts.add('c');
    await hosts.settle();
    for (const host of hosts.all) assert.deepEqual(await trusted(host), ['192.0.2.1', '192.0.2.2', '192.0.2.3']);
  });

  it('stay while one is cut off, until nothing holds its place any more', async () => {
    const hosts = await FakeHosts.of('a', 'b');
    await hosts.clock.advance(1000);
    hosts.get('b').store.cut();
    await hosts.clock.advance(60_000);
    assert.deepEqual(await trusted(hosts.get('a')), ['192.0.2.1', '192.0.2.2']);
    await hosts.clock.advance(HOUR_MS);
    assert.deepEqual(await trusted(hosts.get('a')), ['192.0.2.1']);
  });

  it('are remembered by a daemon that starts without the cluster, and those that went meanwhile are not', async () => {
    const hosts = await FakeHosts.of('a', 'b');
    await hosts.clock.advance(1000);
    const a = hosts.get('a');
    await a.restart({ cut: true });
    assert.deepEqual(await trusted(a), ['192.0.2.1', '192.0.2.2']);
    hosts.get('b').store.cut();
    await hosts.clock.advance(HOUR_MS + 60_000);
    assert.deepEqual(await trusted(a), ['192.0.2.1', '192.0.2.2']);
    a.store.heal();
    await hosts.clock.advance(60_000);
    assert.deepEqual(await trusted(a), ['192.0.2.1']);
  });

  it('are forgotten by a host that is in no cluster any more', async () => {
    const store = new MemoryStore();
    const id = newId();
    await store.commit([put.node(id, parseIp('192.0.2.2'))]);
    const nodes = new KnownNodes({ ours: new OurPart(), firewall: new FakeFirewall(), store, log: silentLog });
    await nodes.resume((await loadState(store)).nodes);
    assert.deepEqual(nodes.entries(), []);
    assert.equal((await loadState(store)).nodes.size, 0);
  });
});
