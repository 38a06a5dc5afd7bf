import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ip } from '../../base/index.ts';
import { cidrText, parseCidr } from '../../base/index.ts';
import { BLOCK, BLOCK6, blockOf, type EndpointNews, type NetworkRecord, VNI } from '../../model/index.ts';
import { joinOf, planOf, type SimulatedNode, Simulation, subnetPlan } from './testing/simulation.ts';

const HOUR_MS = 3_600_000;

function subnetsOf({ pools }: NetworkRecord): string[] {
  return pools.map(({ subnet }) => cidrText(subnet));
}

describe('networks of a cluster', () => {
  it('are seen by all nodes, with subnets and identifiers of their own', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const seen: string[] = [];
    b.cluster.followNetworks(({ set, removed }) => seen.push(...set.map(({ name }) => `+${name}`), ...removed));
    const one = await a.cluster.createNetwork(planOf('one'));
    const two = await b.cluster.createNetwork(planOf('two'));
    assert.deepEqual([subnetsOf(one), subnetsOf(two)], [['10.0.0.0/24'], ['10.0.1.0/24']]);
    assert.deepEqual([one.pools[0]?.gateway, one.driverState?.[VNI], two.driverState?.[VNI]], ['10.0.0.1', 4096, 4097]);
    await a.cluster.removeNetwork(two);
    await a.cluster.removeNetwork(two);
    assert.deepEqual(seen, ['+one', '+two', two.id]);
    const again = await a.cluster.createNetwork(planOf('two'));
    assert.deepEqual([subnetsOf(again), again.driverState?.[VNI]], [['10.0.1.0/24'], 4097]);
  });

  it('stay clear of what the host is on, and have IPv6 out of one prefix of the cluster', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const requests = [
      { family: 4, request: {}, wantsGateway: true },
      { family: 6, request: {}, wantsGateway: true },
    ] as const;
    const busy = [{ ip: '10.0.0.0' as Ip, prefix: 23 }];
    const one = await a.cluster.createNetwork(planOf('one', { requests, busy, enableIpv6: true }));
    const two = await b.cluster.createNetwork(planOf('two', { requests, enableIpv6: true }));
    assert.equal(subnetsOf(one)[0], '10.0.2.0/24');
    const prefix = (network: NetworkRecord): string | undefined => subnetsOf(network)[1]?.slice(0, 14);
    assert.match(subnetsOf(one)[1] ?? '', /^fd.*\/64$/);
    assert.equal(prefix(one), prefix(two));
    assert.notEqual(subnetsOf(one)[1], subnetsOf(two)[1]);
  });

  it('are refused with a name, a subnet or an identifier that another has, and nothing is left of them', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    await a.cluster.createNetwork(subnetPlan('one', '10.9.0.0/16', { vni: 300 }));
    const before = await a.store.list('');
    await assert.rejects(b.cluster.createNetwork(planOf('one')), {
      code: 'network_exists',
      message: 'network with name one already exists',
    });
    await assert.rejects(b.cluster.createNetwork(subnetPlan('two', '10.9.1.0/24')), { code: 'ipam_pool_overlap' });
    await assert.rejects(b.cluster.createNetwork(planOf('two', { vni: 300 })), { code: 'vni_taken' });
    assert.deepEqual(await a.store.list(''), before);
  });

  it('of many created on three nodes at once each get what nobody else has', async () => {
    const simulation = new Simulation({ latency: true, seed: 7 });
    const nodes = [await simulation.node('a'), await simulation.node('b'), await simulation.node('c')];
    const wanted = nodes.flatMap(({ cluster }, node) =>
      Array.from({ length: 15 }, (_, at) => cluster.createNetwork(planOf(at === 0 ? 'same' : `n${node}-${at}`))),
    );
    const results = await simulation.complete(Promise.allSettled(wanted));
    const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(made.length, 43);
    for (const facts of [
      made.flatMap(subnetsOf),
      made.map((one) => one.driverState?.[VNI]),
      made.map((one) => one.name),
    ]) {
      assert.equal(new Set(facts).size, 43, String(facts));
    }
  });

  it('are made once when the answer is lost', async () => {
    const simulation = new Simulation();
    const a = await simulation.node('a');
    a.store.loseNextAnswer();
    const made = await a.cluster.createNetwork(planOf('one'));
    assert.deepEqual(subnetsOf(made), ['10.0.0.0/24']);
    assert.equal((await a.store.list('networks/')).length, 1);
  });

  it('are not removed while any node has endpoints on them, and joined all the while', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const joined = await b.cluster.join(joinOf(network, 'web'));
    await assert.rejects(a.cluster.removeNetwork(network), {
      code: 'network_in_use',
      message: /network one has active endpoints \(name:"web" id:"[0-9a-f]{12}"\)/,
    });
    await a.cluster.join(joinOf(network, 'db'));
    await b.cluster.leave(network.id, joined.endpointId);
  });

  it('that a node was removing when it was cut off are removed afterwards', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const end = b.store.watch('networks/', () => a.store.cut());
    await assert.rejects(a.cluster.removeNetwork(network), { code: 'store_unreachable' });
    end();
    await assert.rejects(b.cluster.join(joinOf(network, 'web')), { code: 'network_not_found' });
    a.store.heal();
    await simulation.clock.advance(10_000);
    assert.deepEqual(
      (await b.store.list('')).map(({ key }) => key.split('/')[0]),
      ['alive', 'alive', 'nodes', 'nodes', 'pools', 'schema'],
    );
  });
});

