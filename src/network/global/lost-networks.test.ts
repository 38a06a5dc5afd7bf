import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ip } from '../../base/index.ts';
import { FakeHostNode, FakeHosts } from '../testing/fake-hosts.ts';

async function twoHosts() {
  const hosts = await FakeHosts.of('a', 'b');
  return { hosts, a: hosts.get('a'), b: hosts.get('b') };
}

describe('a cluster that lost its data', () => {
  for (const [what, lose] of [
    ['everything', (shared: FakeHosts['shared']): void => shared.loseEverything()],
    ['what it is asked for', (shared: FakeHosts['shared']): void => shared.deleteAll('')],
    ['its networks', (shared: FakeHosts['shared']): void => shared.deleteAll('networks/')],
  ] as const) {
    it(`gets back the networks that containers are on: ${what}`, async () => {
      const { hosts, a, b } = await twoHosts();
      const id = await a.create('net');
      await a.create('unused');
      const before = [await stored(a), a.net.networking.networks.find('net')];
      await a.run('one', 'net');
      await b.run('two', 'net');
      lose(hosts.shared);
      await hosts.clock.advance(10_000);
      assert.deepEqual([a.networks(), b.networks()], [['net'], ['net']]);
      assert.deepEqual([await stored(a), a.net.networking.networks.find('net')], before);
      assert.deepEqual([a.names(id), a.peers(id)], [['one 10.0.0.2', 'two 10.0.0.3'], ['10.0.0.3 192.0.2.2']]);
      await b.run('three', 'net');
      assert.deepEqual(b.endpoints().at(-1)?.ipv4?.ip, '10.0.0.4');
      await assert.rejects(a.create('net'), { code: 'network_exists' });
    });
  }

  it('gets them back from a daemon that began meanwhile', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    a.store.cut();
    b.store.cut();
    hosts.shared.loseEverything();
    await a.restart();
    await hosts.clock.advance(10_000);
    b.store.heal();
    await hosts.clock.advance(10_000);
    assert.deepEqual([a.networks(), b.networks(), a.names(id)], [['net'], ['net'], ['one 10.0.0.2']]);
    await b.run('two', 'net');
  });

  it('has another with that name now: containers stay among themselves, and it is said once', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await a.create('far', { ipam: { pools: [{ subnet: { ip: '10.9.0.0' as Ip, prefix: 24 } }] } });
    await a.run('one', 'net');
    a.store.cut();
    hosts.shared.deleteAll('');
    await b.create('first', { ipam: { pools: [{ subnet: { ip: '10.8.0.0' as Ip, prefix: 24 } }] } });
    await b.create('net', { ipam: { pools: [{ subnet: { ip: '10.7.0.0' as Ip, prefix: 24 } }] } });
    hosts.shared.deleteAll('vnis/4096');
    a.store.heal();
    await hosts.clock.advance(60_000);
    assert.deepEqual(
      a.net.events.filter((event) => event.startsWith('lost')),
      ['lost net'],
    );
    assert.deepEqual([[...a.net.overlay.networks], a.names(id)], [[id], ['one 10.0.0.2']]);
    await a.end('one');
    assert.equal(a.net.overlay.networks.size, 0);
    assert.deepEqual(a.networks(), b.networks());
  });

  it('has another with that identifier now: nothing of one may be heard in the other, so containers leave', async () => {
    const { hosts, a, b } = await twoHosts();
    await a.create('net');
    await a.run('one', 'net');
    a.store.cut();
    hosts.shared.loseEverything();
    await hosts.clock.advance(10_000);
    await b.create('other', { ipam: { pools: [{ subnet: { ip: '10.8.0.0' as Ip, prefix: 24 } }] } });
    a.store.heal();
    await hosts.clock.advance(60_000);
    assert.deepEqual(
      a.net.events.filter((event) => event.startsWith('lost')),
      ['lost net'],
    );
    assert.deepEqual([a.net.overlay.networks.size, a.networks()], [0, ['other']]);
  });

  it('of another cluster is given none of them', async () => {
    const { a, hosts } = await twoHosts();
    await a.create('net');
    await a.run('one', 'net');
    await a.net.networking.stop();
    await a.cluster.close();
    const others = await FakeHosts.of('x', 'y');
    const moved = new FakeHostNode(others, 'a', '192.0.2.9' as Ip, a);
    await moved.start();
    await others.clock.advance(60_000);
    assert.deepEqual([others.get('x').networks(), moved.networks()], [[], ['net']]);
    assert.equal((await others.get('x').store.list('networks/')).length, 0);
    await hosts.settle();
  });
});

/** What there is of networks in the cluster's store. */
async function stored(one: FakeHostNode): Promise<unknown> {
  const kept = await Promise.all(['networks/', 'names/net', 'vnis/4096'].map((prefix) => one.store.list(prefix)));
  return kept.flat().flatMap(({ key, value }) => (JSON.stringify(value).includes('unused') ? [] : [[key, value]]));
}
