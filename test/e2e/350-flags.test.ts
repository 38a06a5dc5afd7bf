import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, type Snapshot, snapshot, startEngine, TestLan } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const docker = (line: string): Promise<string> => engine.docker(...line.split(' '));

describe('flags of a container', () => {
  test('--dns, --dns-option and --dns-search are what its resolver file says and where names are asked', async () => {
    await docker('network create net');
    const flags = `--dns ${TestLan.address} --dns-option attempts:2 --dns-search lan.test`;
    const own = await docker(`run --rm --network net ${flags} busybox cat /etc/resolv.conf`);
    assert.match(own, /^nameserver 127\.0\.0\.11$/m);
    assert.match(own, /^search lan\.test$/m);
    assert.match(own, /^options .*attempts:2/m);
    assert.match(
      await docker(`run --rm --network net ${flags} busybox nslookup something.lan.test`),
      /Address: 10\.99\.0\.254/,
    );
    assert.match(await docker(`run --rm ${flags} busybox cat /etc/resolv.conf`), /^nameserver 10\.99\.0\.254$/m);
    await docker('network rm net');
    await assertUnchanged(engine.host, clean);
  });

  test('--hostname, --domainname and --add-host with host-gateway are in its hosts file', async () => {
    await docker('network create --subnet 10.40.0.0/24 net');
    const hosts = await docker(
      'run --rm --network net --hostname box --domainname lan.test --add-host up:host-gateway --add-host far:192.0.2.7 busybox cat /etc/hosts',
    );
    assert.match(hosts, /^10\.40\.0\.2\s+box\.lan\.test box$/m);
    assert.match(hosts, /^172\.17\.0\.1\s+up$/m);
    assert.match(hosts, /^192\.0\.2\.7\s+far$/m);
    await docker('network rm net');
    await assertUnchanged(engine.host, clean);
  });
});

describe('flags of a network', () => {
  test('--attachable, --ipam-driver, --ipam-opt and enable_ipv6 are kept and shown', async () => {
    await docker(
      'network create --attachable --ipam-driver default --ipam-opt colour=red -o com.docker.network.enable_ipv6=true net',
    );
    const [net] = JSON.parse(await docker('network inspect net')) as [
      { Attachable: boolean; EnableIPv6: boolean; IPAM: { Driver: string; Options: object; Config: unknown[] } },
    ];
    assert.equal(net.Attachable, true);
    assert.equal(net.EnableIPv6, true);
    assert.equal(net.IPAM.Config.length, 2);
    assert.equal(net.IPAM.Driver, 'default');
    assert.deepEqual(net.IPAM.Options, { colour: 'red' });
    await docker('network rm net');
    await assertUnchanged(engine.host, clean);
  });

  test('--scope, --ingress and an IPAM driver that are not to be had are refused', async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['--scope swarm', /cannot create a swarm scoped network when swarm is not active/],
      ['--ingress', /This node is not a swarm manager/],
      ['-d overlay', /This node is not a swarm manager/],
      ['--ipam-driver odd', /plugin "odd" not found/],
    ];
    for (const [flags, says] of cases) {
      const result = await engine.docker.run(`network create ${flags} bad`.split(' '));
      assert.match(result.stderr, says);
      assert.equal(result.code, 1);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('macvlan_mode=private keeps the containers of a parent apart', async () => {
    const { lan } = engine;
    await docker(
      `network create -d macvlan --subnet 10.99.0.0/24 --gateway ${TestLan.address} --ip-range 10.99.0.128/27 -o parent=eth0 -o macvlan_mode=private net`,
    );
    await docker('run -d --name one --network net --ip 10.99.0.130 busybox sleep 600');
    await docker('run -d --name two --network net --ip 10.99.0.131 busybox sleep 600');
    await docker(`exec one ping -c 1 -W 5 ${TestLan.address}`);
    assert.notEqual((await engine.docker.run('exec one ping -c 1 -W 1 10.99.0.131'.split(' '))).code, 0);
    await docker('rm -f one two');
    await docker('network rm net');
    await lan.ok(['ip', 'neigh', 'flush', 'dev', 'br0']);
    await assertUnchanged(engine.host, clean);
  });
});

describe('flags of an endpoint', () => {
  test('the long form of --network and those of network connect do the same', async () => {
    await docker('network create --subnet 10.40.0.0/24 one');
    await docker('network create --ipv6 --subnet 10.41.0.0/24 --subnet fd41::/64 two');
    const mac = 'mac-address=02:00:00:00:00:44';
    await docker(
      `run -d --name box --network name=one,alias=nick,${mac},link-local-ip=169.254.4.4,gw-priority=3 busybox sleep 600`,
    );
    await docker(
      'network connect --ip 10.41.0.9 --ip6 fd41::9 --alias other --driver-opt com.docker.network.endpoint.ifname=up0 two box',
    );
    await docker('run -d --name peer --network one busybox sleep 600');
    await docker('network connect --link box:linked two peer');
    const first = await docker('exec box ip addr show eth0');
    for (const part of [/10\.40\.0\.2\/24/, /169\.254\.4\.4\/16/, /02:00:00:00:00:44/]) assert.match(first, part);
    const second = await docker('exec box ip addr show up0');
    for (const part of [/10\.41\.0\.9\/24/, /fd41::9\/64/]) assert.match(second, part);
    assert.match(await docker('exec box ip route'), /default via 10\.40\.0\.1/);
    assert.match(await docker('exec peer nslookup nick'), /Address: 10\.40\.0\.2/);
    assert.match(await docker('exec peer nslookup other'), /Address: 10\.41\.0\.9/);
    assert.match(await docker('exec peer nslookup linked'), /Address: 10\.41\.0\.9/);
    await docker('rm -f box peer');
    await docker('network rm one two');
    await assertUnchanged(engine.host, clean);
  });

  test('the default route goes to what is not internal, then to both families, then by name', async () => {
    await docker('network create --internal --subnet 10.40.0.0/24 aa');
    await docker('network create --subnet 10.41.0.0/24 bb');
    await docker('network create --subnet 10.42.0.0/24 cc');
    await docker('network create --ipv6 --subnet 10.43.0.0/24 dd');
    await docker('run -d --name box --network aa --network cc busybox sleep 600');
    const route = (): Promise<string> => docker('exec box ip route');
    assert.match(await route(), /default via 10\.42\.0\.1/);
    await docker('network connect bb box');
    assert.match(await route(), /default via 10\.41\.0\.1/);
    await docker('network connect dd box');
    assert.match(await route(), /default via 10\.43\.0\.1/);
    await docker('rm -f box');
    await docker('network rm aa bb cc dd');
    await assertUnchanged(engine.host, clean);
  });
});
