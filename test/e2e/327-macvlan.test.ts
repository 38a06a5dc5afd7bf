import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
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

const SHIM = 'com.fairway.macvlan.host_shim';
const POOL = `--subnet 10.99.0.0/24 --ip-range 10.99.0.160/28 --gateway ${TestLan.address}`;
const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const docker = (line: string): Promise<string> => engine.docker(...words(line));
const createNetwork = (more: string): Promise<string> => docker(`network create -d macvlan -o parent=eth0 ${more} lan`);
const web = (flags: string, name = 'web'): Promise<string> =>
  docker(`run -d --name ${name} --network lan ${flags} busybox httpd -f -h /etc`);
const fetch = (address: string): string[] => words(`busybox timeout 10 busybox wget -qO- http://${address}/group`);
const ping = (address: string): string[] => words(`ping -c 1 -W 3 ${address}`);

type Place = 'lan' | 'host' | { readonly container: string };

async function reaches(from: Place, command: readonly string[]): Promise<boolean> {
  const result =
    typeof from === 'string'
      ? await engine[from].run(command)
      : await engine.docker.run(['exec', from.container, ...command]);
  return result.code === 0;
}

async function open(from: Place, command: readonly string[]): Promise<void> {
  await eventually(async () =>
    assert.ok(await reaches(from, command), `${JSON.stringify(from)}: ${command.join(' ')}`),
  );
}

async function closed(from: Place, command: readonly string[]): Promise<void> {
  assert.ok(!(await reaches(from, command)), `${JSON.stringify(from)} should not: ${command.join(' ')}`);
}

async function refused(line: string, reason: RegExp): Promise<void> {
  const result = await engine.docker.run(words(line));
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, reason);
}

async function removeAll(networks: string, containers: string): Promise<void> {
  await docker(`rm -f ${containers}`);
  await docker(`network rm ${networks}`);
  await assertUnchanged(engine.host, clean);
}

const hostMac = async (): Promise<string> => (await engine.host.ok(words('cat /sys/class/net/eth0/address'))).trim();
/** Who answers the LAN's question for the host's address. */
async function macsSeenFromLan(): Promise<readonly string[]> {
  const { stdout } = await engine.lan.run(words(`busybox arping -I br0 -c 2 -w 3 ${engine.host.address}`));
  return [...new Set([...stdout.matchAll(/\[([0-9a-f:]{17})\]/g)].map(([, mac = '']) => mac))].sort();
}

describe('modes of macvlan', () => {
  test('bridge: containers reach each other and the LAN, not the host', async () => {
    await createNetwork(POOL);
    await web('--ip 10.99.0.161');
    await web('--ip 10.99.0.162', 'other');
    await open({ container: 'other' }, fetch('10.99.0.161'));
    await open('lan', fetch('10.99.0.161'));
    await open({ container: 'web' }, ping(TestLan.address));
    await closed('host', ping('10.99.0.161'));
    await removeAll('lan', 'web other');
  });

  for (const mode of ['private', 'vepa']) {
    test(`${mode}: containers reach the LAN, and not each other where no switch sends packets back`, async () => {
      await createNetwork(`${POOL} -o macvlan_mode=${mode}`);
      await web('--ip 10.99.0.161');
      await web('--ip 10.99.0.162', 'other');
      await open('lan', fetch('10.99.0.161'));
      await open('lan', fetch('10.99.0.162'));
      await closed({ container: 'other' }, ping('10.99.0.161'));
      await removeAll('lan', 'web other');
    });
  }

  test('vepa: containers reach each other by a switch that sends packets back; private ones not even so', async () => {
    const reflect = (on: 'on' | 'off'): Promise<string> =>
      engine.lan.ok(words(`ip link set host1 type bridge_slave hairpin ${on}`));
    await reflect('on');
    await createNetwork(`${POOL} -o macvlan_mode=vepa`);
    await web('--ip 10.99.0.161');
    await web('--ip 10.99.0.162', 'other');
    await open({ container: 'other' }, fetch('10.99.0.161'));
    await removeAll('lan', 'web other');
    await createNetwork(`${POOL} -o macvlan_mode=private`);
    await web('--ip 10.99.0.161');
    await web('--ip 10.99.0.162', 'other');
    await open('lan', fetch('10.99.0.161'));
    await closed({ container: 'other' }, ping('10.99.0.161'));
    await removeAll('lan', 'web other');
    await reflect('off');
  });

  test('passthru: one container has the link with its Ethernet address, alone', async () => {
    const { host, lan } = engine;
    await host.ok(words('ip link add up0 type veth peer name up1'));
    await host.ok(words('ip link set up1 up'));
    await host.ok(words('ip addr add 10.93.0.1/24 dev up1'));
    const mac = (await host.ok(words('cat /sys/class/net/up0/address'))).trim();
    const create = 'network create -d macvlan --subnet 10.93.0.0/24 -o parent=up0';
    await docker(`${create} -o macvlan_mode=passthru lan`);
    await refused(`${create} second`, /macvlan network lan is already using parent interface up0 in mode passthru/);
    await docker('run -d --name web --network lan --ip 10.93.0.9 busybox httpd -f -h /etc');
    await open('host', fetch('10.93.0.9'));
    assert.match(await host.ok(words('ip neigh show 10.93.0.9')), new RegExp(mac));
    await closed('lan', ping('10.93.0.9'));
    const second = await engine.docker.run(words('run -d --name second --network lan busybox true'));
    assert.notEqual(second.code, 0);
    await docker('rm -f web second');
    await docker('network rm lan');
    await host.ok(words('ip link del up0'));
    await assertUnchanged(host, clean);
    assert.ok(lan.pid > 0);
  });
});

