import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  ETCD,
  eventually,
  type RunResult,
  type Snapshot,
  snapshot,
  startEngine,
  TestLan,
} from '../support/index.ts';

/** By which our routes are known (`src/model/marks.ts`). */
const ROUTE_MARK = 70;
const undo = new AsyncDisposableStack();
const engines: Engine[] = [];
const clean: Snapshot[] = [];

before(async () => {
  process.env.PATH = `${dirname(ETCD)}:${process.env.PATH}`;
  const lan = undo.use(await TestLan.start());
  for (let count = 0; count < 2; count += 1) {
    const engine = undo.use(await startEngine({ lan }));
    engines.push(engine);
    clean.push(await snapshot(engine.host));
  }
});
after(() => undo.disposeAsync());

const engine = (at: number): Engine => {
  const found = engines[at];
  assert.ok(found);
  return found;
};

function cluster(at: number, ...words: string[]): Promise<RunResult> {
  return engine(at).fairway.run(['cluster', ...words]);
}

async function said(at: number, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster(at, ...words);
  assert.equal(code, 0, `${stdout}${stderr}${engine(at).daemon.log.slice(-2000)}`);
  return stdout;
}

async function refused(at: number, wanted: RegExp, ...words: string[]): Promise<void> {
  const { code, stderr } = await cluster(at, ...words);
  assert.match(stderr, wanted);
  assert.equal(code, 1);
}

const docker = (at: number, line: string): Promise<string> => engine(at).docker(...line.split(' '));
const pings = (at: number, from: string, to: string): Promise<string> => docker(at, `exec ${from} ping -c1 -W5 ${to}`);

async function hosts(at: number): Promise<string[]> {
  const listed = await said(at, 'ls', '--format', '{{.Address}} {{.Status}} {{.Manager}}');
  return listed
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}

const etcds = (at: number): number[] =>
  engine(at)
    .host.processes()
    .filter(({ command }) => command === 'etcd')
    .map(({ pid }) => pid);

async function assertNothingLeft(): Promise<void> {
  for (const [at, one] of engines.entries()) {
    assert.deepEqual(etcds(at), []);
    assert.equal(existsSync(join(one.host.directory, 'lib/fairway/cluster')), false);
    assert.doesNotMatch(await docker(at, 'network ls'), /overlay/);
    // Docker's leaves it, too.
    await one.docker.run(['network', 'rm', 'docker_gwbridge']);
    const snap = clean[at];
    assert.ok(snap);
    await assertUnchanged(one.host, snap);
  }
}

describe('a cluster without an etcd of one’s own', () => {
  test('counts at once: begun, joined by what was printed, and a network for both in the next command', async () => {
    assert.equal(await said(0, 'status'), 'Cluster: none\n');
    const { stderr } = await engine(0).docker.run(['network', 'create', '-d', 'overlay', 'net']);
    assert.match(stderr, /This node is not a swarm manager\. .* try again\. With Fairway: "fairway cluster init"/);
    await docker(0, 'run -d --name before busybox sleep 600');

    const [, command = ''] = /fairway (cluster join FWC1-\S+)/.exec(await said(0, 'init')) ?? [];
    await docker(0, 'network create -d overlay --attachable net');
    await refused(0, /already: leave it first/, 'init');
    await refused(1, /invalid join token/, 'join', 'FWC1-nonsense');
    await refused(
      1,
      /"192\.0\.2\.77" for "advertise-addr": it is no address of this host/,
      ...command.split(' ').slice(1),
      '--advertise-addr',
      '192.0.2.77',
    );
    await engine(1).fairway(...command.split(' '));
    await docker(1, 'run -d --name two --network net busybox sleep 600');
    await docker(0, 'run -d --name one --network net busybox sleep 600');
    await eventually(() => pings(1, 'two', 'one'));
    await eventually(() => pings(0, 'one', 'two'));
    assert.deepEqual(await hosts(0), ['10.99.0.1 Ready yes', '10.99.0.2 Ready ']);
    await refused(
      1,
      /containers of this host are on its network "net" \(two\); stop or disconnect them first/,
      'leave',
    );
    await pings(1, 'two', 'one');
  });

  test('is the same after a restart of the daemon, and goes on while one is away', async () => {
    const before = etcds(0);
    assert.equal(before.length, 1);
    await engine(0).daemon.killHard();
    assert.match(await said(1, 'status'), /Reachable: yes/);
    await pings(1, 'two', 'one');
    await engine(0).daemon.start();
    assert.deepEqual(etcds(0), before);
    await eventually(async () => assert.match(await said(0, 'status'), /Reachable: yes/));
    await engine(1).daemon.stop();
    await engine(1).daemon.start();
    await eventually(() => pings(1, 'two', 'one'));
  });

  test('is left at once: by force with what containers have of it, and nothing of it stays', async () => {
    await said(1, 'leave', '--force');
    assert.equal(await said(1, 'status'), 'Cluster: none\n');
    assert.equal(await docker(1, 'inspect -f {{.State.Running}} two'), 'true');
    assert.equal(await engine(1).docker('inspect', '-f', '{{json .NetworkSettings.Networks}}', 'two'), '{}');
    assert.doesNotMatch(await docker(1, 'network ls'), /overlay/);
    await eventually(async () => assert.deepEqual(await hosts(0), ['10.99.0.1 Ready yes']));
    await docker(1, 'rm -f two');
    await refused(0, /only member of the store.*--force/, 'leave');
    await pings(0, 'one', 'one');
    await said(0, 'leave', '--force');
    await docker(0, 'rm -f one before');
    await assertNothingLeft();
  });

  test('is joined by a manager, kept by both, and begun anew after it was left', async () => {
    const token = (await said(0, 'init', '-q')).trim();
    assert.match(await said(1, 'join', '--manager', token), /joined the cluster as a manager/);
    assert.match(await said(0, 'status'), /Members of the store: 2\n/);
    assert.match(await said(1, 'status'), /Store: 10\.99\.0\.2:2379, 10\.99\.0\.1:2379\nReachable: yes/);
    await docker(1, 'network create -d overlay net');
    await eventually(async () => assert.match(await docker(0, 'network ls'), /net +overlay/));
    await said(1, 'leave');
    await eventually(async () => assert.match(await said(0, 'status'), /Members of the store: 1\n/));
    await said(0, 'leave', '--force');
  });

  test('leaves no route of direct routing to the next daemon, should one be killed on the way', async () => {
    const [{ host, daemon }] = [engine(0)];
    await daemon.stop();
    await host.ok(['ip', 'route', 'add', 'unreachable', '10.77.0.0/16', 'proto', String(ROUTE_MARK)]);
    await daemon.start();
    await eventually(async () => assert.doesNotMatch(await host.ok(['ip', 'route']), /10\.77/));
    await assertNothingLeft();
  });
});
