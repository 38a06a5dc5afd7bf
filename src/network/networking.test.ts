import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Id, newId } from '../base/index.ts';
import type { PortRequest } from '../model/index.ts';
import { FakeNetworking } from './testing/fake-networking.ts';

const WEB: PortRequest = { protocol: 'tcp', containerPort: 80, hostPorts: { first: 8080, last: 8080 } };

/** Lets each call that `work` makes fail in turn; `check` hears which, after the failure. */
async function strikeEachCall(
  prepare: () => Promise<{ fake: FakeNetworking; work: () => Promise<unknown> }>,
  check: (fake: FakeNetworking, before: unknown, call: string) => Promise<void>,
): Promise<number> {
  for (let calls = 0; ; calls += 1) {
    const { fake, work } = await prepare();
    const before = await fake.snapshot();
    fake.faults.arm(calls);
    const failed = await work().then(
      () => false,
      () => true,
    );
    fake.faults.disarm();
    const { struck } = fake.faults;
    if (struck === undefined) return calls;
    assert.ok(failed || struck === 'driver.announce', `${struck} failed and nobody was told`);
    await check(fake, before, struck);
  }
}

async function unchanged(fake: FakeNetworking, before: unknown, call: string): Promise<void> {
  assert.deepEqual(await fake.snapshot(), before, `after a fault in ${call}`);
}

describe('a change that fails at any call', () => {
  it('leaves nothing of a network', async () => {
    const calls = await strikeEachCall(async () => {
      const fake = await FakeNetworking.start();
      return { fake, work: () => fake.networking.networks.create({ name: 'net', enableIpv6: true }) };
    }, unchanged);
    assert.ok(calls >= 6);
  });

  it('leaves nothing of a sandbox', async () => {
    const calls = await strikeEachCall(async () => {
      const fake = await FakeNetworking.start();
      return { fake, work: () => fake.sandbox() };
    }, unchanged);
    assert.ok(calls >= 3);
  });

  it('leaves nothing of an endpoint, its ports and its names', async () => {
    const calls = await strikeEachCall(async () => {
      const fake = await FakeNetworking.start();
      await fake.networking.networks.create({ name: 'net' });
      const id = await fake.sandbox([WEB]);
      return { fake, work: () => fake.attach(id, 'net', 'web') };
    }, unchanged);
    assert.ok(calls >= 10);
  });

  it('leaves the first network as it was when the second fails', async () => {
    const calls = await strikeEachCall(async () => {
      const fake = await FakeNetworking.start();
      const binding = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
      await fake.networking.networks.create({ name: 'a' });
      await fake.networking.networks.create({ name: 'b', options: binding });
      const id = await fake.sandbox([WEB]);
      await fake.attach(id, 'a', 'web');
      return { fake, work: () => fake.attach(id, 'b', 'web', { gatewayPriority: 1 }) };
    }, unchanged);
    assert.ok(calls >= 8);
  });

  it('lets an endpoint leave all the same', async () => {
    await strikeEachCall(
      async () => {
        const fake = await FakeNetworking.start();
        await fake.networking.networks.create({ name: 'a' });
        const { network } = await fake.networking.networks.create({ name: 'b' });
        const id = await fake.sandbox([WEB]);
        await fake.attach(id, 'a', 'web');
        await fake.attach(id, 'b', 'web', { gatewayPriority: 1 });
        return { fake, work: () => fake.networking.sandboxes.detach(id, network.id) };
      },
      async (fake, _before, call) => {
        const { networks, sandboxes } = fake.networking;
        const { id } = networks.find('b');
        if (call === 'store.commit' && networks.endpointsOf(id).length > 0) return;
        assert.deepEqual(networks.endpointsOf(id), [], call);
        const led = fake.firewall.entries().filter((entry) => entry.kind === 'port' && entry.networkId === id);
        if (call !== 'firewall.apply') assert.deepEqual(led, [], call);
        const again = await FakeNetworking.start(fake.store);
        assert.deepEqual(await again.store.list('unfinished/'), [], call);
        assert.deepEqual(again.networking.networks.endpointsOf(id), [], call);
        assert.equal(sandboxes.endpoints(networks.endpointsOf(networks.find('a').id)[0]?.sandboxId ?? id).length, 1);
      },
    );
  });

  it('lets a teardown go on to the end, and a restart finish it', async () => {
    const prepare = async (id: Id): Promise<FakeNetworking> => {
      const fake = await FakeNetworking.start();
      await fake.networking.networks.create({ name: 'net' });
      await fake.sandbox([WEB], id);
      await fake.attach(id, 'net', 'web');
      return fake;
    };
    const id = newId();
    await strikeEachCall(
      async () => {
        const fake = await prepare(id);
        return { fake, work: () => fake.networking.sandboxes.close(id) };
      },
      async (fake, _before, call) => {
        await fake.networking.sandboxes.close(id);
        if (call !== 'host.removeNamespace') assert.deepEqual([...fake.host.pinned], [], call);
        if (call !== 'driver.detach') assert.deepEqual([...fake.driver.links], [], call);
        const again = await FakeNetworking.start(fake.store);
        assert.deepEqual(await again.store.list('unfinished/'), [], call);
        assert.deepEqual(await again.store.list('sandboxes/'), [], call);
      },
    );
  });
});

