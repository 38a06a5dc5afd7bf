import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  advertiseRouter,
  assertUnchanged,
  DhcpServer,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
  TestLan,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const words = (line: string): string[] => line.split(' ');
const docker = (line: string): Promise<string> => engine.docker(...words(line));
const createNetwork = (driver: string, more = ''): Promise<string> =>
  docker(`network create -d ${driver} --ipam-driver dhcp -o parent=eth0${more} lan`);
const web = (flags = ''): Promise<string> => docker(`run -d --name web --network lan${flags} busybox httpd -f -h /etc`);
const addressOf = (container: string): Promise<string> =>
  engine.docker('inspect', '-f', '{{.NetworkSettings.Networks.lan.IPAddress}}', container);
const macOf = (container: string): Promise<string> =>
  engine.docker('inspect', '-f', '{{.NetworkSettings.Networks.lan.MacAddress}}', container);

async function served(address: string): Promise<void> {
  await eventually(async () => {
    const page = await engine.lan.ok(words(`busybox timeout 10 busybox wget -qO- http://${address}/group`));
    assert.match(page, /root/);
  });
}

async function refused(line: string, reason: RegExp): Promise<void> {
  const result = await engine.docker.run(words(line));
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, reason);
}

async function removeAll(containers: string): Promise<void> {
  await docker(`rm -f ${containers}`);
  await docker('network rm lan');
  await assertUnchanged(engine.host, clean);
}

const POOL = { from: '10.99.0.200', to: '10.99.0.209', leaseSeconds: 600 };

for (const driver of ['macvlan', 'transparent']) {
  describe(`a ${driver} network with DHCP`, () => {
    test('gives a container what the server of the LAN lends: address, way out, MTU and names', async () => {
      const server = await DhcpServer.start(engine.lan, engine.host, { ...POOL, mtu: 1400 });
      await createNetwork(driver);
      await web();
      const address = await addressOf('web');
      assert.match(address, /^10\.99\.0\.20\d$/);
      assert.match(await docker('exec web ip addr show eth0'), new RegExp(`mtu 1400[^]*inet ${address}/24`));
      assert.match(await docker('exec web ip route'), new RegExp(`default via ${TestLan.address} dev eth0`));
      assert.match(await docker('exec web cat /etc/resolv.conf'), /search lan\.test/);
      assert.match(await docker('exec web nslookup probe.lan.test'), /probe\.lan\.test/);
      await served(address);
      assert.match(await engine.lan.ok(words(`ip neigh show ${address}`)), new RegExp(await macOf('web')));
      await docker('run -d --name second --network lan busybox sleep 600');
      assert.notEqual(await addressOf('second'), address);
      await docker(`exec second ping -c 1 -W 10 web`);
      await removeAll('web second');
      await server.stop();
    });

    test('keeps Ethernet address and address over restarts, and releases it in the end', async () => {
      const server = await DhcpServer.start(engine.lan, engine.host, { ...POOL, to: POOL.from });
      await createNetwork(driver, ' --ipam-opt timeout=10');
      await web();
      const mac = await macOf('web');
      assert.equal(await addressOf('web'), POOL.from);
      await docker('restart -t 0 web');
      assert.equal(await macOf('web'), mac);
      await served(POOL.from);
      // The only address there is goes to another as soon as it is given back.
      await docker('rm -f web');
      await docker('run -d --name other --network lan busybox httpd -f -h /etc');
      assert.equal(await addressOf('other'), POOL.from);
      assert.notEqual(await macOf('other'), mac);
      await served(POOL.from);
      await removeAll('other');
      await server.stop();
    });
  });
}

