import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { timeUntil } from '../../../test/support/eventually.ts';
import { inOwnNamespaces, NetworkLab } from '../../../test/support/network-lab.ts';
import type { Id } from '../../base/index.ts';

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
  });
}
