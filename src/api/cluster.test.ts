import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conflict, invalid } from '../base/index.ts';
import type { ApiCluster, ClusterStatus } from './index.ts';
import { FACTS, send, startFakeEngine } from './testing/index.ts';

const STATUS: ClusterStatus = {
  kind: 'managed',
  endpoints: ['192.0.2.1:2379'],
  advertise: '192.0.2.1',
  manager: true,
  reachable: true,
  problem: '',
  members: [{ id: '7', name: 'one', endpoints: ['https://192.0.2.1:2379'] }],
  nodes: [{ id: 'a', name: 'host', address: '192.0.2.1', alive: true, self: true, manager: true }],
};

class FakeCluster implements ApiCluster {
  readonly calls: unknown[] = [];

  async status(): Promise<ClusterStatus> {
    return STATUS;
  }

  async init(request: object): Promise<string> {
    this.calls.push(['init', request]);
    return 'FWC1-x';
  }

  async join(request: { readonly token: string }): Promise<void> {
    this.calls.push(['join', request]);
    if (request.token === '') throw invalid('bad_token', 'invalid join token: it is none');
  }

  async leave(options: { readonly force: boolean }): Promise<void> {
    this.calls.push(['leave', options]);
    if (!options.force) throw conflict('last_manager', 'cannot leave the cluster');
  }

  async token(): Promise<string> {
    return 'FWC1-x';
  }
}

test('a cluster is begun, joined, shown and left over the API', async () => {
  const cluster = new FakeCluster();
  await using fake = await startFakeEngine({ cluster });
  const call = async (method: string, path: string, body?: unknown): Promise<readonly [number, unknown]> => {
    const { status, json } = await send(fake.socketPath, method, path, body === undefined ? {} : { body });
    return [status, json];
  };
  const shown = {
    Kind: 'managed',
    Endpoints: ['192.0.2.1:2379'],
    AdvertiseAddr: '192.0.2.1',
    Manager: true,
    Reachable: true,
    Problem: '',
    Members: [{ ID: '7', Name: 'one', Endpoints: ['https://192.0.2.1:2379'] }],
    Nodes: [{ ID: 'a', Name: 'host', Address: '192.0.2.1', Alive: true, Self: true, Manager: true }],
  };
  assert.deepEqual(await call('GET', '/fairway/cluster'), [200, shown]);
  assert.deepEqual(await call('GET', '/v1.41/fairway/cluster/token'), [200, { Token: 'FWC1-x' }]);
  assert.deepEqual(await call('POST', '/fairway/cluster/init', {}), [201, { Token: 'FWC1-x', Status: shown }]);
  assert.deepEqual(await call('POST', '/fairway/cluster/init', { AdvertiseAddr: 'eth0', Port: 4001 }), [
    201,
    { Token: 'FWC1-x', Status: shown },
  ]);
  assert.deepEqual(await call('POST', '/fairway/cluster/join', { Token: 't', Manager: true }), [
    200,
    { Status: shown },
  ]);
  assert.deepEqual(await call('POST', '/fairway/cluster/join', {}), [
    400,
    { message: 'invalid join token: it is none' },
  ]);
  assert.equal((await call('POST', '/fairway/cluster/init', { Port: 'x' }))[0], 400);
  assert.deepEqual(await call('POST', '/fairway/cluster/leave'), [409, { message: 'cannot leave the cluster' }]);
  assert.deepEqual(await call('POST', '/fairway/cluster/leave?force=1'), [200, { Status: shown }]);
  assert.deepEqual(cluster.calls, [
    ['init', {}],
    ['init', { advertise: 'eth0', port: 4001 }],
    ['join', { token: 't', manager: true }],
    ['join', { token: '', manager: false }],
    ['leave', { force: false }],
    ['leave', { force: true }],
  ]);
});

test('an engine without clusters says so', async () => {
  await using fake = await startFakeEngine();
  const { status, json } = await send(fake.socketPath, 'GET', '/fairway/cluster');
  assert.deepEqual([status, json], [503, { message: 'this engine knows no clusters' }]);
});

test('info tells of the cluster store to clients of before 1.42, as Docker did', async () => {
  const cluster = { store: 'etcd://192.0.2.9:2379/fairway', advertise: '192.0.2.1:2376' };
  await using fake = await startFakeEngine({ facts: () => ({ ...FACTS, cluster }) });
  const shown = async (path: string): Promise<unknown[]> => {
    const { ClusterStore, ClusterAdvertise } = (await send(fake.socketPath, 'GET', path)).json as Record<
      string,
      unknown
    >;
    return [ClusterStore, ClusterAdvertise];
  };
  assert.deepEqual(await shown('/v1.41/info'), [cluster.store, cluster.advertise]);
  assert.deepEqual(await shown('/v1.42/info'), [undefined, undefined]);
  await using alone = await startFakeEngine();
  const { json } = await send(alone.socketPath, 'GET', '/v1.41/info');
  assert.equal('ClusterStore' in (json as object), false);
});
