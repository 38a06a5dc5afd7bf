import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type NetworkInterfaceInfo, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { newId, parseIp, silentLog, systemClock } from './base/index.ts';
import { ClusterMembership, onlyAddress } from './engine-cluster.ts';
import { addressOf } from './engine-cluster-options.ts';

function links(of: Readonly<Record<string, readonly string[]>>): NodeJS.Dict<NetworkInterfaceInfo[]> {
  return Object.fromEntries(
    Object.entries(of).map(([link, addresses]) => [
      link,
      addresses.map((address) => ({ address }) as NetworkInterfaceInfo),
    ]),
  );
}

test('the address of a host that has only one is no question', () => {
  const host = { lo: ['127.0.0.1', '::1'], 'br-0123': ['172.18.0.1'], fairway0: ['172.17.0.1'] };
  assert.equal(onlyAddress(links({ ...host, eth0: ['fe80::1', 'fd00::1', '192.0.2.1'] })), '192.0.2.1');
  assert.equal(onlyAddress(links({ ...host, eth0: ['fe80::1', 'fd00::1'] })), 'fd00::1');
  assert.throws(() => onlyAddress(links(host)), {
    code: 'advertise_unclear',
    message: /this host has none.*--advertise-addr/,
  });
  assert.throws(() => onlyAddress(links({ eth0: ['192.0.2.1'], eth1: ['198.51.100.1'] })), {
    message: /this host has several \(192\.0\.2\.1 on eth0, 198\.51\.100\.1 on eth1\)/,
  });
});

test('a link stands for its first address that reaches further than the link', () => {
  const host = links({ eth0: ['fe80::1', 'fd00::1', '192.0.2.1'], eth1: ['fe80::2'] });
  assert.equal(addressOf({ link: 'eth0' }, 'cluster-advertise', host), '192.0.2.1');
  assert.throws(() => addressOf({ link: 'eth1' }, 'cluster-advertise', host), {
    code: 'advertise_no_address',
    message: 'invalid value "eth1" for "cluster-advertise": it has no address',
  });
  assert.throws(() => addressOf({ link: 'eth9' }, 'cluster-advertise', host), /there is no such link/);
});

test('a node is in one cluster: its own, remembered one, or that of its flags', async () => {
  const dataRoot = mkdtempSync(join(tmpdir(), 'fwt-membership-'));
  try {
    const options = { dataRoot, execRoot: dataRoot, config: { dataPath: { port: 4789 } } };
    const deps = { nodeId: newId(), clock: systemClock, log: silentLog };
    const alone = await ClusterMembership.open(deps, options);
    assert.equal(alone.current, undefined);
    assert.equal((await alone.status()).kind, 'none');
    await assert.rejects(alone.leave({ force: true }), { code: 'no_cluster' });

    const advertise = parseIp('192.0.2.1');
    mkdirSync(join(dataRoot, 'cluster'));
    const state = { version: 1, endpoints: ['192.0.2.9:2379'], prefix: 'fairway', advertise };
    writeFileSync(join(dataRoot, 'cluster/cluster.json'), JSON.stringify(state));
    const { current } = await ClusterMembership.open(deps, options);
    assert.deepEqual(current?.store.endpoints, ['192.0.2.9:2379']);
    assert.deepEqual(current?.dataPath, { address: advertise, port: 4789 });
    assert.ok(current);
    await assert.rejects(ClusterMembership.open(deps, { ...options, external: current }), {
      code: 'two_clusters',
      message: /"cluster-store": this node is in a cluster that keeps its own store; leave it first/,
    });

    rmSync(join(dataRoot, 'cluster'), { recursive: true });
    const external = await ClusterMembership.open(deps, { ...options, external: current });
    assert.equal((await external.status()).kind, 'external');
    await assert.rejects(external.init({}), { code: 'cluster_exists', message: /that of --cluster-store/ });
  } finally {
    rmSync(dataRoot, { recursive: true });
  }
});
