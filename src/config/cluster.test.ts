import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterConfig } from './config.ts';
import { loadConfig } from './load.ts';

function cluster(...args: string[]): ClusterConfig {
  const invocation = loadConfig(['--config-file', '/dev/null', ...args]);
  assert.equal(invocation.action, 'run');
  return (invocation as { config: { cluster: ClusterConfig } }).config.cluster;
}

test('without a store there is only where the data path would be', () => {
  assert.deepEqual(cluster(), { dataPath: { port: 4789 } });
  assert.deepEqual(cluster('--cluster-data-path-addr=eth1', '--cluster-data-path-port=4790').dataPath, {
    on: { link: 'eth1' },
    port: 4790,
  });
});

test('a store is endpoints and a prefix', () => {
  const url = 'etcd://10.0.0.1,etcd-2.example:3379,[fd00::3]:2379/a/b/';
  const { store } = cluster(`--cluster-store=${url}`, '--cluster-advertise=eth0');
  assert.deepEqual(store, {
    url,
    endpoints: ['10.0.0.1:2379', 'etcd-2.example:3379', '[fd00::3]:2379'],
    prefix: 'a/b',
    heartbeatSeconds: 3,
    presenceSeconds: 10,
  });
});

test('the prefix may stand in an option, in one place only', () => {
  const flags = ['--cluster-advertise=eth0', '--cluster-store-opt', 'kv.path=/docker/nodes/'];
  assert.equal(cluster('--cluster-store=etcd://a', ...flags).store?.prefix, 'docker/nodes');
  assert.equal(cluster('--cluster-store=etcd://a/', '--cluster-advertise=eth0').store?.prefix, 'fairway');
  assert.throws(() => cluster('--cluster-store=etcd://a/b', ...flags), /kv.path.*left out/);
});

test('certificates, a login and times are options of the store', () => {
  const options = [
    'kv.cacertfile=/ca',
    'kv.certfile=/cert',
    'kv.keyfile=/key',
    'kv.user=me',
    'kv.passwordfile=/secret',
    'discovery.heartbeat=5',
  ];
  const { store } = cluster(
    '--cluster-store=etcd://a/b',
    '--cluster-advertise=eth0',
    ...options.flatMap((option) => ['--cluster-store-opt', option]),
  );
  assert.deepEqual(store?.tls, { caFile: '/ca', certFile: '/cert', keyFile: '/key' });
  assert.deepEqual(store?.login, { user: 'me', passwordFile: '/secret' });
  assert.deepEqual([store?.heartbeatSeconds, store?.presenceSeconds], [5, 15]);
  assert.throws(
    () =>
      cluster(
        '--cluster-store=etcd://a',
        '--cluster-advertise=eth0',
        '--cluster-store-opt=discovery.heartbeat=20',
        '--cluster-store-opt=discovery.ttl=20',
      ),
    /"20" for "cluster-store-opts.discovery.ttl": it must be more than the heartbeat of 20 s/,
  );
});

test('a host is advertised by link or address, with a port or without', () => {
  const advertise = (text: string): unknown => cluster(`--cluster-advertise=${text}`).advertise;
  assert.deepEqual(advertise('eth0'), { on: { link: 'eth0' } });
  assert.deepEqual(advertise('eth0:2376'), { on: { link: 'eth0' }, port: 2376 });
  assert.deepEqual(advertise('192.0.2.1'), { on: { address: '192.0.2.1' } });
  assert.deepEqual(advertise('192.0.2.1:2376'), { on: { address: '192.0.2.1' }, port: 2376 });
  assert.deepEqual(advertise('fd00::1'), { on: { address: 'fd00::1' } });
  assert.deepEqual(advertise('[fd00::1]:1'), { on: { address: 'fd00::1' }, port: 1 });
});