describe('rules of macvlan', () => {
  test('port mappings have no effect, and a warning in the log says so', async () => {
    await createNetwork(POOL);
    await web('--ip 10.99.0.161 -p 8080:80');
    assert.match(engine.daemon.log, /macvlan driver does not support port mappings/);
    assert.equal(await docker('port web'), '');
    await closed('lan', fetch(`${engine.host.address}:8080`));
    await open('lan', fetch('10.99.0.161'));
    await removeAll('lan', 'web');
  });

  test('there is no way out but a gateway that was named, and none on an internal network', async () => {
    await docker('network create -d macvlan -o parent=eth0 --subnet 10.94.0.0/24 lan');
    await web('');
    assert.equal(
      await engine.docker('inspect', '-f', '{{.NetworkSettings.Networks.lan.IPAddress}}', 'web'),
      '10.94.0.1',
    );
    assert.doesNotMatch(await docker('exec web ip route'), /default/);
    await removeAll('lan', 'web');
    await createNetwork(`${POOL} --internal`);
    await web('');
    assert.doesNotMatch(await docker('exec web ip route'), /default/);
    await removeAll('lan', 'web');
  });

  test('loopback, missing links and unknown modes are refused, and nothing changes', async () => {
    const create = 'network create -d macvlan --subnet 10.94.0.0/24';
    await refused(`${create} -o parent=lo wrong`, /loopback interface is not a valid macvlan parent link/);
    await refused(`${create} -o parent=eth7 wrong`, /parent interface "eth7" was not found/);
    await refused(`${create} -o parent=eth0 -o macvlan_mode=tunnel wrong`, /invalid value "tunnel"/);
    await refused(`${create} -o parent=eth0 -o ${SHIM}=maybe wrong`, /it must be auto, or an IP address/);
    await refused(
      `${create} -o parent=eth0 -o ${SHIM}=10.94.0.9 wrong`,
      /keep it with --aux-address host=10\.94\.0\.9/,
    );
    await refused(`${create} -o parent=eth0 -o macvlan_mode=vepa -o ${SHIM}=auto wrong`, /needs macvlan_mode bridge/);
    await assertUnchanged(engine.host, clean);
  });
});

describe('a shim for the host', () => {
  test('auto: host and containers reach each other by the host’s own address, and the LAN sees no change', async () => {
    const { host, daemon } = engine;
    const mac = await hostMac();
    await createNetwork(`${POOL} -o ${SHIM}=auto`);
    await web('--ip 10.99.0.161');
    await open('host', fetch('10.99.0.161'));
    await open({ container: 'web' }, ping(host.address));
    await open({ container: 'web' }, ping(TestLan.address));
    await open('lan', fetch('10.99.0.161'));
    await eventually(async () => assert.deepEqual(await macsSeenFromLan(), [mac]));
    // Which is not so by itself.
    const shim = /mh-\w+/.exec(await host.ok(words('ip -o link')))?.[0] ?? '';
    const filter = (value: number): Promise<string> =>
      host.ok(['sh', '-c', `echo ${value} >/proc/sys/net/ipv4/conf/${shim}/arp_filter`]);
    await filter(0);
    await eventually(async () => assert.equal((await macsSeenFromLan()).length, 2));
    await filter(1);
    await daemon.killHard();
    await open('host', fetch('10.99.0.161'));
    await daemon.start();
    await open('host', fetch('10.99.0.161'));
    await docker('restart -t 0 web');
    await open('host', fetch('10.99.0.161'));
    await docker('network disconnect lan web');
    assert.doesNotMatch(await host.ok(words('ip route')), /10\.99\.0\.161/);
    await removeAll('lan', 'web');
  });

  test('with addresses of its own, of both families', async () => {
    const { host } = engine;
    const addresses = '--aux-address host=10.99.0.165 --aux-address host6=fd99::165';
    await createNetwork(`${POOL} --ipv6 --subnet fd99::/64 ${addresses} -o ${SHIM}=10.99.0.165,fd99::165`);
    await web('--ip 10.99.0.161 --ip6 fd99::161');
    await open('host', fetch('10.99.0.161'));
    await open('host', fetch('[fd99::161]'));
    await open({ container: 'web' }, ping('10.99.0.165'));
    await open({ container: 'web' }, words('ping -6 -c 1 -W 3 fd99::165'));
    assert.match(await host.ok(words('ip route get 10.99.0.161')), /src 10\.99\.0\.165/);
    await removeAll('lan', 'web');
  });

  test('goes with the addresses that a DHCP server lends', async () => {
    const { host, lan } = engine;
    const server = await DhcpServer.start(lan, host, { from: '10.99.0.200', to: '10.99.0.209', leaseSeconds: 600 });
    await createNetwork(`--ipam-driver dhcp -o ${SHIM}=auto`);
    await web('');
    const address = await engine.docker('inspect', '-f', '{{.NetworkSettings.Networks.lan.IPAddress}}', 'web');
    await open('host', fetch(address));
    await removeAll('lan', 'web');
    await server.stop();
  });
});
