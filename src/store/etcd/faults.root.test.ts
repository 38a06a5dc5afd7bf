import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Cable } from '../../../test/support/cable.ts';
import { TestEtcd } from '../../../test/support/etcd.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { FairwayError, ManualClock } from '../../base/index.ts';
import type { StoreChange } from '../../model/index.ts';
import { EtcdStore, type EtcdStoreDeps } from './index.ts';

let prefixes = 0;
let cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const clean of cleanups.reverse()) await clean();
  cleanups = [];
});

async function open(endpoints: readonly string[], prefix?: string, deps: EtcdStoreDeps = {}): Promise<EtcdStore> {
  prefixes += 1;
  const store = await EtcdStore.open({ endpoints, prefix: prefix ?? `test/${prefixes}` }, deps);
  cleanups.push(() => store.close());
  return store;
}

async function cableTo(endpoint: string): Promise<Cable> {
  const cable = await Cable.to(endpoint);
  cleanups.push(() => cable[Symbol.asyncDispose]());
  return cable;
}

/** Until it is made; whether an attempt that failed was made, the expectation tells. */
async function putOnce(store: EtcdStore, key: string, value: unknown): Promise<void> {
  await eventually(async () => {
    try {
      await store.commit([{ put: key, value, expect: 0 }]);
    } catch (error) {
      if (!(error instanceof FairwayError) || error.code !== 'store_conflict') throw error;
    }
  });
}

describe('a store on three members', () => {
  let etcd: TestEtcd;

  before(async () => {
    etcd = await TestEtcd.start(3);
  });

  after(() => etcd[Symbol.asyncDispose]());

  it('goes on when the leader is killed, and when it is there again', async () => {
    const leader = await etcd.leader();
    // The leader first: it is the one that is asked.
    const endpoints = [leader.endpoint, ...etcd.endpoints.filter((endpoint) => endpoint !== leader.endpoint)];
    const store = await open(endpoints);
    const seen: StoreChange[] = [];
    await store.follow('n/', (change) => seen.push(change));
    const lease = await store.grantLease(30);
    await store.commit([{ put: 'n/leased', value: 1 }], { lease });
    await leader.kill();
    assert.equal((await eventually(() => store.get('n/leased')))?.value, 1);
    for (let at = 0; at < 5; at += 1) await putOnce(store, `n/${at}`, at);
    const all = ['n/leased', 'n/0', 'n/1', 'n/2', 'n/3', 'n/4'];
    await eventually(() =>
      assert.deepEqual(
        seen.map(({ key }) => key),
        all,
      ),
    );
    leader.start();
    await etcd.ready();
    await putOnce(store, 'n/again', 1);
    await eventually(() =>
      assert.deepEqual(
        seen.map(({ key }) => key),
        [...all, 'n/again'],
      ),
    );
    assert.equal(lease.held, true);
    assert.deepEqual(await lease.keys(), ['n/leased']);
  });

  it('leaves a member that stands still', async () => {
    const [first] = etcd.members;
    assert.ok(first);
    const store = await open(etcd.endpoints);
    const seen: string[] = [];
    await store.follow('n/', ({ key }) => seen.push(key));
    await store.put('n/before', 1);
    first.pause();
    cleanups.push(async () => {
      first.resume();
      await etcd.ready();
    });
    assert.equal((await eventually(() => store.get('n/before')))?.value, 1);
    await putOnce(store, 'n/during', 1);
    await eventually(() => assert.deepEqual(seen, ['n/before', 'n/during']));
    assert.equal(store.reachable, true);
  });

  it('says within a bounded time that nobody answers, loses its lease by its own clock, and recovers', async () => {
    const store = await open(etcd.endpoints);
    const seen: string[] = [];
    await store.follow('n/', ({ key }) => seen.push(key));
    const lease = await store.grantLease(2);
    await store.commit([{ put: 'n/leased', value: 1 }], { lease });
    let lost = 0;
    lease.onLost(() => {
      lost += 1;
    });
    for (const member of etcd.members) member.pause();
    cleanups.push(async () => {
      for (const member of etcd.members) member.resume();
      await etcd.ready();
    });
    await assert.rejects(store.get('n/leased'), { code: 'store_unreachable', message: /it does not answer/ });
    await assert.rejects(store.put('n/x', 1), { code: 'store_unreachable' });
    assert.equal(store.reachable, false);
    await eventually(() => assert.deepEqual([lost, lease.held], [1, false]));
    for (const member of etcd.members) member.resume();
    await eventually(() => assert.equal(store.reachable, true));
    await putOnce(store, 'n/after', 1);
    await eventually(() => assert.ok(seen.includes('n/after')));
    await eventually(async () => assert.equal(await store.get('n/leased'), undefined));
  });
});