describe('nodes with blocks of a subnet', () => {
  const blocks = { needsVni: false, blocks: {} };
  const blockKeys = async ({ store }: SimulatedNode): Promise<string[]> =>
    (await store.list('blocks/')).map(({ key }) => key.split('/')[2] ?? '').sort();

  it('have a block each, addresses from it alone, and give it back after the last', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(subnetPlan('one', '10.7.0.0/24', blocks));
    assert.deepEqual(network.driverState, { [BLOCK]: 28 });
    const one = await a.cluster.join(joinOf(network, 'one'));
    const two = await b.cluster.join(joinOf(network, 'two'));
    const three = await b.cluster.join(joinOf(network, 'three', { ipv4: '10.7.0.30' as Ip }));
    assert.deepEqual(
      [one, two, three].map(({ ipv4 }) => ipv4?.ip),
      ['10.7.0.2', '10.7.0.16', '10.7.0.30'],
    );
    assert.deepEqual(await blockKeys(a), ['10.7.0.0', '10.7.0.16']);
    await b.cluster.leave(network.id, two.endpointId);
    assert.deepEqual(await blockKeys(a), ['10.7.0.0', '10.7.0.16']);
    await b.cluster.leave(network.id, three.endpointId);
    assert.deepEqual(await blockKeys(a), ['10.7.0.0']);
    await a.cluster.leave(network.id, one.endpointId);
    await a.cluster.removeNetwork(network);
    assert.deepEqual(await blockKeys(a), []);
  });

  it('take the block of a wanted address, unless it is another node’s or they have one', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(
      subnetPlan('one', '10.7.0.0/24', { ...blocks, blocks: { prefix: 26 } }),
    );
    const wanted = (ip: string) => joinOf(network, 'x', { ipv4: ip as Ip });
    assert.equal((await a.cluster.join(wanted('10.7.0.200'))).ipv4?.ip, '10.7.0.200');
    await assert.rejects(b.cluster.join(wanted('10.7.0.201')), {
      code: 'address_of_other_node',
      message: /cannot use address 10.7.0.201 on network "one": .* another host has 10.7.0.192\/26/,
    });
    await assert.rejects(a.cluster.join(wanted('10.7.0.5')), { message: /this host has 10.7.0.192\/26/ });
    await assert.rejects(a.cluster.join(wanted('10.8.0.5')), { code: 'ipam_no_subnet' });
    assert.equal((await b.cluster.join(joinOf(network, 'y'))).ipv4?.ip, '10.7.0.2');
    assert.deepEqual(await blockKeys(a), ['10.7.0.0', '10.7.0.192']);
  });

  it('never share one when many join at once, and are refused when there is none', async () => {
    const simulation = new Simulation({ latency: true, seed: 11 });
    const nodes: SimulatedNode[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) nodes.push(await simulation.node(name));
    const [first] = nodes;
    assert.ok(first);
    const plan = subnetPlan('one', '10.7.0.0/24', { ...blocks, blocks: { prefix: 26 } });
    const network = await simulation.complete(first.cluster.createNetwork(plan));
    const joins = nodes.flatMap(({ id, cluster }) =>
      Array.from({ length: 10 }, async (_, at) => ({ id, ...(await cluster.join(joinOf(network, `c${at}`))) })),
    );
    const results = await simulation.complete(Promise.allSettled(joins));
    const joined = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(joined.length, 40);
    for (const result of results) {
      if (result.status === 'rejected') assert.match(String(result.reason), /all of its 4 blocks are other hosts'/);
    }
    const owners = new Map<string, Set<string>>();
    for (const { id, ipv4 } of joined) {
      const block = blockOf(network, ipv4?.ip ?? ('' as Ip))?.ip ?? '';
      owners.set(block, (owners.get(block) ?? new Set()).add(id));
    }
    assert.deepEqual(
      [...owners.values()].map(({ size }) => size),
      [1, 1, 1, 1],
    );
    assert.equal(new Set(joined.map(({ ipv4 }) => ipv4?.ip)).size, 40);
  });

  it('claim it again with what runs there, and give back what an earlier daemon left', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(subnetPlan('one', '10.7.0.0/24', blocks));
    const one = await a.cluster.join(joinOf(network, 'one'));
    await a.restart([one]);
    assert.deepEqual(await blockKeys(b), ['10.7.0.0']);
    assert.equal((await a.cluster.join(joinOf(network, 'two'))).ipv4?.ip, '10.7.0.3');
    a.store.cut();
    await simulation.clock.advance(2 * HOUR_MS);
    assert.deepEqual(await blockKeys(b), []);
    a.store.heal();
    await simulation.clock.advance(20_000);
    assert.deepEqual(await blockKeys(b), ['10.7.0.0']);
    await a.restart([]);
    await simulation.clock.advance(20_000);
    assert.deepEqual(await blockKeys(b), []);
  });

  it('lose an endpoint whose block another node has taken meanwhile', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(subnetPlan('one', '10.7.0.0/24', blocks));
    const one = await a.cluster.join(joinOf(network, 'one'));
    a.store.cut();
    await simulation.clock.advance(2 * HOUR_MS);
    assert.equal((await b.cluster.join(joinOf(network, 'two', { ipv4: '10.7.0.9' as Ip }))).ipv4?.ip, '10.7.0.9');
    a.store.heal();
    await simulation.clock.advance(20_000);
    assert.deepEqual(
      a.taken.map(({ endpointId }) => endpointId),
      [one.endpointId],
    );
    assert.equal((await a.cluster.join(joinOf(network, 'three'))).ipv4?.ip, '10.7.0.16');
  });

  it('have one of each family, claimed and given back together', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const both = (name: string, subnet: string, subnet6: string) => {
      const plan = subnetPlan(name, subnet, { ...blocks, enableIpv6: true });
      const six = { family: 6, request: { subnet: parseCidr(subnet6) }, wantsGateway: true } as const;
      return { ...plan, requests: [...plan.requests, six] };
    };
    const network = await a.cluster.createNetwork(both('one', '10.7.0.0/24', 'fd07::/64'));
    assert.deepEqual(network.driverState, { [BLOCK]: 28, [BLOCK6]: 80 });
    const one = await a.cluster.join(joinOf(network, 'one'));
    const two = await b.cluster.join(joinOf(network, 'two'));
    const addresses = [one, two].flatMap(({ ipv4, ipv6 }) => [ipv4?.ip, ipv6?.ip]);
    assert.deepEqual(addresses, ['10.7.0.2', 'fd07::2', '10.7.0.16', 'fd07::1:0:0:0']);
    assert.deepEqual(await blockKeys(a), ['10.7.0.0', '10.7.0.16', 'fd07::', 'fd07::1:0:0:0']);
    await assert.rejects(b.cluster.join(joinOf(network, 'x', { ipv6: 'fd07::9' as Ip })), {
      code: 'address_of_other_node',
      message: /this host has fd07::1:0:0:0\/80/,
    });
    await a.restart([one]);
    a.store.cut();
    await simulation.clock.advance(2 * HOUR_MS);
    assert.deepEqual(await blockKeys(b), ['10.7.0.16', 'fd07::1:0:0:0']);
    a.store.heal();
    await simulation.clock.advance(20_000);
    assert.equal((await blockKeys(b)).length, 4);
    await b.cluster.leave(network.id, two.endpointId);
    assert.deepEqual(await blockKeys(a), ['10.7.0.0', 'fd07::']);
    const small = await a.cluster.createNetwork(both('two', '10.8.0.0/28', 'fd08::/112'));
    assert.deepEqual(small.driverState, { [BLOCK]: 30, [BLOCK6]: 116 });
  });

  it('are refused where a subnet has no room for two', async () => {
    const { cluster } = await new Simulation().node('a');
    const plan = (subnet: string, prefix?: number) =>
      subnetPlan('one', subnet, { ...blocks, blocks: prefix === undefined ? {} : { prefix } });
    for (const refused of [plan('10.7.0.0/30'), plan('10.7.0.0/24', 24), plan('10.7.0.0/24', 31)]) {
      await assert.rejects(cluster.createNetwork(refused), { code: 'invalid_block' });
    }
    assert.equal((await cluster.createNetwork(plan('10.8.0.0/16'))).driverState?.[BLOCK], 24);
  });
});

