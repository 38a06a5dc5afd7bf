import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseIp } from '../../src/base/index.ts';
import { issue, makeAuthority } from '../../src/services/etcd/index.ts';
import {
  assertUnchanged,
  type Engine,
  eventually,
  type RunResult,
  type Snapshot,
  snapshot,
  startEngine,
  TestEtcd,
  TestLan,
} from '../support/index.ts';

/** How a daemon is told to reach its cluster's store. */
interface Access {
  readonly prefix: string;
  readonly ca: string;
  readonly certificate: string;
  readonly password: string;
}

const RIGHT: Access = { prefix: 'ours', ca: 'ca', certificate: 'node', password: 'secret' };
const WRONG: readonly { readonly what: string; readonly access: Partial<Access>; readonly says: RegExp }[] = [
  {
    what: 'a certificate of another authority',
    access: { certificate: 'stranger' },
    says: /cannot reach the cluster store at 10\.99\.0\.254:2379: .*alert bad certificate \(see the certificates in --cluster-store-opt\)/,
  },
  {
    what: 'another authority to trust',
    access: { ca: 'foreign' },
    says: /cannot reach the cluster store at 10\.99\.0\.254:2379: .*see the certificates in --cluster-store-opt/,
  },
  {
    what: 'a wrong password',
    access: { password: 'guessed' },
    says: /the cluster store refuses user "root": authentication failed/,
  },
  {
    what: 'records of a later version',
    access: { prefix: 'later' },
    says: /the cluster store has schema version 9, this program knows version 1: use programs of one version/,
  },
];

const undo = new AsyncDisposableStack();
let folder: string;
let etcd: TestEtcd;
let engine: Engine;
let clean: Snapshot;

before(async () => {
  folder = undo.adopt(mkdtempSync(join(tmpdir(), 'fwt-access-')), (path) => rmSync(path, { recursive: true }));
  const lan = undo.use(await TestLan.start());
  const [authority, foreign] = await Promise.all([makeAuthority(), makeAuthority()]);
  const address = parseIp(TestLan.address);
  const [node, stranger] = await Promise.all([
    issue(authority, { name: 'node', address }),
    issue(foreign, { name: 'stranger', address }),
  ]);
  for (const [name, { cert, key }] of Object.entries({ ca: authority, foreign, node, stranger })) {
    writeFileSync(path(`${name}.pem`), cert);
    writeFileSync(path(`${name}.key`), key, { mode: 0o600 });
  }
  for (const password of ['secret', 'guessed']) writeFileSync(path(password), `${password}\n`, { mode: 0o600 });
  const tls = { caFile: path('ca.pem'), certFile: path('node.pem'), keyFile: path('node.key') };
  const inside = (command: readonly string[]): string[] => lan.inside(command);
  etcd = undo.use(await TestEtcd.start([{ address: TestLan.address, inside }], { tls }));
  const [member] = etcd.members;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const later = { key: base64('later/schema'), value: base64('{"version":9,"cluster":"another"}') };
  await eventually(async () => member?.post('kv/put', later));
  await etcd.askForPassword('secret');
  engine = undo.use(await startEngine({ lan, args: argsOf(RIGHT) }));
});
after(() => undo.disposeAsync());

const path = (name: string): string => join(folder, name);
const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const on = (line: string): Promise<string> => engine.docker(...words(line));
const attempt = (line: string): Promise<RunResult> => engine.docker.run(words(line));

function argsOf({ prefix, ca, certificate, password }: Access): readonly string[] {
  const options = [
    `kv.cacertfile=${path(`${ca}.pem`)}`,
    `kv.certfile=${path(`${certificate}.pem`)}`,
    `kv.keyfile=${path(`${certificate}.key`)}`,
    'kv.user=root',
    `kv.passwordfile=${path(password)}`,
  ];
  return [
    `--cluster-store=etcd://${TestLan.address}:2379/${prefix}`,
    '--cluster-advertise=eth0',
    ...options.map((option) => `--cluster-store-opt=${option}`),
  ];
}

async function restartWith(access: Partial<Access>): Promise<void> {
  await engine.daemon.stop();
  engine.daemon.args = argsOf({ ...RIGHT, ...access });
  await engine.daemon.start();
}

describe('a daemon whose store asks for a certificate and a password', () => {
  test('takes part with the right ones', async () => {
    await eventually(async () => assert.match((await engine.fairway('cluster', 'status')) ?? '', /Reachable: yes/));
    clean = await snapshot(engine.host);
    await on('network create -d overlay --attachable shared');
    await on('network create local');
    await on('run -d --name web --network local busybox httpd -f -h /etc');
  });

  for (const { what, access, says } of WRONG) {
    test(`with ${what} says so, and networks of its own go on`, async () => {
      await restartWith(access);
      await eventually(async () => assert.match((await engine.fairway.run(['cluster', 'status'])).stdout, says));
      const refused = await attempt('network create -d overlay other');
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, says);
      assert.match((await attempt('run --rm --network shared busybox true')).stderr, says);
      const fetched = 'busybox timeout 10 busybox wget -qO- http://web/group';
      assert.match(await on(`run --rm --network local busybox ${fetched}`), /root/);
      assert.equal(await on('ps -aq --filter name=web --filter status=running').then((ids) => words(ids).length), 1);
      assert.doesNotMatch(await on('network ls'), /other/);
    });
  }

  test('takes part again with the right ones, and leaves nothing behind', async () => {
    await restartWith({});
    await eventually(() => on('network rm shared'));
    await on('rm -f web');
    await on('network rm local');
    // A start that was refused may have looked for its container's way out already.
    if ((await on('network ls')).includes('docker_gwbridge')) await on('network rm docker_gwbridge');
    await assertUnchanged(engine.host, clean);
  });
});