describe('a lease', () => {
  test('is renewed while the container runs, by the next daemon, too', async () => {
    const server = await DhcpServer.start(engine.lan, engine.host, { ...POOL, renewSeconds: 1 });
    const renewedFrom = (seen: number): Promise<void> =>
      eventually(() => assert.ok(server.count('ACK') > seen + 1, server.log));
    await createNetwork('macvlan');
    await web();
    const address = await addressOf('web');
    const offers = server.count('OFFER');
    await renewedFrom(server.count('ACK'));
    await engine.daemon.killHard();
    await served(address);
    await engine.daemon.start();
    await renewedFrom(server.count('ACK'));
    assert.equal(await addressOf('web'), address);
    assert.equal(server.count('OFFER'), offers);
    await served(address);
    await removeAll('web');
    await server.stop();
  });

  test('that the server no longer knows is followed by another, under the same name', async () => {
    let server = await DhcpServer.start(engine.lan, engine.host, { ...POOL, leaseSeconds: 4 });
    await createNetwork('macvlan');
    await web();
    await docker('run -d --name neighbour --network lan busybox sleep 600');
    await server.stop();
    server = await DhcpServer.start(engine.lan, engine.host, {
      from: '10.99.0.220',
      to: '10.99.0.229',
      leaseSeconds: 600,
    });
    await eventually(async () => assert.match(await addressOf('web'), /^10\.99\.0\.22\d$/), 90_000);
    const address = await addressOf('web');
    await served(address);
    const shown = await docker('exec web ip addr show eth0');
    assert.match(shown, new RegExp(`inet ${address}/`));
    assert.doesNotMatch(shown, /10\.99\.0\.20/);
    assert.match(await docker('exec web ip route'), new RegExp(`default via ${TestLan.address} dev eth0`));
    await docker('exec neighbour ping -c 1 -W 10 web');
    await removeAll('web neighbour');
    await server.stop();
  });

  test('that nobody gives is told clearly, and nothing is left', async () => {
    await createNetwork('macvlan', ' --ipam-opt timeout=2');
    const reason = /cannot get an address on network "lan": no DHCP server lent an address within 2 seconds/;
    await refused('run --name web --network lan busybox true', reason);
    await removeAll('web');
  });

  test('of an address that was asked for is that one', async () => {
    const server = await DhcpServer.start(engine.lan, engine.host, POOL);
    await createNetwork('macvlan');
    await web(' --ip 10.99.0.207');
    assert.equal(await addressOf('web'), '10.99.0.207');
    await refused(
      'run --name other --network lan --ip 10.99.0.199 busybox true',
      /lends 10\.99\.0\.2\d\d and not 10\.99\.0\.199/,
    );
    await removeAll('web other');
    await server.stop();
  });

  test('has IPv6 addresses beside it that the routers of the LAN advertise', async () => {
    const server = await DhcpServer.start(engine.lan, engine.host, POOL);
    await createNetwork('macvlan', ' --ipv6');
    await web();
    await eventually(async () => {
      await advertiseRouter(engine.lan, 'fd55::');
      assert.match(await docker('exec web ip -6 addr show eth0'), /inet6 fd55:.*global/);
    });
    assert.match(await docker('exec web ip -6 route'), /default via fe80:.* dev eth0/);
    await removeAll('web');
    await server.stop();
  });
});

describe('IPAM drivers', () => {
  test('null: a container has no address, and may take one', async () => {
    await docker('network create -d macvlan --ipam-driver null -o parent=eth0 lan');
    assert.equal(
      await engine.docker('network', 'inspect', '-f', '{{json .IPAM.Config}}', 'lan'),
      '[{"Subnet":"0.0.0.0/0"}]',
    );
    await docker('run -d --name web --network lan --cap-add NET_ADMIN busybox httpd -f -h /etc');
    assert.equal(await addressOf('web'), '');
    assert.doesNotMatch(await docker('exec web ip addr show eth0'), /inet/);
    await docker('exec web ip addr add 10.99.0.190/24 dev eth0');
    await served('10.99.0.190');
    await removeAll('web');
  });

  test('dhcp and null are refused where they make no sense', async () => {
    const create = 'network create --ipam-driver dhcp';
    await refused(`${create} lan`, /bridge networks cannot use IPAM driver "dhcp"/);
    await refused('network create --ipam-driver null lan', /bridge networks cannot use IPAM driver "null"/);
    await refused(
      `${create} -d macvlan -o parent=eth0 --subnet 10.94.0.0/24 lan`,
      /"dhcp" takes neither subnets nor gateways/,
    );
    await refused(
      `${create} -d macvlan -o parent=eth0 --ipam-opt speed=1 lan`,
      /unknown option "speed" of IPAM driver dhcp/,
    );
    await refused(
      `${create} -d macvlan -o parent=eth0 --ipam-opt timeout=x lan`,
      /invalid value "x" of option "timeout"/,
    );
    await refused('network create --ipam-driver nobody lan', /plugin "nobody" not found/);
    await assertUnchanged(engine.host, clean);
  });
});