describe('endpoints in a cluster', () => {
  it('get the lowest free address, or the wanted one, and give it back', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const one = await a.cluster.join(joinOf(network, 'one'));
    const two = await b.cluster.join(joinOf(network, 'two', { avoid: ['10.0.0.3' as Ip] }));
    assert.deepEqual([one.ipv4?.ip, two.ipv4?.ip], ['10.0.0.2', '10.0.0.4']);
    const wanted = joinOf(network, 'three', { ipv4: '10.0.0.4' as Ip });
    await assert.rejects(a.cluster.join(wanted), { code: 'address_in_use', message: 'Address already in use' });
    await assert.rejects(a.cluster.join(joinOf(network, 'x', { ipv4: '10.0.0.1' as Ip })), /Address already in use/);
    await assert.rejects(a.cluster.join(joinOf(network, 'x', { ipv4: '10.1.0.1' as Ip })), { code: 'ipam_no_subnet' });
    await b.cluster.leave(network.id, two.endpointId);
    await b.cluster.leave(network.id, two.endpointId);
    assert.equal((await a.cluster.join(wanted)).ipv4?.ip, '10.0.0.4');
    assert.equal((await b.store.list('addresses/')).length, 2);
  });

  it('of a hundred joining on three nodes at once none shares an address', async () => {
    const simulation = new Simulation({ latency: true, seed: 3 });
    const nodes = [await simulation.node('a'), await simulation.node('b'), await simulation.node('c')];
    const [first] = nodes;
    assert.ok(first);
    const network = await simulation.complete(first.cluster.createNetwork(planOf('one')));
    const joins = Array.from({ length: 100 }, (_, at) => nodes[at % 3]?.cluster.join(joinOf(network, `c${at}`)));
    const joined = await simulation.complete(Promise.all(joins));
    assert.equal(new Set(joined.map((endpoint) => endpoint?.ipv4?.ip)).size, 100);
  });

  it('fill a subnet to the last address and no further', async () => {
    const simulation = new Simulation({ latency: true, seed: 5 });
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await simulation.complete(a.cluster.createNetwork(subnetPlan('one', '10.7.0.0/28')));
    const joins = Array.from({ length: 16 }, (_, at) => (at % 2 ? a : b).cluster.join(joinOf(network, `c${at}`)));
    const results = await simulation.complete(Promise.allSettled(joins));
    const failed = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
    assert.equal(failed.length, 3);
    for (const text of failed) assert.match(text, /no available addresses on this pool/);
  });

  it('are told to the other nodes, with where they are and whether that node lives', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const one = await a.cluster.join(joinOf(network, 'one'));
    const told: string[] = [];
    b.cluster.followEndpoints(network, ({ all, set, removed }: EndpointNews) => {
      if (all) told.push('all');
      told.push(...set.map(({ dnsNames, underlay, names }) => `${dnsNames} ${underlay} ${names}`), ...removed);
    });
    await simulation.settle();
    await b.cluster.join(joinOf(network, 'own'));
    await a.cluster.rename({ ...one, name: 'uno', dnsNames: ['uno'] });
    a.store.cut();
    await simulation.clock.advance(15_000);
    a.store.heal();
    await simulation.clock.advance(1000);
    a.address = '198.51.100.1' as Ip;
    await a.restart([{ ...one, dnsNames: ['uno'] }]);
    await a.cluster.leave(network.id, one.endpointId);
    assert.deepEqual(told, [
      'all',
      'one 192.0.2.1 true',
      'uno 192.0.2.1 true',
      'uno 192.0.2.1 false',
      'uno 192.0.2.1 true',
      'uno 198.51.100.1 true',
      one.endpointId,
    ]);
  });

  it('keep their addresses while their node is cut off for less than an hour', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const one = await a.cluster.join(joinOf(network, 'one'));
    a.store.cut();
    await simulation.clock.advance(HOUR_MS / 2);
    assert.equal((await b.cluster.join(joinOf(network, 'two'))).ipv4?.ip, '10.0.0.3');
    await assert.rejects(a.cluster.join(joinOf(network, 'no')), { code: 'store_unreachable' });
    a.store.heal();
    await simulation.clock.advance(10_000);
    assert.deepEqual(a.taken, []);
    assert.equal((await b.cluster.endpointsOf(network.id)).length, 2);
    assert.equal((await a.cluster.endpointsOf(network.id)).find(({ name }) => name === 'one')?.ipv4?.ip, one.ipv4?.ip);
  });

  it('are claimed again after more than an hour, and those are told whose address another has now', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const one = await a.cluster.join(joinOf(network, 'one'));
    const two = await a.cluster.join(joinOf(network, 'two'));
    a.store.cut();
    await simulation.clock.advance(HOUR_MS + 60_000);
    const three = await b.cluster.join(joinOf(network, 'three'));
    assert.equal(three.ipv4?.ip, one.ipv4?.ip);
    a.store.heal();
    await simulation.clock.advance(10_000);
    assert.deepEqual(
      a.taken.map(({ name }) => name),
      ['one'],
    );
    const there = await b.cluster.endpointsOf(network.id);
    assert.deepEqual(there.map(({ name }) => name).sort(), ['three', 'two']);
    await a.cluster.leave(network.id, two.endpointId);
    assert.equal((await b.store.list('addresses/')).length, 1);
  });

  it('that leave while the store is not reachable are given back when it is, by a later daemon too', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const [one, two, three] = await Promise.all(['1', '2', '3'].map((name) => a.cluster.join(joinOf(network, name))));
    assert.ok(one && two && three);
    a.store.cut();
    await a.cluster.leave(network.id, one.endpointId);
    a.store.heal();
    await simulation.clock.advance(10_000);
    assert.equal((await b.cluster.endpointsOf(network.id)).length, 2);
    a.store.cut();
    await a.cluster.leave(network.id, two.endpointId);
    await a.restart([three]);
    await simulation.clock.advance(1000);
    assert.deepEqual(
      (await b.cluster.endpointsOf(network.id)).map(({ name }) => name),
      ['3'],
    );
    assert.equal((await b.store.list('addresses/')).length, 1);
  });

  it('are made once when the answer is lost, and given back when nobody can look', async () => {
    const simulation = new Simulation();
    const a = await simulation.node('a');
    const network = await a.cluster.createNetwork(planOf('one'));
    a.store.loseNextAnswer();
    const one = await a.cluster.join(joinOf(network, 'one'));
    assert.equal((await a.cluster.endpointsOf(network.id)).length, 1);
    await a.cluster.leave(network.id, one.endpointId);
    const end = a.store.watch('endpoints/', () => a.store.cut());
    await assert.rejects(a.cluster.join(joinOf(network, 'two')), { code: 'store_unreachable' });
    end();
    a.store.heal();
    await simulation.clock.advance(10_000);
    assert.deepEqual(await a.store.list('addresses/'), []);
    assert.deepEqual(await a.store.list('endpoints/'), []);
  });

  it('survive that the store lost everything', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    await a.cluster.join(joinOf(network, 'one'));
    simulation.shared.loseEverything();
    await simulation.clock.advance(10_000);
    assert.deepEqual(
      b.cluster
        .nodes()
        .map(({ name, alive }) => `${name} ${alive}`)
        .sort(),
      ['a true', 'b true'],
    );
    await a.cluster.createNetwork(planOf('two'));
  });
});