describe('a store on one member', () => {
  let etcd: TestEtcd;

  before(async () => {
    etcd = await TestEtcd.start(1, { flags: ['--experimental-watch-progress-notify-interval', '100ms'] });
  });

  after(() => etcd[Symbol.asyncDispose]());

  const endpoint = (): string => etcd.endpoints[0] ?? '';

  it('does not make a commit twice whose answer was lost', async () => {
    const cable = await cableTo(endpoint());
    const store = await open([cable.endpoint], 'ambiguous');
    const other = await open([endpoint()], 'ambiguous');
    const before = await store.put('a', 1);
    cable.loseAnswers();
    await assert.rejects(store.put('a', 2), { code: 'store_unreachable' });
    const found = await eventually(async () => {
      const now = await other.get<number>('a');
      assert.equal(now?.value, 2);
      return now;
    });
    assert.equal(found.revision, before + 1);
    cable.heal();
    assert.equal((await eventually(() => store.get('a')))?.revision, before + 1);
  });

  it('makes a commit that had not been sent, as soon as somebody is there', async () => {
    const cable = await cableTo(endpoint());
    const store = await open([cable.endpoint]);
    await store.follow('', () => {});
    cable.cut();
    await eventually(() => assert.equal(store.reachable, false));
    const put = store.put('a', 1);
    cable.heal();
    await put;
    assert.equal((await store.get('a'))?.value, 1);
  });

  it('hears of nothing twice, and of all, when it is interrupted again and again', async () => {
    const cable = await cableTo(endpoint());
    const store = await open([cable.endpoint], 'often');
    const other = await open([endpoint()], 'often');
    const seen: unknown[] = [];
    await store.follow('n/', ({ value }) => seen.push(value));
    for (let at = 0; at < 30; at += 1) {
      if (at % 6 === 3) cable.cut();
      await other.put('n/a', at);
      if (at % 6 === 5) cable.heal();
    }
    await eventually(() =>
      assert.deepEqual(
        seen,
        Array.from({ length: 30 }, (_, at) => at),
      ),
    );
  });

  it('resumes where nothing happened for it, although the history is forgotten', async () => {
    const cable = await cableTo(endpoint());
    const store = await open([cable.endpoint], 'quiet');
    const other = await open([endpoint()], 'quiet');
    const seen: string[] = [];
    await store.follow('n/', ({ key }) => seen.push(key));
    const last = await other.put('elsewhere', 1);
    // Told by etcd itself, now and then: up to here nothing is missing.
    await eventually(() => assert.ok(store.followedTo >= last, `${store.followedTo} of ${last}`));
    cable.cut();
    await etcd.compact();
    cable.heal();
    await other.put('n/a', 1);
    await eventually(() => assert.deepEqual(seen, ['n/a']));
  });

  it('looks for a store that is away later and later, and calls nobody in vain meanwhile', async () => {
    const clock = new ManualClock();
    const cable = await cableTo(endpoint());
    const store = await open([cable.endpoint], undefined, { clock });
    await store.follow('n/', () => {});
    await store.grantLease(3_600);
    cable.cut();
    await eventually(async () => {
      await clock.advance(50);
      assert.equal(store.reachable, false);
    });
    const before = cable.connections;
    for (let second = 0; second < 60; second += 1) await clock.advance(1_000);
    // Two streams and a probe, each at most every two seconds.
    assert.ok(cable.connections - before <= 95, String(cable.connections - before));
    cable.heal();
    await eventually(async () => {
      await clock.advance(1_000);
      assert.equal(store.reachable, true);
    });
  });

  it('names what is too large for one transaction', async () => {
    const store = await open([endpoint()]);
    const many = Array.from({ length: 129 }, (_, at) => ({ put: `n/${at}`, value: 1 }));
    await assert.rejects(store.commit(many), { code: 'store_too_large', kind: 'invalid' });
    await assert.rejects(store.put('n/a', 'x'.repeat(2_000_000)), { code: 'store_too_large' });
    assert.deepEqual(await store.list(''), []);
  });
});

