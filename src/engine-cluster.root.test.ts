import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { ETCD, freePortPair } from '../test/support/etcd.ts';
import { newId, silentLog, systemClock, unavailable } from './base/index.ts';
import { ClusterMembership, type ClusterParts } from './engine-cluster.ts';

process.env.PATH = `${dirname(ETCD)}:${process.env.PATH}`;
const dataRoot = mkdtempSync(join(tmpdir(), 'fwt-membership-'));
const ADVERTISE = '127.0.0.1';
let memberships: ClusterMembership[] = [];

afterEach(async () => {
  for (const one of memberships) {
    if (one.current !== undefined) await one.leave({ force: true });
    await one.close();
  }
  memberships = [];
});
after(() => rmSync(dataRoot, { recursive: true }));

/** A daemon of which only the membership is real: what the rest is asked for is written down, and fails where it is said. */
async function daemon(): Promise<{ membership: ClusterMembership; asked: string[]; failing: Set<string> }> {
  const membership = await ClusterMembership.open(
    { nodeId: newId(), clock: systemClock, log: silentLog },
    { dataRoot, execRoot: dataRoot, config: { dataPath: { port: 4789 } } },
  );
  memberships.push(membership);
  const asked: string[] = [];
  const failing = new Set<string>();
  const does = async (what: string): Promise<void> => {
    asked.push(what);
    if (failing.has(what)) throw unavailable('test', `${what} fails`);
  };
  const cluster = { problem: undefined, takesPart: () => does('takesPart'), resign: () => does('resign') };
  const link = {
    // One that is in a cluster takes part when it has started.
    cluster: membership.current === undefined ? undefined : cluster,
    async open() {
      await does('open');
      link.cluster = cluster;
      return cluster;
    },
    async close() {
      link.cluster = undefined;
      await does('close');
    },
  };
  const networks = { begin: () => void does('begin'), end: ({ force }: { force: boolean }) => does(`end ${force}`) };
  membership.serve({ link, networks, takeOff: async () => {} } as unknown as ClusterParts);
  return { membership, asked, failing };
}

test('of several changes at once one is done at a time, and the second finds what the first has done', async () => {
  const { membership, asked } = await daemon();
  const port = await freePortPair(ADVERTISE);
  const [first, second, third] = await Promise.allSettled([
    membership.init({ advertise: ADVERTISE, port }),
    membership.init({ advertise: ADVERTISE, port }),
    membership.leave({ force: true }),
  ]);
  assert.equal(first.status, 'fulfilled');
  assert.match(String(second.status === 'rejected' && second.reason), /already: leave it first/);
  assert.equal(third.status, 'fulfilled');
  assert.deepEqual(asked, ['open', 'begin', 'takesPart', 'end true', 'resign', 'close']);
  assert.deepEqual(readdirSync(dataRoot), []);
});

test('a cluster in which the node cannot take part is left again, and nothing of it stays', async () => {
  const { membership, asked, failing } = await daemon();
  const port = await freePortPair(ADVERTISE);
  for (const step of ['open', 'takesPart']) {
    failing.add(step);
    await assert.rejects(membership.init({ advertise: ADVERTISE, port }), { message: `${step} fails` });
    failing.clear();
    assert.equal(membership.current, undefined);
    assert.deepEqual(readdirSync(dataRoot), []);
  }
  assert.deepEqual(asked.slice(-3), ['end true', 'resign', 'close']);
  await membership.init({ advertise: ADVERTISE, port });
});

test('a leave that fails in the middle is none: the node goes on in the cluster', async () => {
  mkdirSync(join(dataRoot, 'cluster'));
  const state = { version: 1, endpoints: ['192.0.2.9:2379'], prefix: 'fairway', advertise: '192.0.2.1' };
  writeFileSync(join(dataRoot, 'cluster/cluster.json'), JSON.stringify(state));
  const { membership, asked, failing } = await daemon();
  failing.add('resign');
  await assert.rejects(membership.leave({ force: false }), { message: 'resign fails' });
  assert.deepEqual(asked.splice(0), ['end false', 'resign', 'close', 'open', 'begin']);
  assert.ok(membership.current);
  failing.clear();
  await membership.leave({ force: false });
  assert.deepEqual(asked.splice(0), ['end false', 'resign', 'close']);
  assert.deepEqual([membership.current, readdirSync(dataRoot)], [undefined, []]);
});

test('the last host leaves by force alone, and then whatever fails', async () => {
  const { membership, asked, failing } = await daemon();
  await membership.init({ advertise: ADVERTISE, port: await freePortPair(ADVERTISE) });
  await assert.rejects(membership.leave({ force: false }), { code: 'last_manager' });
  assert.deepEqual(asked.splice(0), ['open', 'begin', 'takesPart']);
  failing.add('end true').add('resign');
  await membership.leave({ force: true });
  assert.deepEqual(asked.splice(0), ['end true', 'resign', 'close']);
  assert.equal(existsSync(join(dataRoot, 'cluster')), false);
});

test('a daemon that ends while its node takes part in nothing yet is in no cluster afterwards', async () => {
  const { membership } = await daemon();
  const init = membership.init({ advertise: ADVERTISE, port: await freePortPair(ADVERTISE) });
  const refused = assert.rejects(init, { code: 'daemon_ending' });
  await new Promise(setImmediate);
  await membership.close();
  await refused;
  assert.deepEqual(readdirSync(dataRoot), []);
});
