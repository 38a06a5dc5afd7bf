import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  assertUnchanged,
  Daemon,
  ETCD,
  eventually,
  type RunResult,
  run,
  type Snapshot,
  snapshot,
  TestHost,
  TestLan,
} from '../support/index.ts';

const FAIRWAY = fileURLToPath(new URL('../../bin/fairway', import.meta.url));
const undo = new AsyncDisposableStack();
const daemons: Daemon[] = [];
const clean: Snapshot[] = [];

before(async () => {
  process.env.PATH = `${dirname(ETCD)}:${process.env.PATH}`;
  const lan = undo.use(await TestLan.start());
  for (let at = 0; at < 2; at += 1) {
    const daemon = undo.use(await Daemon.start(undo.use(await TestHost.start(lan))));
    daemons.push(daemon);
    clean.push(await snapshot(daemon.host));
  }
});
after(() => undo.disposeAsync());

const daemon = (at: number): Daemon => {
  const found = daemons[at];
  assert.ok(found);
  return found;
};

function cluster(at: number, ...words: string[]): Promise<RunResult> {
  return run([FAIRWAY, 'cluster', ...words], { env: { FAIRWAY_HOST: `unix://${daemon(at).socket}` } });
}

async function said(at: number, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster(at, ...words);
  assert.equal(code, 0, `${stdout}${stderr}${daemon(at).log.slice(-2000)}`);
  return stdout;
}

async function restart(at: number): Promise<void> {
  await daemon(at).stop();
  await daemon(at).start();
}

async function hosts(at: number): Promise<string[]> {
  const listed = await said(at, 'ls', '--format', '{{.Address}} {{.Status}} {{.Manager}}');
  return listed
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}

const etcds = (at: number): number[] =>
  daemon(at)
    .host.processes()
    .filter(({ command }) => command === 'etcd')
    .map(({ pid }) => pid);

test('a cluster without an etcd of one’s own: begun, joined, kept over restarts and left', async () => {
  assert.equal(await said(0, 'status'), 'Cluster: none\n');
  const [, token = ''] = /fairway cluster join (FWC1-\S+)/.exec(await said(0, 'init')) ?? [];
  assert.match((await cluster(0, 'init')).stderr, /already: leave it first/);
  assert.match((await cluster(1, 'join', 'FWC1-nonsense')).stderr, /invalid join token/);
  await restart(0);
  assert.match(await said(0, 'status'), /This host: 10\.99\.0\.1, manager\nStore: 10\.99\.0\.1:2379\nReachable: yes\n/);

  assert.match(await said(1, 'join', '--manager', token), /joined the cluster as a manager/);
  await restart(1);
  await eventually(async () => assert.match(await said(0, 'status'), /Members of the store: 2\n/));
  assert.match(await said(1, 'status'), /Store: 10\.99\.0\.2:2379, 10\.99\.0\.1:2379\nReachable: yes/);
  await eventually(async () => assert.deepEqual(await hosts(0), ['10.99.0.1 Ready yes', '10.99.0.2 Ready yes']));

  // The store goes on while a daemon is away, however it went.
  const before = etcds(0);
  assert.equal(before.length, 1);
  await daemon(0).killHard();
  assert.match(await said(1, 'status'), /Reachable: yes/);
  await daemon(0).start();
  assert.deepEqual(etcds(0), before);
  await eventually(async () => assert.match(await said(0, 'status'), /Reachable: yes/));

  await said(1, 'leave');
  assert.equal(await said(1, 'status'), 'Cluster: none\n');
  await eventually(async () => assert.match(await said(0, 'status'), /Members of the store: 1\n/));
  await eventually(async () => assert.deepEqual(await hosts(0), ['10.99.0.1 Ready yes']));
  const refused = await cluster(0, 'leave');
  assert.deepEqual([refused.code, /only member of the store.*--force/.test(refused.stderr)], [1, true]);
  await said(0, 'leave', '--force');
  // What the packet filter took for the cluster goes with the daemon that was in it.
  await Promise.all([restart(0), restart(1)]);
  for (const [at, one] of daemons.entries()) {
    assert.deepEqual(etcds(at), []);
    assert.equal(existsSync(join(one.host.directory, 'lib/fairway/cluster')), false);
    const snap = clean[at];
    assert.ok(snap);
    await assertUnchanged(one.host, snap);
  }
});
