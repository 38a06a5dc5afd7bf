import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

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
const web = (flags: string, name = 'web'): Promise<string> =>
  docker(`run -d --name ${name} ${flags} busybox httpd -f -h /etc`);

type Place = 'lan' | 'host' | { readonly container: string };

async function reaches(from: Place, target: string, seconds: number): Promise<boolean> {
  const command = words(`busybox timeout ${seconds} busybox wget -qO- http://${target}/group`);
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

async function end(containers: string, networks: string): Promise<void> {
  await docker(`rm -f ${containers}`);
  await docker(`network rm ${networks}`);
  await assertUnchanged(engine.host, clean);
}

describe('IPv6 by way of the gateway', { timeout: 120_000 }, () => {
  /** As a router outside would know the way to the container's subnet. */
  before(() => engine.lan.ok(words(`ip -6 route add fd40::/64 via ${engine.host.address6}`)));
  after(() => engine.lan.ok(words('ip -6 route del fd40::/64')));

  test('nat: the container’s address is closed to neighbours of the host and to other networks', async () => {
    await docker('network create --ipv6 --subnet fd40::/64 net');
    await docker('network create --ipv6 other');
    await web('--network net --ip6 fd40::9 -p 8080:80');
    await docker('run -d --name stranger --network other busybox sleep 600');
    await open('lan', `[${engine.host.address6}]:8080`);
    await open('host', '[fd40::9]');
    await closed('lan', '[fd40::9]');
    await closed({ container: 'stranger' }, '[fd40::9]');
    await open({ container: 'stranger' }, `[${engine.host.address6}]:8080`);
    await end('web stranger', 'net other');
  });
});

describe('what is published on a loopback address', { timeout: 120_000 }, () => {
  test('is out of reach for a neighbour that sends to 127.0.0.1, whatever the host’s switches', async () => {
    const { host, lan } = engine;
    await web('-p 127.0.0.1:8081:80');
    await docker('run -d --name stranger busybox sleep 600');
    // Something of the host's own on loopback, to show that packets do come this way.
    await host.ok(['sh', '-c', 'busybox httpd -p 127.0.0.1:7070 -h /etc']);
    await host.ok(words('sysctl -qw net.ipv4.conf.eth0.route_localnet=1'));
    await lan.ok([
      'sh',
      '-ec',
      `sysctl -qw net.ipv4.conf.br0.route_localnet=1; ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via ${host.address}`,
    ]);
    try {
      await open('host', '127.0.0.1:8081');
      await open('lan', '127.0.0.1:7070');
      await closed('lan', '127.0.0.1:8081');
      await closed('lan', `${host.address}:8081`);
      await closed({ container: 'stranger' }, '172.17.0.1:8081');
    } finally {
      await lan.ok(['sh', '-ec', 'ip route del 127.0.0.1; ip addr add 127.0.0.1/8 dev lo']);
      await host.ok(words('sysctl -qw net.ipv4.conf.eth0.route_localnet=0'));
      for (const { pid, command } of host.processes()) if (command === 'busybox') process.kill(pid);
    }
    await docker('rm -f web stranger');
    await assertUnchanged(host, clean);
  });
});

describe('the API', { timeout: 120_000 }, () => {
  test('cannot be found from a container, not even from one in the host’s network', async () => {
    const script = 'ls /run/fairway /var/run/docker.sock 2>/dev/null; cat /proc/net/unix; netstat -ltn';
    const seen = await engine.docker('run', '--rm', '--network', 'host', 'busybox', 'sh', '-c', script);
    // Sockets without a file (their names begin with @) know no permissions.
    assert.doesNotMatch(seen, / @\S*(fairway|containerd|shim)/);
    assert.doesNotMatch(seen, /:237[56]\b/);
    assert.doesNotMatch(seen, /^(fairway|docker)\.sock$/m);
    const mounts = await engine.docker('run', '--rm', 'busybox', 'cat', '/proc/mounts');
    assert.doesNotMatch(mounts, /fairway\.sock|docker\.sock|\/run\/fairway /);
    await assertUnchanged(engine.host, clean);
  });
});
