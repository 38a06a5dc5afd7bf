import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { ETCD, freePortPair } from '../../../test/support/etcd.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { newId, parseIp, silentLog, systemClock } from '../../base/index.ts';
import { processIdentity } from '../../kernel/index.ts';
import { EtcdStore, type EtcdStoreOptions } from '../../store/index.ts';
import { issue, ManagedCluster, makeAuthority } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'fwt-managed-'));
const A = parseIp('127.0.0.1');
const B = parseIp('127.0.0.2');
let count = 0;
let cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.reverse()) await clean();
  cleanups = [];
});

after(() => rmSync(directory, { recursive: true }));

interface Place {
  readonly folder: string;
  readonly pidFile: string;
}

function place(): Place {
  count += 1;
  return { folder: join(directory, `${count}`), pidFile: join(directory, `${count}.pid`) };
}

async function node(at: Place, program = ETCD): Promise<ManagedCluster> {
  const cluster = await ManagedCluster.open(
    { clock: systemClock, log: silentLog },
    { ...at, nodeId: newId(), program },
  );
  cleanups.push(async () => {
    if (cluster.connection !== undefined) await cluster.leave({ force: true });
  });
  return cluster;
}

async function storeOf(options: EtcdStoreOptions | undefined): Promise<EtcdStore> {
  assert.ok(options);
  const store = await EtcdStore.open(options);
  cleanups.push(() => store.close());
  return store;
}

const pidIn = ({ pidFile }: Place): number => Number(readFileSync(pidFile, 'utf8').split(' ')[0]);

