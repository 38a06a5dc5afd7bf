import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ip } from '../../base/index.ts';
import { FakeHosts } from '../testing/fake-hosts.ts';
import { FakeNetworking } from '../testing/fake-networking.ts';

const HOUR_MS = 3_600_000;

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

describe('bad requests for networks of global scope', () => {
  it('get the words of a swarm where there is no cluster', async () => {
    const { networks } = (await FakeNetworking.start()).networking;
    await assert.rejects(networks.create({ name: 'net', driver: 'overlay' }), {
      code: 'not_swarm_manager',
      message: /^This node is not a swarm manager\. .* try again\. With Fairway: "fairway cluster init"/,
    });
    await assert.rejects(networks.create({ name: 'net', driver: 'macvlan', scope: 'global' }), {
      message: /^cannot create a swarm scoped network when swarm is not active\. With Fairway: "fairway cluster init"/,
    });
  });

  it('are refused by what is wrong, and nothing is left', async () => {
    const { a, b } = await twoHosts();
    await a.create('net');
    const before = [await a.net.snapshot(), await b.store.list('')];
    const { networks } = b.net.networking;
    await assert.rejects(networks.create({ name: 'net' }), { message: 'network with name net already exists' });
    await assert.rejects(networks.create({ name: 'net', driver: 'overlay' }), { code: 'network_exists' });
    await assert.rejects(networks.create({ name: 'x', driver: 'bridge', scope: 'global' }), {
      message: 'cannot create network "x": bridge networks cannot be of global scope',
    });
    await assert.rejects(networks.create({ name: 'x', driver: 'overlay', scope: 'local' }), { code: 'invalid_scope' });
    const pools = [{ subnet: { ip: '10.0.0.0' as Ip, prefix: 16 } }];
    await assert.rejects(networks.create({ name: 'x', driver: 'overlay', ipam: { pools } }), {
      code: 'ipam_pool_overlap',
    });
    await assert.rejects(networks.create({ name: 'x', driver: 'macvlan', scope: 'global', ipam: { driver: 'dhcp' } }), {
      code: 'ipam_driver_unsuitable',
    });
    assert.deepEqual([await a.net.snapshot(), await b.store.list('')], before);
  });

  it('a local network that was there before keeps its name on its host; the other goes by its id there', async () => {
    const { a, b } = await twoHosts();
    await b.net.networking.networks.create({ name: 'net' });
    const id = await a.create('net');
    const { networks } = b.net.networking;
    assert.equal(networks.find('net').scope, 'local');
    assert.equal(networks.find(id.slice(0, 12)).scope, 'global');
    await b.run('web', id);
    assert.deepEqual(b.names(id), ['web 10.0.0.2']);
    await networks.remove('net');
    assert.equal(networks.find('net').id, id);
  });
});

