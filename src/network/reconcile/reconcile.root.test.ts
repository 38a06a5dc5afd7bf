import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { timeUntil } from '../../../test/support/eventually.ts';
import { inOwnNamespaces, NetworkLab } from '../../../test/support/network-lab.ts';
import { type Id, parseCidr, parseIp } from '../../base/index.ts';
import { ParentLinks, TransparentDriver } from '../../drivers/index.ts';
import { MemoryStore } from '../../store/index.ts';

if (inOwnNamespaces(import.meta.filename)) {
  const run = (...command: readonly string[]): string =>
    execFileSync(command[0] ?? '', command.slice(1), { stdio: 'pipe', encoding: 'utf8' });

  /** Two sandboxes on a network with both families, the second with a published port; who lives in it is known. */
  const scene = async () => {
    const lab = await NetworkLab.start();
    const { network } = await lab.networking.networks.create({ name: 'net', enableIpv6: true });
    const [one, two] = [await lab.sandbox(), await lab.sandbox({ ports: [{ host: 8080, container: 80 }] })];
    const [first, second] = [await lab.attach(one, 'net', 'one'), await lab.attach(two, 'net', 'two')];
    const path = lab.networking.sandboxes.get(one)?.path ?? '';
    const inhabitant = spawn('nsenter', [`--net=${path}`, 'sleep', '600'], { stdio: 'ignore' });
    await once(inhabitant, 'spawn');
    const owner = lab.networking.sandboxes.get(one)?.ownerId;
    const reconciler = lab.networking.reconciler((id: Id) => (id === owner ? inhabitant.pid : undefined));
    const bridge = `br-${network.id.slice(0, 12)}`;
    const hostLink = String(first.driverState.hostLink);
    const reaches = (): void => {
      for (const to of [second.ipv4?.ip, second.ipv6?.ip, network.pools[0]?.gateway]) {
        run('nsenter', `--net=${path}`, 'ping', '-c1', '-W5', to ?? '');
      }
    };
    return {
      ...{ lab, reconciler, network, bridge, hostLink, path, first, reaches },
      async [Symbol.asyncDispose]() {
        inhabitant.kill('SIGKILL');
        await lab[Symbol.asyncDispose]();
      },
    };
  };
  type Scene = Awaited<ReturnType<typeof scene>>;

  /** What foreign hands can do, and the words of the drift that must be found. */
  const MISCHIEF: readonly {
    readonly name: string;
    readonly does: (scene: Scene) => unknown;
    readonly found: (scene: Scene) => readonly string[];
    /** Not noticed by itself: nothing in the host's namespace tells of it. */
    readonly silent?: boolean;
  }[] = [
    {
      name: 'a deleted bridge',
      does: ({ bridge }) => run('ip', 'link', 'del', bridge),
      found: ({ bridge }) => [`missing ${bridge}`],
    },
    {
      name: 'a bridge that is down',
      does: ({ bridge }) => run('ip', 'link', 'set', bridge, 'down'),
      found: ({ bridge }) => [`different ${bridge}`],
    },
    {
      name: 'deleted addresses of a bridge',
      does: ({ bridge }) => run('ip', 'addr', 'flush', 'dev', bridge),
      found: ({ bridge, network }) =>
        network.pools.map((pool) => `missing ${pool.gateway}/${pool.subnet.prefix} on ${bridge}`),
    },
    {
      name: 'a deleted route to a bridge',
      does: ({ bridge, network }) =>
        run('ip', 'route', 'del', `${network.pools[0]?.subnet.ip}/${network.pools[0]?.subnet.prefix}`, 'dev', bridge),
      found: ({ bridge, network }) => [
        `missing ${network.pools[0]?.subnet.ip}/${network.pools[0]?.subnet.prefix} dev ${bridge}`,
      ],
    },
    {
      name: 'a deleted veth pair',
      does: ({ hostLink }) => run('ip', 'link', 'del', hostLink),
      found: ({ hostLink, path }) => [`missing ${hostLink}`, `missing eth0 in ${path}`],
    },
    {
      name: 'a port taken out of its bridge',
      does: ({ hostLink }) => run('ip', 'link', 'set', hostLink, 'nomaster'),
      found: ({ hostLink }) => [`different ${hostLink}`],
    },
    {
      name: 'a port that is down',
      does: ({ hostLink }) => run('ip', 'link', 'set', hostLink, 'down'),
      found: ({ hostLink }) => [`different ${hostLink}`],
    },
    {
      name: 'a deleted namespace',
      does: ({ path }) => {
        run('umount', path);
        run('rm', path);
      },
      found: ({ path }) => [`missing ${path}`],
    },
    {
      name: 'forwarding turned off',
      does: () => run('sysctl', '-qw', 'net.ipv4.ip_forward=0'),
      found: () => ['different net.ipv4.ip_forward'],
    },
    {
      name: 'a changed setting of a bridge',
      silent: true,
      does: ({ bridge }) => run('sysctl', '-qw', `net.ipv4.conf.${bridge}.route_localnet=0`),
      found: ({ bridge }) => [`different net.ipv4.conf.${bridge}.route_localnet`],
    },
    {
      name: 'a deleted address inside',
      silent: true,
      does: ({ path, first }) =>
        run('nsenter', `--net=${path}`, 'ip', 'addr', 'del', `${first.ipv4?.ip}/${first.ipv4?.prefix}`, 'dev', 'eth0'),
      found: ({ path, first }) => [`missing ${first.ipv4?.ip}/${first.ipv4?.prefix} on eth0 in ${path}`],
    },
    {
      name: 'a deleted default route inside',
      silent: true,
      does: ({ path }) => run('nsenter', `--net=${path}`, 'ip', 'route', 'del', 'default'),
      found: ({ path, network }) => [`missing default via ${network.pools[0]?.gateway} dev eth0 in ${path}`],
    },
    {
      name: 'a changed rule',
      silent: true,
      does: () => run('nft', 'flush', 'table', 'inet', 'fairway'),
      found: () => ['different chain'],
    },
  ];

  const texts = (drift: readonly { readonly problem: string; readonly object: string }[]): readonly string[] =>
    drift.map(({ problem, object }) => `${problem} ${object}`);

  describe('what foreign hands do on a real kernel', () => {
    for (const { name, does, found, silent } of MISCHIEF) {
      it(`${name} is found and repaired, and repaired once`, async () => {
        await using now = await scene();
        assert.deepEqual(await now.reconciler.verify(), []);
        now.reaches();
        does(now);
        const drift = texts(await now.reconciler.verify());
        for (const one of found(now))
          assert.ok(
            drift.some((text) => text.startsWith(one)),
            `${one}\n${drift.join('\n')}`,
          );
        const { done, failed } = await now.reconciler.repair();
        assert.deepEqual(failed, []);
        assert.ok(done.length > 0);
        assert.deepEqual(await now.reconciler.verify(), []);
        now.reaches();
        assert.deepEqual(await now.reconciler.repair(), { done: [], failed: [] });
      });

      if (silent) continue;
      it(`${name} is noticed and repaired without being asked`, async (t) => {
        await using now = await scene();
        using _watch = now.lab.networking.watch(now.reconciler);
        does(now);
        const time = await timeUntil(async () => assert.deepEqual(await now.reconciler.verify(), []));
        t.diagnostic(`${name}: made good after ${time}`);
        now.reaches();
      });
    }

    it('removes what is ours and belongs to nobody, and nothing else', async () => {
      await using now = await scene();
      run('ip', 'link', 'add', 'br-orphan', 'type', 'bridge');
      run('ip', 'link', 'set', 'br-orphan', 'alias', `fairway network ${'f'.repeat(64)}`);
      run('ip', 'link', 'add', 'br-foreign', 'type', 'bridge');
      const folder = now.path.slice(0, now.path.lastIndexOf('/'));
      const lost = `${folder}/fw-${'0'.repeat(12)}`;
      run('sh', '-c', `: >${lost} && mount --bind /proc/self/ns/net ${lost}`);
      const drift = texts(await now.reconciler.verify());
      assert.deepEqual([...drift].sort(), [`orphan ${lost}`, 'orphan br-orphan'].sort());
      assert.deepEqual((await now.reconciler.repair()).done, []);
      const { done, failed } = await now.reconciler.collect();
      assert.deepEqual(failed, []);
      assert.equal(done.length, 2);
      assert.deepEqual(await now.reconciler.verify(), []);
      assert.ok(now.lab.links().includes('br-foreign'));
      now.reaches();
    });

    it('a further route inside is found and made good', async () => {
      await using lab = await NetworkLab.start();
      const options = { 'com.docker.network.bridge.enable_icc': 'false' };
      const { network } = await lab.networking.networks.create({ name: 'apart', enableIpv6: true, options });
      const one = await lab.sandbox();
      await lab.attach(one, 'apart', 'one');
      const path = lab.networking.sandboxes.get(one)?.path ?? '';
      const reconciler = lab.networking.reconciler(() => undefined);
      assert.deepEqual(await reconciler.verify(), []);
      const routes = (): string => run('nsenter', `--net=${path}`, 'ip', '-6', 'route');
      const before = routes();
      const { subnet, gateway } = network.pools.find(({ family }) => family === 6) ?? {};
      const text = `${subnet?.ip}/${subnet?.prefix}`;
      run('nsenter', `--net=${path}`, 'ip', '-6', 'route', 'del', text, 'via', String(gateway));
      assert.deepEqual(texts(await reconciler.verify()), [`missing ${text} via ${gateway} dev eth0 in ${path}`]);
      assert.deepEqual((await reconciler.repair()).failed, []);
      assert.equal(routes(), before);
      assert.deepEqual(await reconciler.verify(), []);
    });

    it('a port that another process took while nobody held it is told, and held again when that has gone', async () => {
      const store = new MemoryStore();
      const first = await NetworkLab.start({ store });
      await first.networking.networks.create({ name: 'net' });
      const one = await first.sandbox({
        ports: [
          { host: 8080, container: 80 },
          { host: 8081, container: 81 },
        ],
      });
      await first.attach(one, 'net', 'one');
      await first.stop();
      const thief = createServer().listen(8080);
      await once(thief, 'listening');
      await using lab = await NetworkLab.start({ store }, first.directory);
      const reconciler = lab.networking.reconciler(() => undefined);
      const ports = (): readonly number[] =>
        [...new Set(lab.networking.sandboxes.get(one)?.ports.published.map(({ hostPort }) => hostPort))].sort();
      const missing = ['missing 0.0.0.0:8080/tcp', 'missing [::]:8080/tcp'];
      assert.deepEqual(texts(await reconciler.verify()), missing);
      assert.deepEqual(ports(), [8081]);
      const { done, failed } = await reconciler.repair();
      assert.deepEqual([texts(done), texts(failed)], [[], missing]);
      assert.match(failed[0]?.reason ?? '', /port 8080\/tcp is taken by another process/);
      thief.close();
      await once(thief, 'close');
      assert.deepEqual(texts((await reconciler.repair()).done), missing);
      assert.deepEqual(ports(), [8080, 8081]);
      assert.deepEqual(await reconciler.verify(), []);
      assert.match(run('nft', 'list', 'map', 'inet', 'fairway', 'wildcard4'), /tcp \. 8080/);
      await assert.rejects(once(createServer().listen(8080), 'listening'), /EADDRINUSE/);
      await lab.networking.sandboxes.close(one);
    });

    it('the host’s end of a container on a transparent network, and the link that leads there', async () => {
      await using lab = await NetworkLab.start({
        drivers: ({ rtnl, discarded }) => [
          new TransparentDriver({ rtnl, discarded, parents: new ParentLinks({ rtnl }) }),
        ],
      });
      run('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1');
      run('ip', 'link', 'set', 'up1', 'up');
      run('ip', 'addr', 'add', '10.88.0.9/24', 'dev', 'up1');
      const pools = [{ subnet: parseCidr('10.88.0.0/24'), gateway: parseIp('10.88.0.9') }];
      const { network } = await lab.networking.networks.create({
        ...{ name: 'lan', driver: 'transparent', options: { parent: 'up0' } },
        ipam: { pools },
      });
      const one = await lab.sandbox();
      const endpoint = await lab.attach(one, 'lan', 'one');
      const path = lab.networking.sandboxes.get(one)?.path ?? '';
      const host = String(endpoint.driverState.hostLink);
      const bridge = `tr-${network.id.slice(0, 12)}`;
      const reconciler = lab.networking.reconciler(() => undefined);
      const reaches = (): unknown => run('nsenter', `--net=${path}`, 'ping', '-c1', '-W5', '10.88.0.9');
      assert.deepEqual(await reconciler.verify(), []);
      reaches();
      for (const [command, ...found] of [
        [`ip link set ${host} down`, `different ${host}`],
        [`ip link set ${host} nomaster`, `different ${host}`],
        [`ip link del ${host}`, `missing ${host}`, `missing eth0 in ${path}`],
        ['ip link set up0 nomaster', 'different up0'],
        [`ip link set ${bridge} down`, `different ${bridge}`],
      ] as const) {
        run(...command.split(' '));
        const drift = texts(await reconciler.verify());
        for (const one of found) assert.ok(drift.includes(one), `${command}: ${drift.join(', ')}`);
        assert.deepEqual((await reconciler.repair()).failed, [], command);
        assert.deepEqual(await reconciler.verify(), [], command);
        reaches();
      }
      await lab.networking.sandboxes.close(one);
      await lab.networking.networks.remove('lan');
      run('ip', 'link', 'del', 'up0');
    });
  });
}
