import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { eventually, timeUntil } from '../../../test/support/eventually.ts';
import { inOwnNamespaces, NetworkLab } from '../../../test/support/network-lab.ts';
import { type Ip, newId, parseCidr, parseIp, parseMac } from '../../base/index.ts';
import { type DiscardedLinks, OverlayDriver } from '../../drivers/index.ts';
import { Rtnl } from '../../kernel/index.ts';
import { StoreCluster } from '../../services/cluster/index.ts';
import { MemoryCluster, type MemoryClusterStore, MemoryStore } from '../../store/index.ts';
import { KernelFaults } from '../testing/kernel-faults.ts';

if (inOwnNamespaces(import.meta.filename)) {
  const HERE = parseIp('192.0.2.1');
  const THERE = parseIp('192.0.2.2');
  const HERE6 = parseIp('2001:db8::1');
  const THERE6 = parseIp('2001:db8::2');
  const MAC = parseMac('02:42:0a:00:00:77');
  const LATE_MAC = parseMac('02:42:0a:00:00:78');
  const run = (command: string): string => execFileSync('sh', ['-c', command], { encoding: 'utf8' });

  const underlay = (): void => {
    using rtnl = Rtnl.open();
    const { index } = rtnl.links.createVeth({ name: 'under0', peerName: 'under1' });
    rtnl.addresses.add(index, parseCidr(`${HERE}/24`));
    rtnl.links.set(index, { up: true });
  };

  const node = (shared: MemoryCluster, name: string, address: Ip): StoreCluster =>
    new StoreCluster({ store: shared.open(), local: new MemoryStore() }, { self: { id: newId(), name, address } });

  describe('an overlay network on a host of a cluster', () => {
    it('knows where containers of another host are, and knows it again when somebody took it away', async (t) => {
      underlay();
      const shared = new MemoryCluster();
      const [cluster, other] = [node(shared, 'here', HERE), node(shared, 'there', THERE)];
      other.start([]);
      const lab = await NetworkLab.start({
        cluster,
        drivers: ({ rtnl, discarded }) => [new OverlayDriver({ rtnl, discarded, underlay: () => HERE })],
      });
      try {
        await eventually(() => assert.ok(cluster.reachable && other.reachable));
        const { network } = await lab.networking.networks.create({ name: 'net', driver: 'overlay', internal: true });
        await lab.attach(await lab.sandbox(), 'net', 'one');
        const endpoint = { endpointId: newId(), network, name: 'two', dnsNames: ['two'], macOf: () => MAC };
        const joined = await other.join(endpoint);
        const [vxlan, bridge] = [`vx-${network.id.slice(0, 12)}`, `ov-${network.id.slice(0, 12)}`];
        const told = (): void => {
          const entries = run(`bridge fdb show dev ${vxlan}`)
            .split('\n')
            .map((line) => line.trim());
          assert.ok(entries.includes(`${MAC} dst ${THERE} self static`), entries.join('\n'));
          assert.ok(entries.includes(`${MAC} master ${bridge} static`), entries.join('\n'));
          assert.match(run(`ip neigh show dev ${vxlan} nud permanent`), new RegExp(`${joined.ipv4?.ip} lladdr ${MAC}`));
        };
        await eventually(told);
        await eventually(() => assert.match(run('nft list set inet fairway nodes4'), /192\.0\.2\.1 .*192\.0\.2\.2 /s));
        const reconciler = lab.networking.reconciler(() => undefined);
        assert.deepEqual(await reconciler.verify(), []);
        using faults = new KernelFaults();
        faults.arm(0, { dies: true });
        const late = { ...endpoint, endpointId: newId(), name: 'late', dnsNames: ['late'], macOf: () => LATE_MAC };
        await other.join(late);
        await eventually(() => assert.notEqual(faults.struck, undefined));
        assert.doesNotMatch(run(`bridge fdb show dev ${vxlan}`), new RegExp(LATE_MAC));
        faults.disarm();
        // Nobody tells anything more.
        await eventually(() => assert.match(run(`bridge fdb show dev ${vxlan}`), new RegExp(LATE_MAC)));
        await eventually(async () => assert.deepEqual(await reconciler.verify(), []));
        await other.leave(network.id, late.endpointId);
        using _watch = lab.networking.watch(reconciler);
        for (const mischief of [
          `bridge fdb del ${MAC} dev ${vxlan} self`,
          `bridge fdb del ${MAC} dev ${vxlan} master`,
          `ip neigh del ${joined.ipv4?.ip} dev ${vxlan}`,
          `ip link set ${vxlan} nomaster`,
          `ip link del ${vxlan}`,
          `ip link del ${bridge}`,
        ]) {
          run(mischief);
          t.diagnostic(`${mischief}: whole again after ${await timeUntil(told)}`);
          await eventually(async () => assert.deepEqual(await reconciler.verify(), []));
        }
        await other.leave(network.id, endpoint.endpointId);
        await eventually(() => assert.doesNotMatch(run(`bridge fdb show dev ${vxlan}`), new RegExp(MAC)));
      } finally {
        await lab[Symbol.asyncDispose]();
        for (const one of [cluster, other]) await one.close();
      }
      assert.deepEqual(
        run('ip -o link')
          .split('\n')
          .filter((line) => /ov-|vx-/.test(line)),
        [],
      );
    });

    it('with direct routing has a block here, and a route to another host’s, again when somebody took it away', async (t) => {
      const shared = new MemoryCluster();
      const other = node(shared, 'there', THERE);
      other.start([]);
      const [id, local] = [newId(), new MemoryStore()];
      const here = (store: MemoryClusterStore) => ({
        cluster: new StoreCluster({ store, local }, { self: { id, name: 'here', address: HERE } }),
        drivers: ({ rtnl, discarded }: { readonly rtnl: Rtnl; readonly discarded: DiscardedLinks }) => [
          new OverlayDriver({ rtnl, discarded, underlay: () => HERE }),
        ],
      });
      const options = here(shared.open());
      const { cluster } = options;
      let lab = await NetworkLab.start(options);
      let later: StoreCluster | undefined;
      const routes = (): string => run('ip -4 route show proto 70');
      try {
        await eventually(() => assert.ok(cluster.reachable && other.reachable));
        const { network } = await lab.networking.networks.create({
          ...{ name: 'net', driver: 'overlay', internal: true },
          options: { 'com.fairway.overlay.mode': 'direct', 'com.fairway.overlay.block': '26' },
        });
        const [pool] = network.pools;
        assert.equal(pool?.subnet.ip, '10.0.0.0');
        const sandbox = await lab.sandbox();
        await lab.attach(sandbox, 'net', 'one');
        const endpoint = { endpointId: newId(), network, name: 'two', dnsNames: ['two'], macOf: () => MAC };
        const joined = await other.join(endpoint);
        assert.equal(joined.ipv4?.ip, '10.0.0.64');
        const told = (): void => {
          assert.match(routes(), /^unreachable 10\.0\.0\.0\/24 /m);
          assert.match(routes(), /^10\.0\.0\.0\/26 dev ov-/m);
          assert.match(routes(), /^10\.0\.0\.64\/26 via 192\.0\.2\.2 dev under0/m);
        };
        await eventually(told);
        const reconciler = lab.networking.reconciler(() => undefined);
        assert.deepEqual(await reconciler.verify(), []);
        const watch = lab.networking.watch(reconciler);
        for (const mischief of [
          'ip route del 10.0.0.64/26',
          'ip route del unreachable 10.0.0.0/24',
          'ip link set under0 down && ip link set under0 up',
          `ip link del ov-${network.id.slice(0, 12)}`,
        ]) {
          run(mischief);
          t.diagnostic(`${mischief}: whole again after ${await timeUntil(told)}`);
          await eventually(async () => assert.deepEqual(await reconciler.verify(), []));
        }
        watch[Symbol.dispose]();
        await lab.stop();
        await cluster.close();
        // The next daemon cannot ask the cluster at first.
        const away = shared.open();
        away.cut();
        const next = here(away);
        later = next.cluster;
        lab = await NetworkLab.start({ ...next, store: lab.store }, lab.directory);
        told();
        assert.deepEqual(await lab.networking.reconciler(() => undefined).verify(), []);
        away.heal();
        await eventually(() => assert.ok(later?.reachable));
        told();
        assert.deepEqual(await lab.networking.reconciler(() => undefined).verify(), []);
        await other.leave(network.id, endpoint.endpointId);
        await eventually(() => assert.doesNotMatch(routes(), / via /));
        await lab.networking.sandboxes.close(sandbox);
        assert.equal((await shared.open().list('blocks/')).length, 0);
      } finally {
        await lab[Symbol.asyncDispose]();
        for (const one of [cluster, later, other]) await one?.close();
      }
      assert.equal(routes(), '');
    });

    it('with direct routing of both families has a block of each, by the IPv6 addresses of the hosts', async () => {
      run(`ip addr replace ${HERE6}/64 dev under0 nodad`);
      const shared = new MemoryCluster();
      const [cluster, other] = [node(shared, 'here', HERE6), node(shared, 'there', THERE6)];
      other.start([]);
      const lab = await NetworkLab.start({
        cluster,
        drivers: ({ rtnl, discarded }) => [new OverlayDriver({ rtnl, discarded, underlay: () => HERE6 })],
      });
      const routes = (family: 4 | 6): string => run(`ip -${family} route show proto 70`);
      try {
        await eventually(() => assert.ok(cluster.reachable && other.reachable));
        const { network } = await lab.networking.networks.create({
          ...{ name: 'net', driver: 'overlay', internal: true, enableIpv6: true },
          options: { 'com.fairway.overlay.mode': 'direct', 'com.fairway.overlay.block6': '96' },
          ipam: { pools: [{ subnet: parseCidr('10.66.0.0/24') }, { subnet: parseCidr('fd66::/64') }] },
        });
        const sandbox = await lab.sandbox();
        await lab.attach(sandbox, 'net', 'one');
        const endpoint = { endpointId: newId(), network, name: 'two', dnsNames: ['two'], macOf: () => MAC };
        const joined = await other.join(endpoint);
        assert.deepEqual([joined.ipv4?.ip, joined.ipv6?.ip], ['10.66.0.16', 'fd66::1:0:0']);
        const reconciler = lab.networking.reconciler(() => undefined);
        await eventually(async () => {
          assert.match(routes(4), /^10\.66\.0\.16\/28 via inet6 2001:db8::2 dev under0/m);
          assert.match(routes(6), /^fd66::1:0:0\/96 via 2001:db8::2 dev under0/m);
          assert.match(routes(6), /^fd66::\/96 dev ov-/m);
          assert.match(run('ip -6 neigh show proxy'), /^fd66::1:0:0 dev ov-/m);
          assert.deepEqual(await reconciler.verify(), []);
        });
        await other.leave(network.id, endpoint.endpointId);
        await eventually(() => assert.doesNotMatch(routes(6), / via /));
        await lab.networking.sandboxes.close(sandbox);
        assert.equal((await shared.open().list('blocks/')).length, 0);
      } finally {
        await lab[Symbol.asyncDispose]();
        for (const one of [cluster, other]) await one.close();
      }
      assert.equal(routes(4) + routes(6), '');
    });
  });
}