describe('joining a network of global scope', () => {
  it('that fails at any call leaves nothing here or in the cluster', async () => {
    for (let calls = 0; ; calls += 1) {
      const { hosts, a, b } = await twoHosts();
      await a.create('net');
      const web = await a.net.sandbox([{ protocol: 'tcp', containerPort: 80 }]);
      const before = [await a.net.snapshot(), await b.store.list('')];
      a.net.faults.arm(calls);
      const failed = await a.net.attach(web, 'net', 'web').then(
        () => false,
        () => true,
      );
      a.net.faults.disarm();
      await hosts.settle();
      const { struck } = a.net.faults;
      if (struck === undefined) {
        assert.ok(calls > 20, `${calls} calls`);
        break;
      }
      // What is told of other hosts' endpoints, and remembered of them, is told again.
      assert.ok(failed || /announce|problem|Peers|store\.list/.test(struck), `${struck} failed and nobody was told`);
      if (!failed) continue;
      const { networks } = a.net.networking;
      // The gateway network may stay: it is made once.
      if (networks.list().some(({ name }) => name === 'docker_gwbridge')) await networks.remove('docker_gwbridge');
      const after = [await a.net.snapshot(), await b.store.list('')];
      assert.deepEqual(withoutPorts(after), withoutPorts(before), `after a fault in ${struck}`);
    }
  });

  it('is refused while the cluster cannot be asked, with nothing half-made, and local networks go on', async () => {
    const { a } = await twoHosts();
    const id = await a.create('net');
    a.store.cut();
    await assert.rejects(a.run('web', 'net'), {
      code: 'store_unreachable',
      message: /cannot join network "net": the cluster cannot be asked/,
    });
    assert.equal(a.net.overlay.networks.size, 0);
    assert.deepEqual(a.names(id), []);
    await a.net.networking.networks.create({ name: 'local' });
    await a.run('db', 'local');
    await assert.rejects(a.create('other'), { code: 'store_unreachable' });
  });

  it('many times at once on both hosts makes the network once on each and gives no address twice', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await Promise.all(Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? a : b).run(`c${at}`, 'net')));
    const addresses = [...a.endpoints(), ...b.endpoints()].map(({ ipv4 }) => ipv4?.ip);
    assert.equal(new Set(addresses).size, 40);
    assert.deepEqual(a.names(id), b.names(id));
    await Promise.all(
      [...a.containers.keys(), ...b.containers.keys()].flatMap((name) => hosts.all.map((one) => one.end(name))),
    );
    assert.deepEqual([a.net.overlay.networks.size, b.net.overlay.networks.size], [0, 0]);
    assert.deepEqual(await a.store.list('addresses/'), []);
  });

  it('passes by addresses that stopped containers of this host are configured for', async () => {
    const { a } = await twoHosts();
    const id = await a.create('net');
    const { sandboxes } = a.net.networking;
    sandboxes.reserve('stopped' as never, [{ networkId: id, ip: '10.0.0.2' as Ip }]);
    assert.equal((await a.run('web', 'net'))[0]?.ipv4?.ip, '10.0.0.3');
    sandboxes.unreserve('stopped' as never);
    assert.equal((await a.run('db', 'net'))[0]?.ipv4?.ip, '10.0.0.2');
    assert.throws(() => sandboxes.reserve('stopped' as never, [{ networkId: id, ip: '10.1.0.2' as Ip }]), {
      message: 'no configured subnet contains IP address 10.1.0.2',
    });
  });
});

describe('a macvlan network of global scope', () => {
  it('has its addresses from the cluster, and a link on each host that is on it', async () => {
    const { a, b } = await twoHosts();
    await a.create('net', { driver: 'macvlan', scope: 'global' });
    const [one] = await a.run('one', 'net');
    const [two] = await b.run('two', 'net');
    assert.deepEqual([one?.ipv4?.ip, two?.ipv4?.ip], ['10.0.0.1', '10.0.0.2']);
    assert.deepEqual([a.net.macvlan.networks.size, b.net.macvlan.networks.size], [1, 1]);
    await b.end('two');
    assert.equal(b.net.macvlan.networks.size, 0);
  });
});

describe('the gateway network', () => {
  it('is joined by those who have no other way out, and left when they have', async () => {
    const { a } = await twoHosts();
    await a.create('net');
    await a.net.networking.networks.create({ name: 'local' });
    const { networks, sandboxes } = a.net.networking;
    const web = await a.net.sandbox([{ protocol: 'tcp', containerPort: 80 }]);
    const gateways = (): string[] => {
      const found = networks.list().find(({ name }) => name === 'docker_gwbridge');
      return found === undefined ? [] : networks.endpointsOf(found.id).map(({ name, ifname }) => `${name} ${ifname}`);
    };
    await a.net.attach(web, 'net', 'web');
    assert.deepEqual(gateways(), [`gateway_${web.slice(0, 12)} eth1`]);
    assert.equal(sandboxes.endpoints(web).length, 1);
    assert.equal(sandboxes.get(web)?.ports.published.length, 2);
    assert.equal(networks.find('docker_gwbridge').options['com.docker.network.bridge.enable_icc'], 'false');
    assert.ok(![...a.net.resolver.endpoints.values()].some(({ networkName }) => networkName === 'docker_gwbridge'));
    await a.net.attach(web, 'local', 'web');
    assert.deepEqual(gateways(), []);
    await sandboxes.detach(web, networks.find('local').id);
    assert.equal(gateways().length, 1);
    await sandboxes.detach(web, networks.find('net').id);
    assert.deepEqual([gateways(), sandboxes.get(web)?.ports.published], [[], []]);
    await sandboxes.close(web);
    await networks.remove('docker_gwbridge');
  });

  it('is not for internal networks, and may be made by users as they like', async () => {
    const { a } = await twoHosts();
    await a.create('inner', { internal: true });
    await a.create('outer');
    const options = { 'com.docker.network.bridge.name': 'mine' };
    const { networks } = a.net.networking;
    const { network } = await networks.create({ name: 'docker_gwbridge', options });
    await a.run('one', 'inner');
    assert.equal(networks.endpointsOf(network.id).length, 0);
    await a.run('two', 'outer');
    assert.equal(networks.endpointsOf(network.id).length, 1);
    assert.deepEqual(networks.find('docker_gwbridge').options, options);
  });
});

