import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  advertiseRouter,
  assertUnchanged,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
  TestLan,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

const BRIDGE = 'com.docker.network.bridge';
/** Port of the LAN that tells each caller its address. */
const MIRROR = 7000;
const MIRROR_SCRIPT = `require('net').createServer((s) => { s.on('error', () => {}); s.end(s.remoteAddress); }).listen(${MIRROR}, '::')`;

before(async () => {
  engine = await startEngine();
  await engine.lan.ok(['sh', '-c', `"$0" -e "$1" >/dev/null 2>&1 &`, process.execPath, MIRROR_SCRIPT]);
  await eventually(() => engine.lan.ok(words(`busybox timeout 5 busybox nc ${TestLan.address6} ${MIRROR}`)));
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const docker = (line: string): Promise<string> => engine.docker(...words(line));
const web = (flags: string, name = 'web'): Promise<string> =>
  docker(`run -d --name ${name} ${flags} busybox httpd -f -h /etc`);
const fetch = (address: string, seconds = 10): string[] =>
  words(`busybox timeout ${seconds} busybox wget -qO- http://${address}/group`);
const ping = (address: string): string[] => words(`ping -6 -c 1 -W 5 ${address}`);
const endpoint = (container: string, field: string, network = 'net'): Promise<string> =>
  engine.docker('inspect', '-f', `{{.NetworkSettings.Networks.${network}.${field}}}`, container);

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

/** The address that the LAN sees when the container calls it by IPv6. */
const sourceOf = (container: string): Promise<string> =>
  docker(`exec ${container} timeout 10 nc ${TestLan.address6} ${MIRROR}`);

/** As a router outside would know the way to a container's subnet. */
async function withRoute(subnet: string, work: () => Promise<void>): Promise<void> {
  const { lan, host } = engine;
  await lan.ok(words(`ip -6 route add ${subnet} via ${host.address6}`));
  try {
    await work();
  } finally {
    await lan.ok(words(`ip -6 route del ${subnet}`));
  }
}

async function removeAll(networks: string, containers: string): Promise<void> {
  await docker(`rm -f ${containers}`);
  await docker(`network rm ${networks}`);
  await assertUnchanged(engine.host, clean);
}

describe('dual stack', () => {
  test('a container is reached by IPv6 from inside, its neighbours, the host and the LAN, and gets out', async () => {
    const { host } = engine;
    await docker('network create --ipv6 net');
    await web('--network net -p 8080:80');
    await docker('run -d --name neighbour --network net busybox sleep 600');
    const address = await endpoint('web', 'GlobalIPv6Address');
    assert.match(address, /^fd[0-9a-f]{2}:/, 'out of the engine’s own prefix');
    const shown = await docker('exec web ip -6 addr show eth0');
    assert.match(shown, new RegExp(`inet6 ${address}/64 scope global`));
    assert.doesNotMatch(shown, /tentative|dadfailed/, 'there was nothing to wait for');
    await open({ container: 'web' }, fetch(`[${address}]`));
    await open({ container: 'neighbour' }, fetch(`[${address}]`));
    await open({ container: 'neighbour' }, ping('web'));
    const mac = await endpoint('web', 'MacAddress');
    assert.match(await docker(`exec neighbour ip -6 neigh show ${address}`), new RegExp(`${address} .*${mac}`));
    await open('host', fetch(`[${address}]`));
    await open('lan', fetch(`[${host.address6}]:8080`));
    await open('host', fetch('[::1]:8080'));
    await open('host', fetch(`[${host.address6}]:8080`));
    await open({ container: 'web' }, fetch(`[${host.address6}]:8080`));
    await open({ container: 'neighbour' }, fetch(`[${host.address6}]:8080`));
    await open({ container: 'neighbour' }, ping(TestLan.address6));
    assert.equal(await sourceOf('neighbour'), host.address6);
    const subnet = address.replace(/[0-9a-f]+$/, '/64');
    await withRoute(subnet, () => closed('lan', fetch(`[${address}]`, 1)));
    await removeAll('net', 'web neighbour');
  });

  test('each family has the default route of its own first network', async () => {
    await docker('network create --subnet 10.40.0.0/24 four');
    await docker('network create --ipv6 --subnet 10.41.0.0/24 --subnet fd41::/64 both');
    await docker('run -d --name box --network name=four,gw-priority=5 --network both busybox sleep 600');
    assert.match(await docker('exec box ip route'), /default via 10\.40\.0\.1 /);
    assert.match(await docker('exec box ip -6 route'), /default via fd41::1 /);
    await open({ container: 'box' }, ping(TestLan.address6));
    await docker('network disconnect four box');
    assert.match(await docker('exec box ip route'), /default via 10\.41\.0\.1 /);
    await docker('network disconnect both box');
    await docker('network connect four box');
    assert.match(await docker('exec box ip route'), /default via 10\.40\.0\.1 /);
    assert.doesNotMatch(await docker('exec box ip -6 route'), /default/);
    await removeAll('four both', 'box');
  });
});

describe('IPv6 alone', () => {
  test('a container without IPv4 is found by name, reached by its published port, and gets out', async () => {
    const { host } = engine;
    await docker('network create --ipv6 --ipv4=false net');
    await web('--network net -p 8080:80');
    await docker('run -d --name neighbour --network net busybox sleep 600');
    assert.doesNotMatch(await docker('exec web ip -4 addr show eth0'), /inet /);
    assert.equal(await endpoint('web', 'IPAddress'), '');
    await open({ container: 'neighbour' }, fetch('web'));
    await open('lan', fetch(`[${host.address6}]:8080`));
    await open('host', fetch('[::1]:8080'));
    assert.equal(await sourceOf('neighbour'), host.address6);
    const mac = await endpoint('web', 'MacAddress');
    await docker('restart -t 0 web');
    assert.equal(await endpoint('web', 'MacAddress'), mac);
    await open('lan', fetch(`[${host.address6}]:8080`));
    await removeAll('net', 'web neighbour');
  });
});

describe('options of IPv6 on a bridge', () => {
  test('gateway_mode_ipv6=nat-unprotected: every port is open, and what leaves has the host’s address', async () => {
    await docker(
      `network create --ipv6 --subnet 10.40.0.0/24 --subnet fd40::/64 -o ${BRIDGE}.gateway_mode_ipv6=nat-unprotected net`,
    );
    await web('--network net --ip6 fd40::9');
    await withRoute('fd40::/64', () => open('lan', fetch('[fd40::9]')));
    assert.equal(await sourceOf('web'), engine.host.address6);
    await removeAll('net', 'web');
  });

  test('gateway_mode_ipv6=isolated: containers have each other alone, and the bridge has no address', async () => {
    await docker(
      `network create --internal --ipv6 --subnet 10.40.0.0/24 --subnet fd40::/64 -o ${BRIDGE}.name=alone -o ${BRIDGE}.gateway_mode_ipv4=isolated -o ${BRIDGE}.gateway_mode_ipv6=isolated net`,
    );
    assert.doesNotMatch(await engine.host.ok(words('ip -6 addr show dev alone')), /fd40/);
    await web('--network net --ip6 fd40::9');
    await docker('run -d --name neighbour --network net --ip6 fd40::1 busybox sleep 600');
    await open({ container: 'neighbour' }, fetch('[fd40::9]'));
    assert.doesNotMatch(await docker('exec neighbour ip -6 route'), /default/);
    await withRoute('fd40::/64', () => closed('lan', fetch('[fd40::9]', 1)));
    await closed('host', fetch('[fd40::9]', 1));
    await removeAll('net', 'web neighbour');
  });

  test('host_ipv6: what leaves has that address', async () => {
    const { host } = engine;
    await host.ok(words('ip addr add fd99::77/128 dev eth0 nodad'));
    await docker('network create --ipv6 -o com.docker.network.host_ipv6=fd99::77 net');
    await docker('run -d --name box --network net busybox sleep 600');
    assert.equal(await sourceOf('box'), 'fd99::77');
    await host.ok(words('ip addr del fd99::77/128 dev eth0'));
    await removeAll('net', 'box');
  });
});

describe('router advertisements', () => {
  const acceptance = async (command: readonly string[]): Promise<string[]> =>
    (await engine.host.ok(command))
      .split('\n')
      .filter((line) => line !== '' && !/\/(all|default|lo|eth0|control)\//.test(line));

  test('change nothing: not in containers on a bridge or beside the host, nor on the bridge', async () => {
    const { host, lan } = engine;
    await docker(`network create --ipv6 --subnet 10.40.0.0/24 --subnet fd40::/64 -o ${BRIDGE}.name=ours net`);
    await docker(
      'network create -d macvlan --ipv6 --subnet 10.99.0.0/24 --ip-range 10.99.0.160/28 --subnet fd99::/64 --ip-range fd99::a0/124 -o parent=eth0 beside',
    );
    await docker('run -d --name box --network net busybox sleep 600');
    await docker('run -d --name direct --network beside busybox sleep 600');
    const state = async (): Promise<string> => {
      const inside = 'ip -6 addr; ip -6 route; grep . /proc/sys/net/ipv6/conf/eth0/accept_ra';
      const seen = [
        ...[
          await engine.docker('exec', 'box', 'sh', '-c', inside),
          await engine.docker('exec', 'direct', 'sh', '-c', inside),
        ],
        await host.ok(words('ip -6 addr show dev ours')),
      ];
      return seen.join('\n');
    };
    const settled = await state();
    assert.deepEqual(
      (await acceptance(['sh', '-c', 'grep . /proc/sys/net/ipv6/conf/*/accept_ra'])).filter(
        (line) => !line.endsWith(':0'),
      ),
      [],
    );
    // Somebody who listens hears them, so they were there to be heard.
    await host.ok([
      'sh',
      '-ec',
      `ip link add control link eth0 type macvlan mode bridge
       echo 2 >/proc/sys/net/ipv6/conf/control/accept_ra
       ip link set control up`,
    ]);
    await eventually(async () => {
      await advertiseRouter(lan, 'fd55::');
      assert.match(await host.ok(words('ip -6 addr show dev control')), /inet6 fd55:/);
    });
    await host.ok(words('ip link del control'));
    await advertiseRouter(host, 'fd56::', 'ours');
    await docker('exec box ping -6 -c 1 -W 5 fd40::1');
    assert.equal(await state(), settled);
    // And who comes later has heard nothing either.
    await docker('restart -t 0 box direct');
    await advertiseRouter(lan, 'fd55::');
    await advertiseRouter(host, 'fd56::', 'ours');
    await docker('exec direct ping -6 -c 1 -W 5 fd99::fe');
    assert.doesNotMatch(await state(), /fd55|fd56|default via fe80/);
    await removeAll('net beside', 'box direct');
  });
});
