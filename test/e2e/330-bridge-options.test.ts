import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
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
const ENDPOINT = 'com.docker.network.endpoint';
/** Port of the LAN that tells each caller its address. */
const MIRROR = 7000;
const MIRROR_SCRIPT = `require('net').createServer((s) => { s.on('error', () => {}); s.end(s.remoteAddress); }).listen(${MIRROR}, '0.0.0.0')`;

before(async () => {
  engine = await startEngine();
  await engine.lan.ok(['sh', '-c', `"$0" -e "$1" >/dev/null 2>&1 &`, process.execPath, MIRROR_SCRIPT]);
  await eventually(() => engine.lan.ok(words(`busybox timeout 5 busybox nc ${TestLan.address} ${MIRROR}`)));
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const words = (line: string): string[] => line.split(' ');
const docker = (line: string): Promise<string> => engine.docker(...words(line));

/** A web server on port 80 with this address; its page is /etc/group. */
const web = (flags: string, name = 'web'): Promise<string> =>
  docker(`run -d --name ${name} ${flags} busybox httpd -f -h /etc`);
const sleeper = (flags: string, name: string): Promise<string> =>
  docker(`run -d --name ${name} ${flags} busybox sleep 600`);

const get = (url: string, seconds: number): string[] =>
  words(`busybox timeout ${seconds} busybox wget -qO- ${url}/group`);
type Place = 'lan' | 'host' | { readonly container: string };

async function reaches(from: Place, target: string, seconds: number): Promise<boolean> {
  const command = get(`http://${target}`, seconds);
  const result =
    typeof from === 'string'
      ? await engine[from].run(command)
      : await engine.docker.run(['exec', from.container, ...command]);
  return result.code === 0 && result.stdout.includes('root');
}

async function open(from: Place, target: string): Promise<void> {
  await eventually(async () => {
    assert.ok(await reaches(from, target, 5), `${JSON.stringify(from)} should reach ${target}`);
  });
}

async function closed(from: Place, target: string): Promise<void> {
  assert.ok(!(await reaches(from, target, 1)), `${JSON.stringify(from)} should not reach ${target}`);
}

const pings = async (address: string): Promise<boolean> =>
  (await engine.lan.run(words(`ping -c 1 -W 2 ${address}`))).code === 0;

/** As a router outside would know the way to a container's subnet. */
async function withRoute(subnet: string, work: () => Promise<void>): Promise<void> {
  const six = subnet.includes(':');
  const via = six ? engine.host.address6 : engine.host.address;
  const route = ['ip', ...(six ? ['-6'] : []), 'route'];
  await engine.lan.ok([...route, 'add', subnet, 'via', via]);
  try {
    await work();
  } finally {
    await engine.lan.ok([...route, 'del', subnet]);
  }
}

const inspect = (container: string, format: string): Promise<string> =>
  engine.docker('inspect', '-f', format, container);
const ROUTED_PORTS = '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":""},{"HostIp":"::","HostPort":""}]}';

/** The address that the LAN sees when the container calls it. */
const sourceOf = (container: string): Promise<string> =>
  docker(`exec ${container} timeout 10 nc ${TestLan.address} ${MIRROR}`);

async function removeAll(networks: string, containers: string): Promise<void> {
  await docker(`rm -f ${containers}`);
  await docker(`network rm ${networks}`);
  await assertUnchanged(engine.host, clean);
}

describe('gateway modes', () => {
  test('nat: published ports are open at the host’s address, nothing at the container’s', async () => {
    const { host } = engine;
    await docker('network create --subnet 10.40.0.0/24 net');
    await web('--network net --ip 10.40.0.9 -p 8080:80');
    await sleeper('--network net', 'neighbour');
    await withRoute('10.40.0.0/24', async () => {
      await open('lan', `${host.address}:8080`);
      await open('host', '10.40.0.9');
      await open({ container: 'neighbour' }, '10.40.0.9');
      await closed('lan', '10.40.0.9');
      assert.ok(!(await pings('10.40.0.9')));
    });
    await removeAll('net', 'web neighbour');
  });

  test('routed: published ports are open at the container’s address, with ICMP, and nothing else', async () => {
    const { host } = engine;
    await docker(
      `network create --ipv6 --subnet 10.40.0.0/24 --subnet fd40::/64 -o ${BRIDGE}.gateway_mode_ipv4=routed -o ${BRIDGE}.gateway_mode_ipv6=routed net`,
    );
    await web('--network net --ip 10.40.0.9 --ip6 fd40::9 -p 8080:80');
    await docker('exec -d web httpd -f -h /etc -p 81');
    await open({ container: 'web' }, '127.0.0.1:81');
    await withRoute('10.40.0.0/24', async () => {
      await open('lan', '10.40.0.9');
      await open('host', '10.40.0.9:81');
      await closed('lan', '10.40.0.9:81');
      await closed('lan', `${host.address}:8080`);
      await eventually(async () => assert.ok(await pings('10.40.0.9')));
      assert.equal(await sourceOf('web'), '10.40.0.9');
    });
    await withRoute('fd40::/64', async () => {
      await open('lan', '[fd40::9]');
      await closed('lan', '[fd40::9]:81');
      await eventually(async () => assert.ok(await pings('fd40::9')));
    });
    assert.equal(await inspect('web', '{{json .NetworkSettings.Ports}}'), ROUTED_PORTS);
    await removeAll('net', 'web');
  });

  test('nat-unprotected: every port is open, published ones at the host’s address too', async () => {
    const { host } = engine;
    await docker(`network create --subnet 10.40.0.0/24 -o ${BRIDGE}.gateway_mode_ipv4=nat-unprotected net`);
    await docker('network create --subnet 10.41.0.0/24 other');
    await web('--network net --ip 10.40.0.9 -p 8080:80');
    await sleeper('--network other', 'stranger');
    await docker('exec -d web httpd -f -h /etc -p 81');
    await open({ container: 'web' }, '127.0.0.1:81');
    await withRoute('10.40.0.0/24', async () => {
      await open('lan', '10.40.0.9:81');
      await open('lan', `${host.address}:8080`);
      await closed({ container: 'stranger' }, '10.40.0.9');
      assert.equal(await sourceOf('web'), host.address);
    });
    await removeAll('net other', 'web stranger');
  });

  test('isolated: containers have each other alone, and the bridge has no address', async () => {
    const { host } = engine;
    await docker(
      `network create --internal --subnet 10.40.0.0/24 -o ${BRIDGE}.name=alone -o ${BRIDGE}.gateway_mode_ipv4=isolated net`,
    );
    assert.doesNotMatch(await host.ok(words('ip addr show dev alone')), /inet /);
    await web('--network net --ip 10.40.0.9');
    await sleeper('--network net --ip 10.40.0.1', 'neighbour');
    await open({ container: 'neighbour' }, '10.40.0.9');
    assert.doesNotMatch(await docker('exec neighbour ip route'), /default/);
    await withRoute('10.40.0.0/24', () => closed('lan', '10.40.0.9'));
    await closed('host', '10.40.0.9');
    await removeAll('net', 'web neighbour');
  });
});

describe('options of a bridge', () => {
  test('host_binding_ipv4: ports are published there unless they say otherwise', async () => {
    const { host } = engine;
    await docker(`network create -o ${BRIDGE}.host_binding_ipv4=127.0.0.1 net`);
    await web('--network net -p 8080:80 -p 0.0.0.0:8081:80');
    assert.match(await docker('port web 80'), /127\.0\.0\.1:8080/);
    await open('host', '127.0.0.1:8080');
    await open('lan', `${host.address}:8081`);
    await closed('lan', `${host.address}:8080`);
    await removeAll('net', 'web');
  });

  test('inhibit_ipv4: the gateway’s address is not given to the bridge', async () => {
    const { host } = engine;
    await docker(`network create --subnet 10.40.0.0/24 -o ${BRIDGE}.name=plain -o ${BRIDGE}.inhibit_ipv4=true net`);
    assert.doesNotMatch(await host.ok(words('ip addr show dev plain')), /inet /);
    await sleeper('--network net', 'box');
    assert.match(await docker('exec box ip route'), /default via 10\.40\.0\.1/);
    await removeAll('net', 'box');
  });

  test('trusted_host_interfaces: what comes by them reaches containers directly', async () => {
    await docker(`network create --subnet 10.40.0.0/24 -o ${BRIDGE}.trusted_host_interfaces=eth1:eth0 net`);
    await web('--network net --ip 10.40.0.9');
    await withRoute('10.40.0.0/24', () => open('lan', '10.40.0.9'));
    await removeAll('net', 'web');
  });

  test('host_ipv4: what leaves has that address', async () => {
    const { host } = engine;
    await host.ok(words('ip addr add 10.99.0.77/32 dev eth0'));
    await docker('network create -o com.docker.network.host_ipv4=10.99.0.77 net');
    await sleeper('--network net', 'box');
    assert.equal(await sourceOf('box'), '10.99.0.77');
    await host.ok(words('ip addr del 10.99.0.77/32 dev eth0'));
    await removeAll('net', 'box');
  });

  test('enable_ip_masquerade=false: what leaves keeps its own address', async () => {
    await docker(`network create --subnet 10.40.0.0/24 -o ${BRIDGE}.enable_ip_masquerade=false net`);
    await sleeper('--network net --ip 10.40.0.9', 'box');
    await withRoute('10.40.0.0/24', async () => assert.equal(await sourceOf('box'), '10.40.0.9'));
    await removeAll('net', 'box');
  });

  test('the MTU is that of the default route’s interface when it is the smaller one', async () => {
    const { host } = engine;
    await host.ok(words('ip link set eth0 mtu 1400'));
    await docker('network create net');
    await host.ok(words('ip link set eth0 mtu 1500'));
    assert.match(await docker('run --rm --network net busybox ip link show eth0'), /mtu 1400/);
    await docker('network rm net');
    await docker('network create net');
    assert.match(await docker('run --rm --network net busybox ip link show eth0'), /mtu 1500/);
    await docker('network rm net');
    await assertUnchanged(host, clean);
  });
});

describe('options of an endpoint', () => {
  test('container_iface_prefix, ifname and sysctls', async () => {
    await docker('network create -o com.docker.network.container_iface_prefix=lan prefixed');
    await docker('network create plain');
    const sysctls = 'net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.IFNAME.forwarding=0';
    await sleeper(
      `--network prefixed --network name=plain,driver-opt=${ENDPOINT}.ifname=up0,"driver-opt=${ENDPOINT}.sysctls=${sysctls}"`,
      'box',
    );
    const links = await docker('exec box ip -o link');
    assert.match(links, / lan0[@:]/);
    assert.match(links, / up0[@:]/);
    assert.equal(
      await docker('exec box cat /proc/sys/net/ipv4/conf/up0/log_martians /proc/sys/net/ipv4/conf/up0/forwarding'),
      '1\n0',
    );
    assert.equal(await docker('exec box cat /proc/sys/net/ipv4/conf/lan0/log_martians'), '0');
    await removeAll('prefixed plain', 'box');
  });

  test('--link-local-ip gives further addresses', async () => {
    await docker('network create net');
    await sleeper('--network net', 'neighbour');
    await web('--network net --link-local-ip 169.254.7.7');
    await docker('network disconnect net neighbour');
    await docker('network connect --link-local-ip 169.254.7.8 net neighbour');
    await docker('exec neighbour ping -c 1 -W 5 -I eth0 169.254.7.7');
    assert.match(await docker('exec neighbour ip addr show eth0'), /169\.254\.7\.8\/16/);
    assert.match(await inspect('web', '{{json .NetworkSettings.Networks.net.IPAMConfig}}'), /"169\.254\.7\.7"/);
    await removeAll('net', 'web neighbour');
  });

  test('a given MAC address survives a restart of the container and of the daemon', async () => {
    await docker('network create net');
    await web('--network net --mac-address 02:00:00:00:00:33 -p 8080:80');
    await docker('restart -t 0 web');
    assert.match(await docker('exec web ip link show eth0'), /02:00:00:00:00:33/);
    await engine.daemon.killHard();
    await engine.daemon.start();
    assert.equal(await inspect('web', '{{.NetworkSettings.Networks.net.MacAddress}}'), '02:00:00:00:00:33');
    await docker('restart -t 0 web');
    assert.match(await docker('exec web ip link show eth0'), /02:00:00:00:00:33/);
    await open('lan', `${engine.host.address}:8080`);
    await removeAll('net', 'web');
  });

  test('a container on several networks is reached on each, by static IPv6 addresses too', async () => {
    await docker('network create --ipv6 --subnet 10.40.0.0/24 --subnet fd40::/64 one');
    await docker('network create --ipv6 --subnet 10.41.0.0/24 --subnet fd41::/64 two');
    await web('--network name=one,ip=10.40.0.9,ip6=fd40::9 --network name=two,ip=10.41.0.9,ip6=fd41::9');
    await sleeper('--network one', 'first');
    await sleeper('--network two', 'second');
    await open({ container: 'first' }, '10.40.0.9');
    await open({ container: 'first' }, '[fd40::9]');
    await open({ container: 'second' }, '10.41.0.9');
    await open({ container: 'second' }, '[fd41::9]');
    await closed({ container: 'first' }, '10.41.0.9');
    await closed({ container: 'first' }, '[fd41::9]');
    await removeAll('one two', 'web first second');
  });
});

describe('published ports', () => {
  test('follow the gateway as networks come and go', async () => {
    const { host } = engine;
    await docker('network create --subnet 10.40.0.0/24 one');
    await docker('network create --subnet 10.41.0.0/24 two');
    await web('--network one -p 8080:80');
    await open('lan', `${host.address}:8080`);
    await docker('network connect --gw-priority 5 two web');
    await open('lan', `${host.address}:8080`);
    assert.match(await docker('exec web ip route'), /default via 10\.41\.0\.1/);
    await docker('network disconnect one web');
    await open('lan', `${host.address}:8080`);
    await docker('network disconnect two web');
    await closed('lan', `${host.address}:8080`);
    await docker('network connect one web');
    await open('lan', `${host.address}:8080`);
    await open('host', '127.0.0.1:8080');
    await removeAll('one two', 'web');
  });

  test('of ranges go one to one, or one container port takes the first free', async () => {
    const { host } = engine;
    await web('-p 8100-8102:80-82 -p 8200-8201:80');
    await docker('exec -d web httpd -f -h /etc -p 82');
    await open('lan', `${host.address}:8100`);
    await open('lan', `${host.address}:8102`);
    await open('lan', `${host.address}:8200`);
    await web('-p 8200-8201:80', 'second');
    await open('lan', `${host.address}:8201`);
    const third = await engine.docker.run(words('run -d --name third -p 8200-8201:80 busybox sleep 600'));
    assert.equal(third.code, 125);
    assert.match(third.stderr, /all ports are allocated|port is already allocated/);
    await docker('rm -f web second third');
    await assertUnchanged(host, clean);
  });

  test('of an IPv6 address alone are open there alone', async () => {
    const { host } = engine;
    await docker('network create --ipv6 net');
    await web(`--network net -p [${host.address6}]:8080:80`);
    await open('lan', `[${host.address6}]:8080`);
    await open('host', `[${host.address6}]:8080`);
    await closed('lan', `${host.address}:8080`);
    await closed('host', '127.0.0.1:8080');
    await removeAll('net', 'web');
  });
});
