import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { cidrsOverlap } from '../../base/index.ts';
import type { NetworkPool, NetworkRecord } from '../../model/index.ts';
import type { MemoryBackup } from '../../store/index.ts';
import { type FakeHostNode, FakeHosts } from '../testing/fake-hosts.ts';

const HOUR_MS = 3_600_000;
/** After which a host that says nothing counts as dead. */
const PRESENCE_MS = 10_000;

type Step =
  | { readonly do: 'run' | 'end'; readonly host: number; readonly name: number; readonly network: number }
  | { readonly do: 'create' | 'remove'; readonly host: number; readonly network: number }
  | { readonly do: 'cut' | 'heal' | 'restart' | 'loseAnswer'; readonly host: number }
  | { readonly do: 'backUp' | 'restore' | 'deleteAll' | 'deleteNetworks' }
  | { readonly do: 'wait'; readonly ms: number };

const host = fc.nat(2);
const network = fc.nat({ max: 1 });
const name = fc.nat({ max: 1 });
const steps = [
  { weight: 6, arbitrary: fc.record({ do: fc.constant('run' as const), host, name, network }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('end' as const), host, name, network }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('create' as const, 'remove' as const), host, network }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('cut' as const, 'cut' as const, 'heal' as const, 'restart' as const, 'loseAnswer' as const),
      host,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(100, 15_000, HOUR_MS + 60_000) }),
  },
] satisfies fc.WeightedArbitrary<Step>[];
const operatorsSteps = {
  weight: 4,
  arbitrary: fc.record({
    do: fc.constantFrom('backUp' as const, 'restore' as const, 'deleteAll' as const, 'deleteNetworks' as const),
  }),
} satisfies fc.WeightedArbitrary<Step>;

/** What somebody does to the store itself. */
function operate({ shared, all }: FakeHosts, what: Step['do'], backups: MemoryBackup[]): boolean {
  const last = backups.at(-1);
  if (what === 'backUp') backups.push(shared.backUp());
  else if (what === 'deleteAll') shared.deleteAll('');
  else if (what === 'deleteNetworks') shared.deleteAll('networks/');
  else if (what !== 'restore') return false;
  else if (last !== undefined) {
    // Nobody reaches it meanwhile.
    const connected = all.filter(({ store }) => store.reachable);
    for (const { store } of connected) store.cut();
    shared.restore(last);
    for (const { store } of connected) store.heal();
  }
  return true;
}

async function take(hosts: FakeHosts, what: Step, backups: MemoryBackup[] = []): Promise<void> {
  if (what.do === 'wait') return await hosts.clock.advance(what.ms);
  if (operate(hosts, what.do, backups) || !('host' in what)) return await hosts.settle();
  const one = hosts.all[what.host];
  assert.ok(one);
  switch (what.do) {
    case 'create':
      await one.create(`net${what.network}`).catch(() => {});
      break;
    case 'remove':
      await one.net.networking.networks.remove(`net${what.network}`).catch(() => {});
      break;
    case 'run':
      if (!one.containers.has(`${one.name}${what.name}`)) {
        await one.run(`${one.name}${what.name}`, `net${what.network}`).catch(() => {});
      }
      break;
    case 'end':
      await one.end(`${one.name}${what.name}`);
      break;
    case 'cut':
      one.store.cut();
      break;
    case 'heal':
      one.store.heal();
      break;
    case 'restart':
      await one.restart({ cut: !one.store.reachable });
      break;
    case 'loseAnswer':
      one.store.loseNextAnswer();
  }
  await hosts.settle();
}

/** Of the hosts that can ask: no two containers have one address, and nobody answers names of hosts that are `silent`. */
function checkAlways(hosts: FakeHosts, silent: readonly FakeHostNode[]): void {
  const told = hosts.all.filter(({ cluster }) => cluster.problem === undefined);
  const addresses = told.flatMap((one) => one.endpoints().map(({ networkId, ipv4 }) => `${networkId} ${ipv4?.ip}`));
  assert.equal(new Set(addresses).size, addresses.length, `an address twice: ${addresses.sort().join(', ')}`);
  for (const one of told) {
    const answered = [...one.net.resolver.endpoints.values()].flatMap(({ names }) => names);
    const stale = answered.filter((text) => silent.some((other) => text.startsWith(other.name)));
    assert.deepEqual(stale, [], `names that ${one.name} still answers`);
  }
}

