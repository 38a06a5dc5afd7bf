import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type ClusterPair,
  type Engine,
  eventually,
  SHORT_PRESENCE,
  type Snapshot,
  snapshot,
  startClusterPair,
  TestLan,
} from '../support/index.ts';

const DIRECT = '-d overlay -o com.fairway.overlay.mode=direct -o com.fairway.overlay.block=28';

const undo = new AsyncDisposableStack();
let lan: ClusterPair['lan'];
let etcd: ClusterPair['etcd'];
let a: Engine;
let b: Engine;
let clean: readonly Snapshot[];

before(async () => {
  ({ lan, etcd, a, b } = await startClusterPair(undo, 'direct', SHORT_PRESENCE));
  await eventually(async () => assert.equal((await b.docker.run(words(`network create ${DIRECT} probe`))).stderr, ''));
  await eventually(() => on(a, 'network inspect probe'));
  await on(b, 'network rm probe');
  clean = [await snapshot(a.host), await snapshot(b.host)];
});
after(() => undo.disposeAsync());

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const on = (engine: Engine, line: string): Promise<string> => engine.docker(...words(line));
/** Whatever `group` of /etc a web server on that name gives. */
const fetched = (engine: Engine, container: string, name: string): Promise<string> =>
  on(engine, `exec ${container} busybox timeout 10 busybox wget -qO- http://${name}/group`);
const web = (engine: Engine, name: string, flags: string): Promise<string> =>
  on(engine, `run -d --name ${name} ${flags} busybox httpd -f -h /etc`);
const addressOf = (engine: Engine, network: string, container: string): Promise<string> =>
  on(engine, `inspect -f {{.NetworkSettings.Networks.${network}.IPAddress}} ${container}`);
const routes = ({ host }: Engine): Promise<string> => host.ok(['ip', 'route', 'show', 'proto', '70']);

async function assertUnknown(engine: Engine, container: string, name: string): Promise<void> {
  const { stdout } = await engine.docker.run(words(`exec ${container} busybox nslookup ${name}`));
  assert.doesNotMatch(stdout, /Name:/);
}

/** As etcd does it an hour after the host's last sign. */
async function endClaimOf({ host }: Engine): Promise<void> {
  const [member] = etcd.members;
  assert.ok(member);
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const range = { key: base64('direct/nodes/'), range_end: base64('direct/nodes0') };
  const { kvs } = await member.post<{ kvs: { value: string; lease: string }[] }>('kv/range', range);
  const own = kvs.find(({ value }) => Buffer.from(value, 'base64').includes(`"${host.address}"`));
  assert.ok(own);
  await member.post('kv/lease/revoke', { ID: own.lease });
}

