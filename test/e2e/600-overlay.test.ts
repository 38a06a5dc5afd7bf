import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type ClusterPair,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startClusterPair,
  TestLan,
} from '../support/index.ts';

const undo = new AsyncDisposableStack();
let lan: ClusterPair['lan'];
let etcd: ClusterPair['etcd'];
let a: Engine;
let b: Engine;
let clean: readonly Snapshot[];

before(async () => {
  ({ lan, etcd, a, b } = await startClusterPair(undo, 'test'));
  clean = [await snapshot(a.host), await snapshot(b.host)];
});
after(() => undo.disposeAsync());

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const on = (engine: Engine, line: string): Promise<string> => engine.docker(...words(line));
/** Whatever `group` of /etc a web server on that name gives. */
const fetched = (engine: Engine, container: string, name: string): Promise<string> =>
  on(engine, `exec ${container} busybox timeout 10 busybox wget -qO- http://${name}/group`);
const web = (engine: Engine, name: string, flags = ''): Promise<string> =>
  on(engine, `run -d --name ${name} --network net ${flags} busybox httpd -f -h /etc`);

describe('two hosts of a cluster', () => {
  test('share a network: made on one, seen on the other, names and packets both ways', async () => {
    await eventually(() => on(a, 'network create -d overlay --attachable net'));
    await eventually(async () => assert.match(await on(b, 'network ls'), /net +overlay +global/));
    await web(a, 'one');
    await web(b, 'two');
    await eventually(async () => assert.match(await fetched(a, 'one', 'two'), /root/));
    await eventually(async () => assert.match(await fetched(b, 'two', 'one'), /root/));
    const peers = JSON.parse(await a.docker('network', 'inspect', '-f', '{{json .Peers}}', 'net')) as { IP: string }[];
    assert.deepEqual(peers.map(({ IP }) => IP).sort(), [a.host.address, b.host.address].sort());
  });

  test('let containers out, and published ports in, by the gateway network', async () => {
    await web(b, 'published', '-p 8080:80');
    const ask = words(`busybox timeout 10 busybox wget -qO- http://${b.host.address}:8080/group`);
    assert.match(await eventually(() => lan.ok(ask)), /root/);
    assert.match(await on(b, `exec published ping -c 1 -W 5 ${TestLan.address}`), /1 packets received/);
    assert.match(await on(b, 'network inspect docker_gwbridge'), /gateway_/);
    await on(b, 'rm -f published');
  });

  test('refuse what others have, with a clear text', async () => {
    const refused = async (line: string): Promise<string> => (await b.docker.run(words(line))).stderr;
    assert.match(await refused('network create -d overlay net'), /network with name net already exists/);
    assert.match(await refused('network create -d overlay --subnet 10.0.0.0/16 other'), /Pool overlaps/);
    assert.match(await refused('network rm net'), /active endpoints/);
    const vni = '--opt com.docker.network.driver.overlay.vxlanid_list=4096';
    assert.match(await refused(`network create -d overlay ${vni} other`), /identifier 4096 is in use/);
  });

  test('go on while the cluster store is away: packets, stops, local networks; what was missed is made good', async () => {
    const [member] = etcd.members;
    assert.ok(member);
    await web(b, 'stays');
    await eventually(() => fetched(a, 'one', 'stays'));
    await member.kill();
    assert.match(await fetched(a, 'one', 'two'), /root/);
    await eventually(async () =>
      assert.match((await b.docker.run(words('run --rm --network net busybox true'))).stderr, /cluster/),
    );
    await on(b, 'run --rm busybox true');
    await on(b, 'rm -f two');
    await a.daemon.killHard();
    await a.daemon.start();
    assert.match(await on(a, 'network ls'), /net +overlay +global/);
    // Also by name: this daemon has never asked the store.
    assert.match(await fetched(a, 'one', 'stays'), /root/);
    member.start();
    await etcd.ready();
    await eventually(async () => {
      const { stdout } = await a.docker.run(words('exec one busybox timeout 5 busybox nslookup two'));
      assert.doesNotMatch(stdout, /10\.0\.0\.3/);
    }, 60_000);
    await eventually(() => web(b, 'three'), 60_000);
    await eventually(async () => assert.match(await fetched(a, 'one', 'three'), /root/));
  });

  test('leave nothing behind', async () => {
    await on(a, 'rm -f one');
    await on(b, 'rm -f three stays');
    await eventually(() => on(a, 'network rm net'));
    await eventually(async () => assert.doesNotMatch(await on(b, 'network ls'), /overlay/));
    await on(b, 'network rm docker_gwbridge');
    await on(a, 'network rm docker_gwbridge');
    await assertUnchanged(a.host, clean[0] as Snapshot);
    await assertUnchanged(b.host, clean[1] as Snapshot);
  });
});
