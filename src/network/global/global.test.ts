import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeHosts } from '../testing/fake-hosts.ts';

async function twoHosts() {
  const hosts = await FakeHosts.of('a', 'b');
  return { hosts, a: hosts.get('a'), b: hosts.get('b') };
}

describe('a network of global scope', () => {
  it('appears and goes on every host, with its events, and exists in a kernel only while somebody there is on it', async () => {
    const { a, b } = await twoHosts();
    const id = await a.create('net');
    assert.deepEqual([a.networks(), b.networks()], [['net'], ['net']]);
    assert.deepEqual([a.net.overlay.networks.size, b.net.overlay.networks.size], [0, 0]);
    await b.run('web', 'net');
    assert.deepEqual([...b.net.overlay.networks], [id]);
    assert.equal(a.net.overlay.networks.size, 0);
    await assert.rejects(a.net.networking.networks.remove('net'), { code: 'network_in_use' });
    await b.end('web');
    assert.equal(b.net.overlay.networks.size, 0);
    await b.net.networking.networks.remove('net');
    await a.create('other');
    assert.deepEqual([a.networks(), b.networks()], [['other'], ['other']]);
    const told = (host: typeof a): string[] => host.net.events.filter((event) => /net$/.test(event));
    assert.deepEqual(told(a), ['create net', 'destroy net']);
    assert.deepEqual(told(b), ['create net', 'connect net', 'disconnect net', 'destroy net']);
  });

  it('tells names and places of endpoints to the hosts that are on it, and no other', async () => {
    const { a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    assert.deepEqual([b.names(id), b.peers(id)], [[], []]);
    await b.run('two', 'net');
    assert.deepEqual(a.names(id), ['one 10.0.0.2', 'two 10.0.0.3']);
    assert.deepEqual(a.names(id), b.names(id));
    assert.deepEqual([a.peers(id), b.peers(id)], [['10.0.0.3 192.0.2.2'], ['10.0.0.2 192.0.2.1']]);
    const peers = await a.net.networking.networks.peersOf(id);
    assert.deepEqual(peers, [
      { name: 'a', ip: '192.0.2.1' },
      { name: 'b', ip: '192.0.2.2' },
    ]);
    const [sandbox] = b.containers.values();
    assert.ok(sandbox);
    await b.net.networking.sandboxes.rename(sandbox, 'zwei', () => ['zwei']);
    assert.deepEqual(a.names(id), ['one 10.0.0.2', 'zwei 10.0.0.3']);
    await a.end('one');
    assert.deepEqual([a.names(id), a.peers(id), b.names(id)], [[], [], ['zwei 10.0.0.3']]);
  });
});