describe('a host that is cut off from the cluster', () => {
  it('keeps whom it knows; others stop answering its names, and everything comes back', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    await b.run('two', 'net');
    a.store.cut();
    await hosts.clock.advance(15_000);
    assert.deepEqual(a.names(id), ['one 10.0.0.2', 'two 10.0.0.3']);
    assert.deepEqual(b.names(id), ['two 10.0.0.3']);
    assert.deepEqual([a.peers(id), b.peers(id)], [['10.0.0.3 192.0.2.2'], ['10.0.0.2 192.0.2.1']]);
    await b.run('three', 'net');
    await b.end('two');
    a.store.heal();
    await hosts.clock.advance(10_000);
    assert.deepEqual(a.names(id), ['one 10.0.0.2', 'three 10.0.0.4']);
    assert.deepEqual(b.names(id), a.names(id));
    assert.deepEqual(a.peers(id), ['10.0.0.4 192.0.2.2']);
  });

  it('stops containers all the same; their addresses are given back later, by a later daemon too', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    await a.run('two', 'net');
    await b.run('three', 'net');
    a.store.cut();
    await a.end('one');
    assert.equal((await b.store.list('addresses/')).length, 3);
    a.store.heal();
    await hosts.clock.advance(10_000);
    assert.deepEqual(b.names(id), ['three 10.0.0.4', 'two 10.0.0.3']);
    a.store.cut();
    await a.end('two');
    assert.equal(a.net.overlay.networks.size, 0);
    await a.restart();
    await hosts.clock.advance(1000);
    assert.deepEqual(b.names(id), ['three 10.0.0.4']);
    assert.equal((await b.store.list('addresses/')).length, 1);
  });

  it('for too long gives up addresses that others have taken, and keeps the others', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    await a.run('two', 'net');
    a.store.cut();
    await hosts.clock.advance(HOUR_MS + 60_000);
    await b.run('three', 'net');
    a.store.heal();
    await hosts.clock.advance(10_000);
    assert.deepEqual(
      a.endpoints().map(({ name }) => name),
      ['two'],
    );
    assert.ok(a.net.events.includes('address_lost net'));
    assert.deepEqual(a.names(id), ['three 10.0.0.2', 'two 10.0.0.3']);
    assert.deepEqual(b.names(id), a.names(id));
  });

  it('that ends answers no names after seconds and holds nothing after an hour', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    await b.run('two', 'net');
    a.store.cut();
    await hosts.clock.advance(15_000);
    assert.deepEqual([b.names(id), b.peers(id)], [['two 10.0.0.3'], ['10.0.0.2 192.0.2.1']]);
    await hosts.clock.advance(HOUR_MS);
    assert.deepEqual(b.peers(id), []);
    assert.equal((await b.store.list('addresses/')).length, 1);
  });
});

describe('endpoints of other hosts', () => {
  for (const refusing of ['overlay', 'resolver', 'store'] as const) {
    it(`are told again, without further news, to a ${refusing} that refused them`, async () => {
      const { hosts, a, b } = await twoHosts();
      const id = await a.create('net');
      await a.run('one', 'net');
      await b.run('two', 'net');
      a.net.faults.refuse(refusing);
      await b.end('two');
      await b.run('three', 'net');
      await b.run('four', 'net');
      await hosts.clock.advance(300_000);
      assert.notEqual(a.net.faults.struck, undefined);
      const known = async (): Promise<unknown> => [a.names(id), a.peers(id), (await a.local.list('remote/')).length];
      assert.notDeepEqual(await known(), [b.names(id), ['10.0.0.3 192.0.2.2', '10.0.0.4 192.0.2.2'], 2]);
      a.net.faults.disarm();
      await hosts.clock.advance(30_000);
      assert.deepEqual(await known(), [b.names(id), ['10.0.0.3 192.0.2.2', '10.0.0.4 192.0.2.2'], 2]);
    });
  }
});