describe('a store that is put back to a backup', () => {
  it('tells what is otherwise, and goes on telling', async () => {
    await using etcd = await TestEtcd.start(1);
    const [member] = etcd.members;
    assert.ok(member);
    const store = await open(etcd.endpoints, 'backup');
    const now = new Map<string, unknown>();
    await store.follow('n/', ({ key, value }) => (value === undefined ? now.delete(key) : now.set(key, value)));
    const reachable: boolean[] = [];
    store.onReachable((is) => reachable.push(is));
    await store.put('n/kept', 1);
    await store.put('n/deleted', 1);
    await member.kill();
    member.backUp();
    member.start();
    await eventually(() => store.put('n/late', 1));
    await store.put('n/kept', 2);
    await store.delete('n/deleted');
    // Revisions that its followers have heard of, and that will be others'.
    for (let at = 0; at < 20; at += 1) await store.put('n/late', at);
    await eventually(() => assert.deepEqual([...now.keys()].sort(), ['n/kept', 'n/late']));
    await member.kill();
    member.restore();
    member.start();
    await eventually(() =>
      assert.deepEqual([...now].sort(), [
        ['n/deleted', 1],
        ['n/kept', 1],
      ]),
    );
    await eventually(() =>
      assert.deepEqual([store.reachable, reachable.at(-1), reachable.includes(false)], [true, true, true]),
    );
    await store.put('n/after', 1);
    await eventually(() => assert.equal(now.get('n/after'), 1));
  });
});

describe('a store that asks who one is', () => {
  it('is told, also after it forgot; who is refused hears why', async () => {
    await using etcd = await TestEtcd.start(1);
    const [member] = etcd.members;
    const as = (login?: { user: string; password: string }): Promise<EtcdStore> => {
      const options = { endpoints: etcd.endpoints, prefix: 'login', ...(login && { login }) };
      return EtcdStore.open(options).then((store) => {
        cleanups.push(() => store.close());
        return store;
      });
    };
    // Nobody asks yet: who has a password is let in as well.
    await (await as({ user: 'root', password: 'early' })).put('a', 1);
    await etcd.askForPassword('secret');
    const store = await as({ user: 'root', password: 'secret' });
    const seen: string[] = [];
    await store.follow('n/', ({ key }) => seen.push(key));
    const lease = await store.grantLease(30);
    await store.commit([{ put: 'n/a', value: 1 }], { lease });
    await assert.rejects((await as({ user: 'root', password: 'wrong' })).get('a'), {
      code: 'store_login',
      kind: 'unavailable',
      message: /refuses user "root": authentication failed, invalid user ID or password/,
    });
    await assert.rejects((await as()).get('a'), { code: 'store_login', message: /--cluster-store-opt kv.user/ });
    // What it knows of tokens goes with the process.
    await member?.kill();
    member?.start();
    await eventually(async () => assert.equal((await store.get('n/a'))?.value, 1));
    await store.put('n/b', 1);
    await eventually(() => assert.deepEqual(seen, ['n/a', 'n/b']));
    assert.equal(lease.held, true);
  });
});

describe('a store that is not there yet', () => {
  it('opens, says where it is not, and is found when it comes', async () => {
    await using etcd = await TestEtcd.start(1);
    const [member] = etcd.members;
    await member?.kill();
    const store = await open(etcd.endpoints);
    await assert.rejects(store.get('a'), {
      code: 'store_unreachable',
      message: new RegExp(`^cannot reach the cluster store at ${member?.endpoint}: connect ECONNREFUSED`),
    });
    const heard: boolean[] = [];
    store.onReachable((reachable) => heard.push(reachable));
    member?.start();
    await eventually(() => assert.deepEqual(heard, [true]));
    await store.put('a', 1);
    await store.close();
  });
});