describe('sandboxes', () => {
  it('publishes on the network that gives the default gateway', async () => {
    const fake = await FakeNetworking.start();
    await fake.networking.networks.create({ name: 'a' });
    const { network } = await fake.networking.networks.create({ name: 'b' });
    const id = await fake.sandbox([WEB]);
    await fake.attach(id, 'a', 'web');
    const second = await fake.attach(id, 'b', 'web', { gatewayPriority: 5 });
    const targets = (): unknown[] =>
      fake.firewall.entries().flatMap((one) => (one.kind === 'port' ? [one.bridge] : []));
    assert.deepEqual(targets(), ['br-b']);
    assert.equal([...fake.host.routes.values()][0]?.ipv4?.gateway, second.gateway4);
    await fake.networking.sandboxes.detach(id, network.id);
    assert.deepEqual(targets(), ['br-a']);
    assert.deepEqual([...fake.ports.held], ['tcp 0.0.0.0 8080', 'tcp :: 8080']);
  });

  it('lets the relay listen when the packet filter translates, no sooner', async () => {
    const fake = await FakeNetworking.start();
    await fake.networking.networks.create({ name: 'net' });
    const id = await fake.sandbox([WEB]);
    const translated = (): boolean => fake.firewall.entries().some(({ kind }) => kind === 'port');
    const seen: boolean[] = [];
    const open = fake.relay.open.bind(fake.relay);
    fake.relay.open = (ports) => {
      seen.push(translated());
      return open(ports);
    };
    await fake.attach(id, 'net', 'web');
    assert.deepEqual(seen, [true]);
  });

  it('shows a routed port without a port of the host', async () => {
    const fake = await FakeNetworking.start();
    const options = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
    await fake.networking.networks.create({ name: 'net', options });
    const id = await fake.sandbox([WEB]);
    await fake.attach(id, 'net', 'web');
    const { published } = fake.networking.sandboxes.get(id)?.ports ?? {};
    assert.deepEqual(published, [{ protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0', hostPort: 0 }]);
    assert.deepEqual([...fake.ports.held], []);
    assert.ok(fake.firewall.entries().some(({ kind }) => kind === 'openPort'));
  });

  it('keeps configured addresses of stopped containers for their owner', async () => {
    const fake = await FakeNetworking.start();
    const { network } = await fake.networking.networks.create({ name: 'net' });
    const [owner, other] = [newId(), newId()];
    const ip = network.pools[0]?.gateway?.replace(/1$/, '2') as Parameters<typeof fake.ipam.releaseAddress>[1];
    fake.networking.sandboxes.reserve(owner, [{ networkId: network.id, ip }]);
    await fake.sandbox([], other);
    assert.equal((await fake.attach(other, 'net', 'other')).ipv4?.ip, ip.replace(/2$/, '3'));
    await fake.sandbox([], owner);
    assert.equal((await fake.attach(owner, 'net', 'owner', { ipv4: ip })).ipv4?.ip, ip);
    const successor = newId();
    fake.networking.sandboxes.reserve(successor, [{ networkId: network.id, ip }]);
    await fake.sandbox([], successor);
    await assert.rejects(fake.attach(successor, 'net', 'successor', { ipv4: ip }), /Address already in use/);
    await fake.networking.sandboxes.close(owner);
    assert.equal((await fake.attach(successor, 'net', 'successor', { ipv4: ip })).ipv4?.ip, ip);
    await fake.sandbox([], owner);
    await assert.rejects(fake.attach(owner, 'net', 'owner', { ipv4: ip }), /Address already in use/);
    // Removed while its successor runs, and the other way round: the address stays with who is left.
    fake.networking.sandboxes.reserve(owner, [{ networkId: network.id, ip }]);
    fake.networking.sandboxes.unreserve(owner);
    await fake.networking.sandboxes.close(successor);
    await fake.networking.sandboxes.close(other);
    await fake.sandbox([], other);
    assert.equal((await fake.attach(other, 'net', 'other')).ipv4?.ip, ip.replace(/2$/, '3'));
    await fake.networking.sandboxes.close(other);
    fake.networking.sandboxes.unreserve(successor);
    await fake.sandbox([], other);
    assert.equal((await fake.attach(other, 'net', 'other')).ipv4?.ip, ip);
  });

  it('reserves nothing of a request that is refused, and passes by what is the network’s own', async () => {
    const fake = await FakeNetworking.start();
    const { network } = await fake.networking.networks.create({ name: 'net' });
    const gateway = network.pools[0]?.gateway as Parameters<typeof fake.ipam.releaseAddress>[1];
    const ip = gateway.replace(/1$/, '2') as typeof gateway;
    const [owner, other] = [newId(), newId()];
    const outside = '192.0.2.1' as typeof gateway;
    assert.throws(
      () =>
        fake.networking.sandboxes.reserve(owner, [
          { networkId: network.id, ip },
          { networkId: network.id, ip: outside },
        ]),
      /no configured subnet contains IP address 192\.0\.2\.1/,
    );
    fake.networking.sandboxes.reserve(owner, [{ networkId: network.id, ip: gateway }]);
    await fake.sandbox([], owner);
    await assert.rejects(fake.attach(owner, 'net', 'owner', { ipv4: gateway }), /Address already in use/);
    await fake.sandbox([], other);
    assert.equal((await fake.attach(other, 'net', 'other')).ipv4?.ip, ip);
  });

  it('answers with the embedded resolver on user-defined networks only', async () => {
    const fake = await FakeNetworking.start();
    await fake.networking.networks.create({ name: 'net' });
    const id = await fake.sandbox();
    await fake.attach(id, 'bridge', 'one');
    assert.deepEqual([...fake.resolver.views.keys()], []);
    assert.equal(fake.networking.sandboxes.resolvConf(id).embedded, false);
    await fake.attach(id, 'net', 'one');
    assert.deepEqual([...fake.resolver.views.keys()], [id]);
    assert.deepEqual(fake.networking.sandboxes.resolvConf(id), {
      text: 'nameserver 127.0.0.11\noptions ndots:0\n',
      embedded: true,
    });
  });

  it('keep to the host or to nothing when they began so', async () => {
    const fake = await FakeNetworking.start();
    await fake.networking.networks.create({ name: 'net' });
    const [alone, joined] = [await fake.sandbox(), await fake.sandbox()];
    await fake.attach(alone, 'none', 'alone');
    await assert.rejects(fake.attach(alone, 'net', 'alone'), /in private \(none\) mode$/);
    await fake.attach(joined, 'net', 'joined');
    await assert.rejects(fake.attach(joined, 'none', 'joined'), /in private \(none\) mode$/);
    await assert.rejects(fake.attach(joined, 'host', 'joined'), /must be created in host network mode$/);
  });

  it('are found again by a restart, in order, with their ports and names', async () => {
    const fake = await FakeNetworking.start();
    await fake.networking.networks.create({ name: 'a' });
    await fake.networking.networks.create({ name: 'b' });
    const [id, dead] = [await fake.sandbox([WEB]), await fake.sandbox()];
    await fake.attach(id, 'b', 'web');
    await fake.attach(id, 'a', 'web');
    await fake.attach(dead, 'a', 'dead');
    const endpoints = fake.networking.sandboxes.endpoints(id);
    const again = new FakeNetworking(fake.store);
    await again.networking.start((sandbox) => sandbox.id === id);
    assert.deepEqual(again.networking.sandboxes.endpoints(id), endpoints);
    assert.equal(again.networking.sandboxes.get(dead), undefined);
    assert.deepEqual([...again.ports.held], [...fake.ports.held]);
    assert.deepEqual([...again.resolver.endpoints.keys()].sort(), endpoints.map((one) => one.id).sort());
    assert.equal(again.networking.networks.list().length, 5);
  });
});

describe('networks', () => {
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ name: 'net' }, /^network with name net already exists$/],
    [{ name: 'host' }, /^operation is not permitted on predefined host network $/],
    [{ name: '../x' }, /^invalid network name/],
    [{ name: '' }, /name is empty/],
    [{ name: 'x', driver: 'nope' }, /^plugin "nope" not found$/],
    [{ name: 'x', driver: 'host' }, /^only one instance of "host" network is allowed$/],
    [{ name: 'x', driver: 'overlay' }, /^This node is not a swarm manager/],
    [
      { name: 'x', scope: 'global' },
      /^cannot create a swarm scoped network when swarm is not active\. With Fairway: "fairway cluster init"/,
    ],
    [{ name: 'x', enableIpv4: false }, /^IPv4 or IPv6 must be enabled$/],
    [{ name: 'x', configFrom: 'nobody' }, /^network nobody not found$/],
  ];

  for (const [request, message] of refusals) {
    it(`refuses ${JSON.stringify(request)}`, async () => {
      const fake = await FakeNetworking.start();
      await fake.networking.networks.create({ name: 'net' });
      const before = await fake.snapshot();
      await assert.rejects(fake.networking.networks.create({ name: '', ...request }), { message });
      assert.deepEqual(await fake.snapshot(), before);
    });
  }

  it('are found by id, name and prefix', async () => {
    const fake = await FakeNetworking.start();
    const { networks } = fake.networking;
    const { network } = await networks.create({ name: 'net' });
    for (const ref of [network.id, 'net', network.id.slice(0, 20)]) assert.equal(networks.find(ref).id, network.id);
    assert.throws(() => networks.find('nobody'), { message: 'network nobody not found' });
  });

  it('take their settings from a configuration network, which then stays', async () => {
    const fake = await FakeNetworking.start();
    const { networks } = fake.networking;
    await networks.create({ name: 'config', configOnly: true, labels: { a: 'b' } });
    const { network } = await networks.create({ name: 'net', configFrom: 'config' });
    assert.deepEqual(network.labels, { a: 'b' });
    const id = await fake.sandbox();
    await assert.rejects(fake.attach(id, 'config', 'x'), /cannot create endpoint on configuration-only network/);
    await assert.rejects(networks.remove('config'), { message: 'configuration network "config" is in use' });
    await networks.remove('net');
    await networks.remove('config');
  });

  it('refuse removal while somebody joins, and joining while they are removed', async () => {
    const fake = await FakeNetworking.start();
    const { networks } = fake.networking;
    await networks.create({ name: 'net' });
    const id = await fake.sandbox();
    const [joined, removed] = await Promise.allSettled([fake.attach(id, 'net', 'one'), networks.remove('net')]);
    assert.notEqual(joined.status, removed.status);
  });

  it('prune what is unused and nobody keeps', async () => {
    const fake = await FakeNetworking.start();
    const { networks } = fake.networking;
    for (const name of ['used', 'kept', 'idle']) await networks.create({ name });
    await fake.attach(await fake.sandbox(), 'used', 'one');
    assert.deepEqual(await networks.prune(({ name }) => name === 'kept'), ['idle']);
    await assert.rejects(networks.remove('bridge'), {
      message: 'bridge is a pre-defined network and cannot be removed',
    });
  });
});