describe('a daemon that begins again', () => {
  it('goes on with what runs, and others notice nothing', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    await b.run('two', 'net');
    const revision = (await b.store.list('endpoints/'))[0]?.revision;
    await a.restart();
    await hosts.clock.advance(60_000);
    assert.deepEqual([a.names(id), a.peers(id)], [b.names(id), ['10.0.0.3 192.0.2.2']]);
    assert.equal((await b.store.list('endpoints/'))[0]?.revision, revision);
    await a.end('one');
    assert.deepEqual([a.net.overlay.networks.size, b.names(id)], [0, ['two 10.0.0.3']]);
  });

  it('without the cluster knows its networks, keeps its containers, and hears of all later', async () => {
    const { hosts, a, b } = await twoHosts();
    const id = await a.create('net');
    await a.create('unused');
    await a.run('one', 'net');
    await b.run('two', 'net');
    await a.restart({ cut: true });
    assert.deepEqual(a.networks(), ['net', 'unused']);
    assert.deepEqual([a.names(id), a.peers(id)], [['one 10.0.0.2', 'two 10.0.0.3'], ['10.0.0.3 192.0.2.2']]);
    await b.net.networking.networks.remove('unused');
    await b.run('three', 'net');
    await b.end('two');
    a.store.heal();
    await hosts.clock.advance(10_000);
    assert.deepEqual([a.networks(), a.names(id)], [['net'], ['one 10.0.0.2', 'three 10.0.0.4']]);
    assert.deepEqual([b.names(id), a.peers(id)], [a.names(id), ['10.0.0.4 192.0.2.2']]);
    await a.end('one');
    assert.deepEqual(await a.local.list('remote/'), []);
  });

  it('without the cluster gives the kernel again what it lost meanwhile', async () => {
    const { a, b } = await twoHosts();
    const id = await a.create('net');
    await a.run('one', 'net');
    await b.run('two', 'net');
    a.net.overlay.peers.clear();
    await a.restart({ cut: true });
    assert.deepEqual(a.peers(id), ['10.0.0.3 192.0.2.2']);
  });

  it('in no cluster any more forgets whom it knew there', async () => {
    const { a, b } = await twoHosts();
    await a.create('net');
    await a.run('one', 'net');
    await b.run('two', 'net');
    assert.equal((await a.local.list('remote/')).length, 1);
    await a.net.networking.stop();
    await FakeNetworking.start(a.local);
    assert.deepEqual(await a.local.list('remote/'), []);
  });

  it('removes from the kernel what was made for an endpoint that never came to be', async () => {
    const { hosts, a } = await twoHosts();
    const id = await a.create('net');
    await a.local.put(`here/${id}`, {});
    a.net.overlay.networks.add(id);
    await a.restart();
    await hosts.settle();
    assert.deepEqual(
      [a.net.overlay.networks.size, await a.local.list('here/'), await a.local.list('unfinished/')],
      [0, [], []],
    );
  });
});

describe('the packet filter', () => {
  it('takes frames from the nodes of the cluster, and after a restart without the cluster, too', async () => {
    const { hosts, a } = await twoHosts();
    const nodes = (): readonly string[] =>
      a.net.firewall
        .entries()
        .flatMap((entry) => (entry.kind === 'node' ? [entry.address] : []))
        .sort();
    assert.deepEqual(nodes(), ['192.0.2.1', '192.0.2.2']);
    await hosts.add('c');
    assert.deepEqual(nodes(), ['192.0.2.1', '192.0.2.2', '192.0.2.3']);
    await a.restart({ cut: true });
    assert.deepEqual(nodes(), ['192.0.2.1', '192.0.2.2', '192.0.2.3']);
    hosts.get('c').store.cut();
    await hosts.clock.advance(HOUR_MS + 60_000);
    a.store.heal();
    await hosts.clock.advance(10_000);
    assert.ok(!nodes().includes('192.0.2.3'));
  });
});

/** Ephemeral ports of the fake count up. */
function withoutPorts(snapshot: unknown): unknown {
  return JSON.parse(JSON.stringify(snapshot));
}