describe('a cluster that keeps its own store', () => {
  it('begins, is joined by a node and by a manager, and is left', async () => {
    const [places, ports] = [
      [place(), place(), place()] as const,
      [await freePortPair(A), await freePortPair(B)] as const,
    ];
    const [first, second, third] = [await node(places[0]), await node(places[1]), await node(places[2])];
    const token = await first.init({ advertise: A, port: ports[0] });
    assert.equal(await first.token(), token);
    const store = await storeOf(first.connection?.store);
    await store.put('a', 1);

    await second.join({ token, advertise: B, manager: false });
    assert.equal((await (await storeOf(second.connection?.store)).get('a'))?.value, 1);
    assert.equal((await second.status())?.manager, false);

    await third.join({ token: `  ${token}\n`, advertise: B, manager: true, port: ports[1] });
    await eventually(async () =>
      assert.equal((await third.status())?.members?.filter(({ name }) => name !== '').length, 2),
    );
    assert.deepEqual((await third.status())?.endpoints, [`127.0.0.2:${ports[1]}`, `127.0.0.1:${ports[0]}`]);
    // A manager that came later is known to whoever asks.
    assert.equal((await second.status())?.endpoints.length, 2);
    assert.equal((await (await storeOf(third.connection?.store)).get('a'))?.value, 1);

    await third.leave({ force: false });
    assert.equal((await first.status())?.members?.length, 1);
    assert.equal(existsSync(places[2].folder), false);
    await second.leave({ force: false });
    await assert.rejects(first.leave({ force: false }), { code: 'last_manager', message: /--force/ });
    assert.equal((await store.get('a'))?.value, 1);
    const pid = pidIn(places[0]);
    await first.leave({ force: true });
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    assert.deepEqual(readdirSync(directory), []);
  });

  it('outlives the daemon, is found by the next one, and is started again when it dies', async () => {
    const at = place();
    const before = await node(at);
    await before.init({ advertise: A, port: await freePortPair(A) });
    const pid = pidIn(at);
    await before.close();
    const next = await node(at);
    cleanups.splice(-2, 1);
    assert.equal(pidIn(at), pid);
    const store = await storeOf(next.connection?.store);
    await store.put('a', 1);
    process.kill(pid, 'SIGKILL');
    await eventually(() => assert.notEqual(pidIn(at), pid));
    await eventually(async () => assert.equal((await store.get('a'))?.value, 1));
    for (const name of ['ca.key', 'node.key', 'cluster.json'])
      assert.equal(statSync(join(at.folder, name)).mode & 0o777, 0o600);
    assert.equal(statSync(at.folder).mode & 0o777, 0o700);
  });

  it('lets in only who has a certificate of its authority, and trusts no other', async () => {
    const at = place();
    const cluster = await node(at);
    await cluster.init({ advertise: A, port: await freePortPair(A) });
    const { connection } = cluster;
    assert.ok(connection?.store.tls);
    const { caFile = '', ...own } = connection.store.tls;
    const foreign = await makeAuthority();
    const stranger = await issue(foreign, { name: 'stranger', address: A });
    const file = (name: string, text: string): string => {
      writeFileSync(join(at.folder, name), text);
      return join(at.folder, name);
    };
    const strangers = { certFile: file('s.pem', stranger.cert), keyFile: file('s.key', stranger.key) };
    const wrong = [{ caFile }, { caFile, ...strangers }, { ...own, caFile: file('f.pem', foreign.cert) }, { ...own }];
    await Promise.all(
      wrong.map(async (tls) => {
        const store = await storeOf({ ...connection.store, tls });
        await assert.rejects(store.get('a'), {
          code: 'store_unreachable',
          message: /certificates in --cluster-store-opt/,
        });
      }),
    );
    const { tls: _, ...plain } = connection.store;
    await assert.rejects((await storeOf(plain)).get('a'), { code: 'store_unreachable' });
    await assert.rejects(EtcdStore.open({ ...connection.store, tls: { caFile: '/nonexistent/ca.pem' } }), {
      code: 'store_bad_certificate',
      message: /\/nonexistent\/ca.pem/,
    });
    await assert.rejects(
      EtcdStore.open({ ...connection.store, tls: { ...own, caFile: join(at.folder, 'cluster.json') } }),
      {
        code: 'store_bad_certificate',
        message: /cluster.json" .*holds no PEM/,
      },
    );
  });

  it('says why it does not begin, and leaves nothing', async () => {
    const port = await freePortPair(A);
    const at = place();
    await assert.rejects((await node(at, '/nonexistent/etcd')).init({ advertise: A, port }), {
      code: 'etcd_missing',
      message: /cannot run "\/nonexistent\/etcd".*install it \(Debian: etcd-server\)/,
    });
    const cluster = await node(at);
    const server = createServer().listen(port + 1, A);
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    await assert.rejects(cluster.init({ advertise: A, port }), {
      code: 'port_taken',
      message: `cannot run etcd on 127.0.0.1 port ${port + 1}: it is taken; choose another with --port`,
    });
    await assert.rejects(cluster.init({ advertise: parseIp('192.0.2.1'), port }), { code: 'not_our_address' });
    assert.equal(cluster.connection, undefined);
    await assert.rejects(cluster.token(), { code: 'no_cluster' });
    await assert.rejects(cluster.leave({ force: true }), { code: 'no_cluster' });
    assert.deepEqual(readdirSync(directory), []);
  });

  it('goes on when a manager does not come, or not in the end', async () => {
    const first = await node(place());
    const token = await first.init({ advertise: A, port: await freePortPair(A) });
    const store = await storeOf(first.connection?.store);
    const places = readdirSync(directory).length;
    const program = join(directory, 'program');
    writeFileSync(program, '#!/bin/sh\n[ "$1" = --version ]\n', { mode: 0o755 });
    cleanups.push(() => rmSync(program));
    const dying = await node(place(), program);
    const port = await freePortPair(B);
    await assert.rejects(dying.join({ token, advertise: B, manager: true, port }), { code: 'etcd_died' });
    await store.put('a', 1);
    assert.equal((await first.status())?.members?.length, 1);

    const at = place();
    const ended = await node(at);
    const joining = ended.join({ token, advertise: B, manager: true, port });
    const refused = assert.rejects(joining, { code: 'daemon_ending' });
    await eventually(() => assert.ok(existsSync(at.pidFile)));
    await ended.close();
    await refused;
    await store.put('a', 2);
    assert.equal((await first.status())?.members?.length, 1);
    assert.equal(readdirSync(directory).length, places + 1);
  });

  it('of which a killed daemon has left something is not there for the next', async () => {
    const at = place();
    const left = spawn('sleep', ['600'], { stdio: 'ignore' });
    cleanups.push(() => left.kill('SIGKILL'));
    await once(left, 'spawn');
    mkdirSync(at.folder);
    writeFileSync(join(at.folder, 'ca.key'), 'secret');
    const identity = await processIdentity(left.pid ?? 0);
    writeFileSync(at.pidFile, `${identity?.pid} ${identity?.startedAt}\n`);
    const next = await node(at);
    assert.equal(next.connection, undefined);
    assert.equal(left.signalCode ?? (await once(left, 'exit'))[1], 'SIGTERM');
    assert.deepEqual(readdirSync(directory), []);
  });

  it('says why it cannot be joined, and leaves nothing', async () => {
    const first = await node(place());
    const token = await first.init({ advertise: A, port: await freePortPair(A) });
    await assert.rejects(first.init({ advertise: A }), { code: 'cluster_exists', message: /leave it first/ });
    await assert.rejects(first.join({ token, advertise: A, manager: false }), { code: 'cluster_exists' });
    const at = place();
    const other = await node(at);
    for (const wrong of ['', 'SWMTKN-1-x', token.slice(0, -9), token.replace('FWC1-', 'FWC1-A')]) {
      await assert.rejects(
        other.join({ token: wrong, advertise: B, manager: false }),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'bad_token');
          assert.ok(wrong === '' || !error.message.includes(wrong));
          return true;
        },
      );
    }
    const port = await freePortPair(B);
    const server = createServer().listen(port, B);
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    await assert.rejects(other.join({ token, advertise: B, manager: true, port }), { code: 'port_taken' });
    await first.leave({ force: true });
    await assert.rejects(other.join({ token, advertise: B, manager: false }), { code: 'store_unreachable' });
    assert.equal(other.connection, undefined);
    assert.deepEqual(readdirSync(directory), []);
  });
});
