import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, type Snapshot, snapshot, startEngine, TestLan } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  // What an administrator may have: a second address, a route with a metric, one from a source.
  await engine.host.ok([
    'sh',
    '-ec',
    `ip addr add 10.97.0.1/24 brd + dev eth0
     ip route add 10.96.0.0/16 via ${TestLan.address} metric 50
     ip route add 10.95.0.0/16 dev eth0 src 10.97.0.1 proto static
     ip -6 route add fd96::/64 via ${TestLan.address6} metric 70`,
  ]);
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const MAC = '02:00:00:00:00:20';

async function createNetwork(): Promise<void> {
  const { docker } = engine;
  const pool = ['--subnet', '10.99.0.0/24', '--gateway', TestLan.address, '--ip-range', '10.99.0.160/28'];
  await docker('network', 'create', '-d', 'transparent', ...pool, '-o', 'parent=eth0', 'lan');
}

async function runServer(): Promise<void> {
  const command = [
    '--network',
    'lan',
    '--ip',
    '10.99.0.170',
    '--mac-address',
    MAC,
    'busybox',
    'httpd',
    '-f',
    '-h',
    '/etc',
  ];
  await engine.docker('run', '-d', '--name', 'direct', ...command);
}

const fetch = (ip: string): string[] => ['busybox', 'timeout', '10', 'busybox', 'wget', '-qO-', `http://${ip}/group`];

async function hostIsConnected(): Promise<void> {
  const { host, lan } = engine;
  await host.ok(['ping', '-c', '1', '-W', '5', TestLan.address]);
  await host.ok(['ping', '-6', '-c', '1', '-W', '5', TestLan.address6]);
  await lan.ok(['ping', '-c', '1', '-W', '5', host.address]);
}

describe('a transparent network', () => {
  test('puts a container on the LAN with its own MAC, and leaves the host its addresses and routes', async () => {
    const { docker, lan, host } = engine;
    const routes = (text: string): string => text.replaceAll(/dev \S+/g, '').replaceAll(/ +/g, ' ');
    const before = routes(await host.ok(['ip', 'route']));
    const mac = await host.ok(['cat', '/sys/class/net/eth0/address']);
    await createNetwork();
    await hostIsConnected();
    assert.equal(routes(await host.ok(['ip', 'route'])), before);
    assert.doesNotMatch(await host.ok(['ip', 'addr', 'show', 'eth0']), /inet 10|inet6 fd/);
    await runServer();
    assert.match(await lan.ok(fetch('10.99.0.170')), /root/);
    assert.match(await lan.ok(['ip', 'neigh', 'show', '10.99.0.170']), new RegExp(MAC));
    assert.match(await lan.ok(['ip', 'neigh', 'show', host.address]), new RegExp(mac));
    assert.match(await host.ok(fetch('10.99.0.170')), /root/);
    await docker('exec', 'direct', 'ping', '-c', '1', '-W', '5', TestLan.address);
    await docker('exec', 'direct', 'ping', '-c', '1', '-W', '5', host.address);
    await docker('rm', '-f', 'direct');
    await docker('network', 'rm', 'lan');
    await hostIsConnected();
    await assertUnchanged(host, clean);
  });

  test('stands beside bridges, and its containers go on while the daemon is killed and comes back', async () => {
    const { docker, lan, host, daemon } = engine;
    await createNetwork();
    await runServer();
    await docker('run', '-d', '--name', 'web', '-p', '8080:80', 'busybox', 'httpd', '-f', '-h', '/etc');
    assert.match(await lan.ok(fetch(`${host.address}:8080`)), /root/);
    await docker('exec', 'web', 'ping', '-c', '1', '-W', '5', TestLan.address);
    await daemon.killHard();
    assert.match(await lan.ok(fetch('10.99.0.170')), /root/);
    await hostIsConnected();
    await daemon.start();
    assert.match(await lan.ok(fetch('10.99.0.170')), /root/);
    assert.match(await lan.ok(fetch(`${host.address}:8080`)), /root/);
    await hostIsConnected();
    await docker('rm', '-f', 'direct', 'web');
    await docker('network', 'rm', 'lan');
    await assertUnchanged(host, clean);
  });

  test('is refused without a parent, with one that is missing or taken, and nothing changes', async () => {
    const { docker, host } = engine;
    const refused = async (...options: string[]): Promise<string> => {
      const result = await docker.run([
        'network',
        'create',
        '-d',
        'transparent',
        '--subnet',
        '10.94.0.0/24',
        ...options,
      ]);
      assert.notEqual(result.code, 0);
      return result.stderr;
    };
    assert.match(await refused('wrong'), /needs option "parent"/);
    assert.match(await refused('-o', 'parent=eth7', 'wrong'), /parent interface "eth7" was not found/);
    assert.match(
      await refused('-o', 'parent=fairway0', 'wrong'),
      /cannot use parent interface fairway0: it is a bridge/,
    );
    // Found out only when half is done.
    await host.ok(['ip', 'link', 'add', 'mv0', 'link', 'eth0', 'type', 'macvlan', 'mode', 'bridge']);
    assert.match(await refused('-o', 'parent=eth0', 'wrong'), /busy|EBUSY/i);
    await hostIsConnected();
    await host.ok(['ip', 'link', 'del', 'mv0']);
    await assertUnchanged(host, clean);
    await createNetwork();
    assert.match(await refused('-o', 'parent=eth0', 'second'), /lan is already using parent interface eth0/);
    await docker('network', 'rm', 'lan');
    await assertUnchanged(host, clean);
  });
});