describe('a node of a cluster', () => {
  it('takes up its leases after a restart: nobody notices', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const one = await a.cluster.join(joinOf(network, 'one'));
    const told: unknown[] = [];
    b.cluster.followEndpoints(network, (news) => told.push(news));
    await simulation.settle();
    await a.restart([one]);
    await simulation.clock.advance(60_000);
    assert.equal(told.length, 1);
  });

  it('resigns: nothing of it is left, and its addresses are free at once', async () => {
    const simulation = new Simulation();
    const [a, b] = [await simulation.node('a'), await simulation.node('b')];
    const network = await a.cluster.createNetwork(planOf('one'));
    const { ipv4 } = await a.cluster.join(joinOf(network, 'one'));
    await a.cluster.resign();
    assert.deepEqual(
      b.cluster.nodes().map(({ name }) => name),
      ['b'],
    );
    assert.deepEqual(await b.cluster.endpointsOf(network.id), []);
    assert.deepEqual((await b.cluster.join(joinOf(network, 'two'))).ipv4, ipv4);
    assert.deepEqual(await a.local.list('cluster/'), []);
    await a.restart();
    assert.equal(b.cluster.nodes().length, 2);
  });

  it('begins without the store and takes part when it is there', async () => {
    const simulation = new Simulation();
    const a = simulation.newNode('a');
    a.store.cut();
    await a.start();
    await assert.rejects(a.cluster.createNetwork(planOf('one')), {
      code: 'store_unreachable',
      message: /the cluster cannot be asked/,
    });
    a.store.heal();
    await simulation.clock.advance(1000);
    assert.equal(a.cluster.problem, undefined);
    await a.cluster.createNetwork(planOf('one'));
  });

  it('refuses a store of another schema, saying what to do, and touches nothing', async () => {
    const simulation = new Simulation();
    const a = simulation.newNode('a');
    await a.store.put('schema', { version: 7, cluster: 'x' });
    await a.start();
    await simulation.clock.advance(60_000);
    assert.match(a.cluster.problem ?? '', /schema version 7, this program knows version 1/);
    await assert.rejects(a.cluster.createNetwork(planOf('one')), { code: 'cluster_schema' });
    assert.equal((await a.store.list('')).length, 1);
  });
});
