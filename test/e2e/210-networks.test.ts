import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
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

const address = (container: string, network: string): Promise<string> =>
  engine.docker('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);

describe('networks', () => {
  test('take subnet, gateway, range, reserved and static addresses', async () => {
    const { docker } = engine;
    for (const client of commandLines(engine)) {
      await client(
        'network',
        'create',
        '--subnet',
        '10.30.0.0/24',
        '--gateway',
        '10.30.0.254',
        '--ip-range',
        '10.30.0.64/26',
        '--aux-address',
        'router=10.30.0.64',
        '--label',
        'k=v',
        'planned',
      );
      await client('run', '-d', '--name', 'dynamic', '--network', 'planned', 'busybox', 'sleep', '600');
      await client(
        'run',
        '-d',
        '--name',
        'static',
        '--network',
        'planned',
        '--ip',
        '10.30.0.7',
        '--mac-address',
        '02:00:00:00:00:07',
        'busybox',
        'sleep',
        '600',
      );
      assert.equal(await address('dynamic', 'planned'), '10.30.0.65', client.name);
      assert.equal(await address('static', 'planned'), '10.30.0.7', client.name);
      assert.match(await client('exec', 'static', 'ip', 'link', 'show', 'eth0'), /02:00:00:00:00:07/, client.name);
      assert.match(await client('exec', 'static', 'ip', 'route'), /default via 10\.30\.0\.254/, client.name);
      assert.equal(
        await client('network', 'ls', '--filter', 'label=k=v', '--format', '{{.Name}}'),
        'planned',
        client.name,
      );
      await docker('rm', '-f', 'dynamic', 'static');
      await client('network', 'rm', 'planned');
    }
    await assertUnchanged(engine.host, clean);
  });

  test('keep the address of a stopped container for it', async () => {
    const { docker } = engine;
    await docker('network', 'create', '--subnet', '10.30.0.0/24', 'planned');
    await docker(
      'run',
      '-d',
      '--name',
      'keeper',
      '--network',
      'planned',
      '--ip',
      '10.30.0.2',
      'busybox',
      'sleep',
      '600',
    );
    await docker('stop', '-t', '0', 'keeper');
    await docker('run', '-d', '--name', 'newcomer', '--network', 'planned', 'busybox', 'sleep', '600');
    assert.equal(await address('newcomer', 'planned'), '10.30.0.3');
    await docker('start', 'keeper');
    assert.equal(await address('keeper', 'planned'), '10.30.0.2');
    await docker('rm', '-f', 'keeper', 'newcomer');
    await docker('network', 'rm', 'planned');
    await assertUnchanged(engine.host, clean);
  });

  test('without icc let no container reach another', async () => {
    const { docker } = engine;
    await docker('network', 'create', '-o', 'com.docker.network.bridge.enable_icc=false', 'apart');
    await docker('run', '-d', '--name', 'one', '--network', 'apart', 'busybox', 'sleep', '600');
    await docker('run', '-d', '--name', 'two', '--network', 'apart', 'busybox', 'sleep', '600');
    const other = await address('two', 'apart');
    assert.notEqual((await docker.run(['exec', 'one', 'ping', '-c', '1', '-W', '1', other])).code, 0);
    await docker('exec', 'one', 'ping', '-c', '1', '-W', '5', TestLan.address);
    await docker('rm', '-f', 'one', 'two');
    await docker('network', 'rm', 'apart');
    await assertUnchanged(engine.host, clean);
  });

  test('name their bridge and set the MTU', async () => {
    const { docker, host } = engine;
    await docker(
      'network',
      'create',
      '-o',
      'com.docker.network.bridge.name=mine',
      '-o',
      'com.docker.network.driver.mtu=1300',
      'named',
    );
    assert.match(await host.ok(['ip', 'link', 'show', 'mine']), /mtu 1300/);
    assert.match(
      await docker('run', '--rm', '--network', 'named', 'busybox', 'ip', 'link', 'show', 'eth0'),
      /mtu 1300/,
    );
    await docker('network', 'rm', 'named');
    await assertUnchanged(host, clean);
  });

  test('carry IPv6 beside IPv4, and alone', async () => {
    const { docker, lan, host } = engine;
    await docker('network', 'create', '--ipv6', 'dual');
    await docker(
      'run',
      '-d',
      '--name',
      'web6',
      '--network',
      'dual',
      '-p',
      '8086:80',
      'busybox',
      'httpd',
      '-f',
      '-h',
      '/etc',
    );
    await docker('run', '--rm', '--network', 'dual', 'busybox', 'ping', '-6', '-c', '1', 'web6');
    assert.match(
      await lan.ok(['busybox', 'timeout', '10', 'busybox', 'wget', '-qO-', `http://[${host.address6}]:8086/group`]),
      /root/,
    );
    assert.match(
      await host.ok(['busybox', 'timeout', '10', 'busybox', 'wget', '-qO-', 'http://[::1]:8086/group']),
      /root/,
    );
    await docker('rm', '-f', 'web6');
    await docker('network', 'rm', 'dual');
    await docker('network', 'create', '--ipv6', '--ipv4=false', '--subnet', 'fd00:6::/64', 'only6');
    assert.match(
      await docker('run', '--rm', '--network', 'only6', 'busybox', 'ip', '-6', 'addr', 'show', 'eth0'),
      /fd00:6::2\/64/,
    );
    await docker('network', 'rm', 'only6');
    await assertUnchanged(host, clean);
  });

  test('are pruned when nobody uses them', async () => {
    const { docker } = engine;
    await docker('network', 'create', 'unused');
    await docker('network', 'create', 'used');
    await docker('run', '-d', '--name', 'user', '--network', 'used', 'busybox', 'sleep', '600');
    for (const client of commandLines(engine)) {
      const text = await client('network', 'prune', '-f');
      if (client.name === 'docker') assert.match(text, /Deleted Networks:\nunused/);
      assert.equal(await client('network', 'ls', '-q', '--filter', 'name=unused'), '', client.name);
    }
    await docker('rm', '-f', 'user');
    await docker('network', 'rm', 'used');
    await assertUnchanged(engine.host, clean);
  });

  test('of kind macvlan put a container on the LAN with its own MAC', async () => {
    const { lan } = engine;
    for (const client of commandLines(engine)) {
      await client(
        'network',
        'create',
        '-d',
        'macvlan',
        '--subnet',
        '10.99.0.0/24',
        '--gateway',
        TestLan.address,
        '--ip-range',
        '10.99.0.128/27',
        '-o',
        'parent=eth0',
        'lan',
      );
      await client('run', '-d', '--name', 'direct', '--network', 'lan', 'busybox', 'httpd', '-f', '-h', '/etc');
      const ip = await address('direct', 'lan');
      assert.match(ip, /^10\.99\.0\.1(2[89]|[34]\d|5\d)$/);
      assert.match(
        await lan.ok(['busybox', 'timeout', '10', 'busybox', 'wget', '-qO-', `http://${ip}/group`]),
        /root/,
        client.name,
      );
      await client('exec', 'direct', 'ping', '-c', '1', '-W', '5', TestLan.address);
      await client('rm', '-f', 'direct');
      await client('network', 'rm', 'lan');
      await lan.ok(['ip', 'neigh', 'flush', 'dev', 'br0']);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('of kind ipvlan work, or are refused naming what the kernel lacks', async () => {
    const { docker } = engine;
    const made = await docker.run([
      'network',
      'create',
      '-d',
      'ipvlan',
      '--subnet',
      '10.98.0.0/24',
      '-o',
      'parent=eth0',
      'lan2',
    ]);
    if (made.code !== 0) assert.match(made.stderr, /ipvlan.*CONFIG_IPVLAN|CONFIG_IPVLAN/);
    else await docker('network', 'rm', 'lan2');
    await assertUnchanged(engine.host, clean);
  });

  test('show their containers, options and predefined settings', async () => {
    const { docker } = engine;
    const [bridge] = JSON.parse(await docker('network', 'inspect', 'bridge')) as [
      { Options: Record<string, string>; IPAM: { Config: unknown[] } },
    ];
    assert.equal(bridge.Options['com.docker.network.bridge.default_bridge'], 'true');
    assert.equal(bridge.Options['com.docker.network.bridge.name'], 'fairway0');
    assert.equal(bridge.Options['com.docker.network.driver.mtu'], '1500');
    assert.deepEqual(bridge.IPAM.Config, [{ Subnet: '172.17.0.0/16', Gateway: '172.17.0.1' }]);
  });

  test('give the default route to the one with the higher priority', async () => {
    const { docker } = engine;
    await docker('network', 'create', '--subnet', '10.31.0.0/24', 'first');
    await docker('network', 'create', '--subnet', '10.32.0.0/24', 'second');
    await docker('run', '-d', '--name', 'both', '--network', 'first', 'busybox', 'sleep', '600');
    await docker('network', 'connect', '--gw-priority', '10', 'second', 'both');
    assert.match(await docker('exec', 'both', 'ip', 'route'), /default via 10\.32\.0\.1/);
    await docker('network', 'disconnect', 'second', 'both');
    assert.match(await docker('exec', 'both', 'ip', 'route'), /default via 10\.31\.0\.1/);
    await docker('rm', '-f', 'both');
    await docker('network', 'rm', 'first', 'second');
    await assertUnchanged(engine.host, clean);
  });
});
