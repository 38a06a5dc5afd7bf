import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Id } from '../../base/index.ts';
import { type FakeHostNode, FakeHosts } from '../testing/fake-hosts.ts';

async function twoHosts() {
  const hosts = await FakeHosts.of('a', 'b');
  return { hosts, a: hosts.get('a'), b: hosts.get('b') };
}

/** All that is on a host; the gateway network stays once it was needed, as Docker's does. */
async function outside(host: FakeHostNode): Promise<unknown> {
  const { networks } = host.net.networking;
  if (networks.list().some(({ name }) => name === 'docker_gwbridge')) await networks.remove('docker_gwbridge');
  return JSON.parse(JSON.stringify(await host.net.snapshot()));
}

/** Containers of the host on that network, as the driver has them. */
const linksOf = (host: FakeHostNode): number => host.net.overlay.links.size;

describe('a host that goes into a cluster and out of it while its daemon runs', () => {
  it('has what it had before, and everything of the cluster in between', async () => {
    const { a, b } = await twoHosts();
    await a.leave();
    const { network } = await a.net.networking.networks.create({ name: 'local' });
    await a.run('db', 'local');
    const before = await outside(a);
    for (let round = 0; round < 2; round += 1) {
      await assert.rejects(a.create('net'), { code: 'not_swarm_manager' });
      await b.create('early');
      await a.comeBack();
      assert.deepEqual(a.networks(), ['early']);
      const id = await a.create('net');
      await a.run('one', 'net');
      await b.run('two', 'net');
      assert.deepEqual([a.names(id), a.peers(id)], [['one 10.0.1.2', 'two 10.0.1.3'], ['10.0.1.3 192.0.2.2']]);
      assert.ok(a.net.firewall.entries().some((entry) => entry.kind === 'node' && entry.address === '192.0.2.2'));
      await a.end('one');
      await a.leave();
      assert.deepEqual(await outside(a), before);
      assert.deepEqual(b.names(id), ['two 10.0.1.3']);
      await b.end('two');
      for (const name of ['net', 'early']) await b.net.networking.networks.remove(name);
    }
    assert.equal(a.net.networking.networks.endpointsOf(network.id).length, 1);
    // The store's own records of it stay: nobody is there any more.
    assert.deepEqual(
      (await b.store.list('nodes/')).map(({ value }) => value),
      [{ name: 'b', address: '192.0.2.2' }],
    );
  });

  it('stays while containers are on its networks, as if nobody had asked', async () => {
    const { a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    await assert.rejects(a.net.networking.global.end({ force: false, takeOff: async () => assert.fail() }), {
      code: 'cluster_in_use',
      message:
        /containers of this host are on its network "net" \(one\); stop or disconnect them first, or use --force/,
    });
    await b.create('later');
    await b.run('two', 'net');
    await a.run('three', 'later');
    assert.deepEqual(
      [a.networks(), a.names(id)],
      [
        ['later', 'net'],
        ['one 10.0.0.2', 'two 10.0.0.3'],
      ],
    );
    await a.end('one');
    await a.end('three');
    await a.leave();
    assert.deepEqual([a.networks(), linksOf(a)], [[], 0]);
  });

  it('by force takes containers off, by their users’ way first, and they go on elsewhere', async () => {
    const { a, b } = await twoHosts();
    await a.net.networking.networks.create({ name: 'local' });
    const id = await b.create('net');
    await a.run('one', 'net', 'local');
    await a.run('two', 'net');
    await b.run('three', 'net');
    const [one, two] = [a.containers.get('one') as Id, a.containers.get('two') as Id];
    const asked: string[] = [];
    await a.leave({
      force: true,
      takeOff: async (owner, network) => {
        asked.push(owner);
        if (owner === two) throw new Error('it is stuck');
        await a.net.networking.sandboxes.detach(owner, network);
      },
    });
    assert.deepEqual(asked.sort(), [one, two].sort());
    assert.deepEqual(a.net.networking.sandboxes.endpoints(one).length, 1);
    assert.deepEqual(a.net.networking.sandboxes.endpoints(two), []);
    assert.deepEqual([linksOf(a), a.net.overlay.networks.size, b.names(id)], [0, 0, ['three 10.0.0.4']]);
    await a.end('one');
    await a.end('two');
    await a.net.networking.networks.remove('local');
    const gone = await outside(a);
    await a.comeBack();
    await a.leave();
    assert.deepEqual(await outside(a), gone);
  });

  it('waits for what is under way, and refuses what comes after it', async () => {
    const { hosts, a } = await twoHosts();
    await a.create('net');
    const before = await a.store.list('networks/');
    const creating = a.net.networking.networks.create({ name: 'soon', driver: 'overlay' });
    const sandbox = await a.net.sandbox();
    const joining = a.net.attach(sandbox, 'net', 'web');
    const leaving = a.net.networking.global.end({ force: true, takeOff: async () => {} });
    await assert.rejects(a.net.networking.networks.create({ name: 'late', driver: 'overlay' }), {
      message: /cannot create network "late": this host is leaving the cluster/,
    });
    await assert.rejects(a.run('late', 'net'), { message: /cannot join network "net": this host is leaving/ });
    await Promise.allSettled([creating, joining]);
    await leaving;
    await hosts.settle();
    assert.deepEqual([a.networks(), linksOf(a), a.net.networking.sandboxes.endpoints(sandbox)], [[], 0, []]);
    const stored = (await a.local.list<{ scope?: string }>('networks/')).map(({ value }) => value.scope);
    assert.ok(!stored.includes('global'));
    assert.ok((await hosts.get('b').store.list('networks/')).length >= before.length);
  });

  it('whatever fails on the way out, is out, and comes in again; the next daemon finds nothing that is in its way', async () => {
    let struck: string | undefined;
    for (let calls = 0; calls === 0 || struck !== undefined; calls += 1) {
      const { hosts, a, b } = await twoHosts();
      const id = await b.create('net');
      await a.run('one', 'net');
      a.net.faults.arm(calls);
      await a.leave({ force: true }).catch(() => {});
      a.net.faults.disarm();
      struck = a.net.faults.struck;
      await a.cluster.resign().catch(() => {});
      assert.deepEqual(a.networks(), [], `after a fault in ${struck}`);
      await a.end('one').catch(() => {});
      await a.comeBack();
      await hosts.settle();
      assert.deepEqual(a.networks(), ['net'], `after a fault in ${struck}`);
      await a.run('again', 'net');
      await b.run('two', 'net');
      assert.equal(a.peers(id).length, 1, `after a fault in ${struck}`);
    }
  });
});