function nameAndAddress(one: FakeHostNode, networkId: string): readonly string[] {
  const own = one.endpoints().filter((endpoint) => endpoint.networkId === networkId);
  return own.map((endpoint) => `${endpoint.name} ${endpoint.ipv4?.ip}`);
}

/** After everything was healed: hosts agree with each other, with the store and with what runs. */
async function checkConverged(hosts: FakeHosts): Promise<void> {
  const [first] = hosts.all;
  assert.ok(first);
  const stored = new Set((await first.store.list('networks/')).map(({ key }) => key.slice('networks/'.length)));
  for (const one of hosts.all) {
    assert.equal(one.cluster.problem, undefined);
    const orphaned = new Set(one.endpoints().map(({ networkId }) => networkId));
    for (const { id, scope } of one.net.networking.networks.list()) {
      if (scope === 'global') assert.ok(stored.has(id) || orphaned.has(id), 'a network that the cluster does not have');
    }
    assert.deepEqual(
      [...one.net.overlay.networks].sort(),
      [...orphaned].sort(),
      `networks in the kernel of ${one.name}`,
    );
  }
  for (const id of stored) {
    const running = hosts.all.flatMap((one) => nameAndAddress(one, id)).sort();
    const claimed: number = (await first.store.list(`addresses/${id}/`)).length;
    assert.equal(claimed, running.length, 'addresses claimed and endpoints that run');
    for (const one of hosts.all) {
      if (nameAndAddress(one, id).length === 0) continue;
      assert.deepEqual(one.names(id as never), running, `names on ${one.name}`);
      assert.equal(one.peers(id as never).length, running.length - nameAndAddress(one, id).length);
    }
  }
  const used = new Set((await first.store.list('addresses/')).map(({ key }) => key.split('/')[1] ?? ''));
  for (const id of used) assert.ok(stored.has(id), 'addresses of a network that is gone');
}

/** Containers that are on a network that the cluster does not have are there because another has what was its own. */
async function checkOrphans(hosts: FakeHosts): Promise<void> {
  const [first] = hosts.all;
  assert.ok(first);
  const there = (await first.store.list<{ network: NetworkRecord }>('networks/')).map(({ value }) => value.network);
  for (const one of hosts.all) {
    for (const { networkId } of one.endpoints()) {
      if (there.some(({ id }) => id === networkId)) continue;
      const { name, pools } = one.net.networking.networks.find(networkId);
      const clashes = there.some((other) => other.name === name || overlap(other.pools, pools));
      assert.ok(clashes, `network ${name} of ${one.name} was not put back, and nothing stands in the way`);
    }
  }
}

function overlap(some: readonly NetworkPool[], others: readonly NetworkPool[]): boolean {
  return some.some(({ subnet }) => others.some((other) => cidrsOverlap(subnet, other.subnet)));
}

it('whatever somebody does to its store, networks with containers on them come back, and after healing all agree', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(...steps, operatorsSteps), { minLength: 20, maxLength: 40, size: 'max' }),
      async (taken) => {
        const hosts = await FakeHosts.of('a', 'b', 'c');
        await hosts.all[0]?.create('net0');
        const backups = [hosts.shared.backUp()];
        for (const what of taken) await take(hosts, what, backups);
        for (const one of hosts.all) one.store.heal();
        await hosts.clock.advance(60_000);
        await hosts.settle();
        checkAlways(hosts, []);
        await checkOrphans(hosts);
        // What a backup had of claims that had ended ends once more.
        await hosts.clock.advance(HOUR_MS + 60_000);
        await checkConverged(hosts);
      },
    ),
    { numRuns: 25, seed: 4 },
  );
});

it('whatever happens in a cluster, no address is used twice, and after healing all agree', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...steps), { minLength: 20, maxLength: 40, size: 'max' }), async (taken) => {
      const hosts = await FakeHosts.of('a', 'b', 'c');
      await hosts.all[0]?.create('net0');
      for (const what of taken) {
        const cut = hosts.all.filter(({ store }) => !store.reachable);
        await take(hosts, what);
        if (what.do === 'wait') checkAlways(hosts, what.ms >= PRESENCE_MS ? cut : []);
      }
      for (const one of hosts.all) one.store.heal();
      await hosts.clock.advance(60_000);
      await hosts.settle();
      checkAlways(hosts, []);
      await checkConverged(hosts);
    }),
    { numRuns: 60, seed: 4 },
  );
});