describe('two hosts of a cluster with direct routing', () => {
  test('share a network: a block for each, a route to the other, names and packets both ways', async () => {
    await on(a, `network create ${DIRECT} --subnet 10.66.0.0/24 net`);
    await eventually(async () => assert.match(await on(b, 'network ls'), /net +overlay +global/));
    await web(a, 'one', '--network net');
    await web(b, 'two', '--network net --restart always');
    await eventually(async () => assert.match(await fetched(a, 'one', 'two'), /root/));
    await eventually(async () => assert.match(await fetched(b, 'two', 'one'), /root/));
    assert.equal(await addressOf(a, 'net', 'one'), '10.66.0.2');
    assert.equal(await addressOf(b, 'net', 'two'), '10.66.0.16');
    assert.match(await routes(a), new RegExp(`^10\\.66\\.0\\.16/28 via ${b.host.address} dev eth0`, 'm'));
    assert.match(await routes(b), new RegExp(`^10\\.66\\.0\\.0/28 via ${a.host.address} dev eth0`, 'm'));
  });

  test('keep their networks apart', async () => {
    await on(b, `network create ${DIRECT} --internal --subnet 10.67.0.0/24 other`);
    await eventually(() => on(a, 'network inspect other'));
    await web(a, 'stranger', '--network other');
    await web(b, 'friend', '--network other');
    await eventually(async () => assert.match(await fetched(b, 'friend', 'stranger'), /root/));
    const closed = ['10.66.0.2', '10.66.0.16', a.host.address, b.host.address, TestLan.address].flatMap((to) => [
      [a, 'stranger', to] as const,
      [b, 'friend', to] as const,
    ]);
    await Promise.all(
      closed.map(async ([engine, from, to]) => {
        const { code } = await engine.docker.run(words(`exec ${from} busybox ping -c 1 -W 1 ${to}`));
        assert.notEqual(code, 0, `${from} reaches ${to}`);
      }),
    );
    await on(a, 'rm -f stranger');
    await on(b, 'rm -f friend');
    await on(b, 'network rm other');
  });

  test('let containers out, and published ports in, by the gateway network', async () => {
    await web(b, 'published', '--network net -p 8080:80');
    const ask = words(`busybox timeout 10 busybox wget -qO- http://${b.host.address}:8080/group`);
    assert.match(await eventually(() => lan.ok(ask)), /root/);
    assert.match(await on(b, `exec published ping -c 1 -W 5 ${TestLan.address}`), /1 packets received/);
    await eventually(async () => assert.match(await fetched(a, 'one', 'published'), /root/));
    await on(b, 'rm -f published');
    await eventually(() => assertUnknown(a, 'one', 'published'));
    assert.match(await fetched(a, 'one', 'two'), /root/);
  });

  test('go on over a daemon that is killed, and while nobody is there', async () => {
    await a.daemon.killHard();
    assert.match(await fetched(b, 'two', '10.66.0.2'), /root/);
    await a.daemon.start();
    await eventually(async () => assert.match(await fetched(a, 'one', 'two'), /root/));
    await eventually(async () => assert.match(await fetched(b, 'two', 'one'), /root/));
  });

  test('forget the names of one that dies, its route with its claim, and know it again when it is back', async () => {
    await b.daemon.killHard();
    await b.host.loseAllButDisk();
    await eventually(() => assertUnknown(a, 'one', 'two'));
    assert.match(await routes(a), / via /);
    await endClaimOf(b);
    await eventually(async () => assert.doesNotMatch(await routes(a), / via /));
    await b.daemon.start();
    await eventually(async () => assert.match(await fetched(a, 'one', 'two'), /root/), 60_000);
    await eventually(async () => assert.match(await fetched(b, 'two', 'one'), /root/));
  });
});

describe('a macvlan network of a cluster', () => {
  const NET = '-d macvlan --scope swarm -o parent=eth0 --subnet 10.99.0.0/24 --ip-range 10.99.0.128/28';

  test('gives no address twice, and has names and packets from host to host on their own LAN', async () => {
    await on(a, `network create ${NET} lan`);
    await eventually(async () => assert.match(await on(b, 'network ls'), /lan +macvlan +global/));
    const hosts = [a, b, a, b];
    await Promise.all(hosts.map((engine, at) => web(engine, `web${at}`, '--network lan')));
    const addresses = await Promise.all(hosts.map((engine, at) => addressOf(engine, 'lan', `web${at}`)));
    assert.equal(new Set(addresses).size, hosts.length);
    for (const address of addresses) assert.match(address, /^10\.99\.0\.1[234]\d$/);
    for (const [at, engine] of hosts.entries()) {
      for (const other of hosts.keys()) {
        await eventually(async () => assert.match(await fetched(engine, `web${at}`, `web${other}`), /root/));
      }
    }
    assert.match(await lan.ok(words(`busybox timeout 10 busybox wget -qO- http://${addresses[1]}/group`)), /root/);
    const wanted = await b.docker.run(words(`run --rm --network lan --ip ${addresses[0]} busybox true`));
    assert.match(wanted.stderr, /Address already in use/);
  });

  test('has nobody’s name or address any more when he has left, and is there again after a restart', async () => {
    const address = await addressOf(b, 'lan', 'web3');
    await on(b, 'rm -f web3');
    await eventually(() => assertUnknown(a, 'web0', 'web3'));
    await web(a, 'next', `--network lan --ip ${address}`);
    await b.daemon.stop();
    await b.daemon.start();
    await eventually(async () => assert.match(await fetched(b, 'web1', 'next'), /root/));
    const { stderr } = await b.docker.run(['network', 'rm', 'lan']);
    assert.match(stderr, /active endpoints/);
  });
});

describe('the hosts afterwards', () => {
  test('have nothing left', async () => {
    await on(a, 'rm -f one web0 web2 next');
    await on(b, 'rm -f two web1');
    for (const name of ['net', 'lan']) await eventually(() => on(a, `network rm ${name}`));
    await eventually(async () => assert.doesNotMatch(await on(b, 'network ls'), /global/));
    for (const engine of [a, b]) await on(engine, 'network rm docker_gwbridge');
    await assertUnchanged(a.host, clean[0] as Snapshot);
    await assertUnchanged(b.host, clean[1] as Snapshot);
  });
});
