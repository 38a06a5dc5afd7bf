import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  type RunResult,
  SHORT_PRESENCE,
  type Snapshot,
  snapshot,
  startEngine,
  TestEtcd,
  TestLan,
} from '../support/index.ts';

/** What the clocks of the hosts' daemons show beside the time: they are hours apart all the while. */
const HOURS_OFF = [0, 5, -3] as const;

function clockOff(hours: number): Readonly<Record<string, string>> {
  const script = `
    const off = ${hours} * 3_600_000;
    const Right = Date;
    globalThis.Date = class Date extends Right {
      constructor(...given) {
        if (given.length === 0) super(Right.now() + off);
        else super(...given);
      }
      static now() {
        return Right.now() + off;
      }
    };
    Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + off });`;
  return hours === 0 ? {} : { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(script)}` };
}

const undo = new AsyncDisposableStack();
let etcd: TestEtcd;
let hosts: readonly [Engine, Engine, Engine];
let clean: readonly Snapshot[];

before(async () => {
  const lan = undo.use(await TestLan.start());
  const endpoints = ['10.99.0.1', '10.99.0.2', '10.99.0.3'].map((address) => `${address}:2379`);
  const args = [`--cluster-store=etcd://${endpoints.join(',')}/faults`, '--cluster-advertise=eth0', ...SHORT_PRESENCE];
  const [a, b, c] = HOURS_OFF.map((hours) => startEngine({ lan, args, env: clockOff(hours) }));
  assert.ok(a && b && c);
  hosts = await Promise.all([a, b, c]);
  for (const engine of hosts) undo.use(engine);
});
after(() => undo.disposeAsync());

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const on = ({ docker }: Engine, line: string): Promise<string> => docker(...words(line));
const attempt = ({ docker }: Engine, line: string): Promise<RunResult> => docker.run(words(line));
const web = (engine: Engine, name: string, flags = ''): Promise<string> =>
  on(engine, `run -d --name ${name} --network net ${flags} busybox httpd -f -h /etc`);
const addressOf = (engine: Engine, container: string): Promise<string> =>
  on(engine, `inspect -f {{.NetworkSettings.Networks.net.IPAddress}} ${container}`);

/** Whatever a web server on that name or address gives to a container: a file that says nothing of whose it is. */
async function assertReaches(engine: Engine, container: string, name: string): Promise<void> {
  const url = `http://${name}/group`;
  assert.match(await on(engine, `exec ${container} busybox timeout 5 busybox wget -qO- ${url}`), /root/);
}

async function assertUnknown(engine: Engine, container: string, name: string): Promise<void> {
  const { stdout } = await attempt(engine, `exec ${container} busybox nslookup ${name}`);
  assert.doesNotMatch(stdout, /Name:/);
}

async function assertUnreached(engine: Engine, container: string, address: string): Promise<void> {
  assert.notEqual((await attempt(engine, `exec ${container} ping -c 1 -W 1 ${address}`)).code, 0);
}

/** Only the members of etcd on these two still hear each other. */
async function cutFromEachOther({ host }: Engine, { host: other }: Engine): Promise<AsyncDisposable> {
  const rules = [
    'add table inet apart',
    ...['input', 'output'].flatMap((hook) => [
      `add chain inet apart ${hook} { type filter hook ${hook} priority -500; }`,
      `add rule inet apart ${hook} ip ${hook === 'input' ? 'saddr' : 'daddr'} ${other.address} ip protocol != tcp drop`,
    ]),
  ];
  await host.ok(['nft', rules.join('; ')]);
  let cut = true;
  return {
    [Symbol.asyncDispose]: async () => {
      if (cut) await host.ok(['nft', 'delete table inet apart']);
      cut = false;
    },
  };
}

/** Nothing between this host and etcd, not even the member that is on it. */
async function cutFromStore({ host }: Engine): Promise<() => Promise<unknown>> {
  const ports = '{ 2379, 2380 }';
  const chain = (hook: string): string =>
    `add chain inet cut ${hook} { type filter hook ${hook} priority -500; }
    add rule inet cut ${hook} tcp dport ${ports} drop
    add rule inet cut ${hook} tcp sport ${ports} drop`;
  await host.ok(['nft', `add table inet cut; ${chain('input')}; ${chain('output')}`.replaceAll('\n', ';')]);
  return () => host.ok(['nft', 'delete table inet cut']);
}

describe('three hosts of a cluster, each with a member of its etcd', () => {
  test('start without it, say so, and take part as soon as it is there', async () => {
    const [a] = hosts;
    assert.match((await attempt(a, 'network create -d overlay net')).stderr, /the cluster cannot be asked/);
    assert.equal(await on(a, 'run --rm busybox echo local'), 'local');
    etcd = undo.use(
      await TestEtcd.start(
        hosts.map(({ host }) => ({ address: host.address, inside: (command) => host.inside(command) })),
      ),
    );
    await eventually(async () => assert.equal((await attempt(a, 'network create -d overlay probe')).stderr, ''));
    for (const engine of hosts) await eventually(() => on(engine, 'network inspect probe'));
    await on(a, 'network rm probe');
    // All nodes are in the packet filter of each.
    clean = await Promise.all(hosts.map(({ host }) => snapshot(host)));
  });

  test('have clocks that are hours apart', async () => {
    const clocks = await Promise.all(hosts.map((engine) => on(engine, 'info -f {{.SystemTime}}')));
    const off = clocks.map((clock) => Math.round((Date.parse(clock) - Date.now()) / 3_600_000) + 0);
    assert.deepEqual(off, HOURS_OFF);
  });

  test('make one network where two make it at once', async () => {
    const create = 'network create -d overlay --attachable --ipv6 net';
    const results = await Promise.all(hosts.map((engine) => attempt(engine, create)));
    assert.equal(results.filter(({ code }) => code === 0).length, 1);
    for (const { code, stderr } of results) if (code !== 0) assert.match(stderr, /already exists/);
    const ids = await Promise.all(
      hosts.map((engine) => eventually(() => on(engine, 'network inspect -f {{.Id}} net'))),
    );
    assert.equal(new Set(ids).size, 1);
    await Promise.all(hosts.map((engine, at) => web(engine, `web${at}`, '--restart always')));
    for (const [at, engine] of hosts.entries()) {
      for (const other of hosts.keys()) await eventually(() => assertReaches(engine, `web${at}`, `web${other}`));
    }
  });

  test('refuse encryption with the reason where a kernel lacks it', async () => {
    const [a] = hosts;
    const { code, stderr } = await attempt(a, 'network create -d overlay --opt encrypted sealed');
    if (code === 0) await on(a, 'network rm sealed');
    else assert.match(stderr, /this kernel lacks CONFIG_INET_ESP/);
  });

  test('outlive the loss of the leader of etcd', async () => {
    const [a, b] = hosts;
    const leader = await etcd.leader();
    await leader.kill();
    await on(a, 'create --name after --network net busybox httpd -f -h /etc');
    await eventually(() => on(a, 'start after'));
    await eventually(() => assertReaches(b, 'web1', 'after'));
    await on(a, 'rm -f after');
    leader.start();
    await etcd.ready();
  });

  test('go on where two are cut off from each other and reach etcd and the third, and have it all back without a restart', async () => {
    const [a, b, c] = hosts;
    const addresses = await Promise.all(hosts.map((engine, at) => addressOf(engine, `web${at}`)));
    const pids = hosts.map(({ daemon }) => daemon.pid);
    await using heal = await cutFromEachOther(a, b);
    await assertUnreached(a, 'web0', addresses[1] ?? '');
    await assertUnreached(b, 'web1', addresses[0] ?? '');
    for (const other of ['web0', 'web1']) await assertReaches(c, 'web2', other);
    for (const [engine, name] of [
      [a, 'web0'],
      [b, 'web1'],
    ] as const)
      await assertReaches(engine, name, 'web2');
    // Nobody is dead: names are answered, and who joins is known to all.
    await web(a, 'apart');
    await eventually(() => assertReaches(c, 'web2', 'apart'));
    await eventually(async () => assert.match(await on(b, 'exec web1 busybox nslookup apart'), /Address.*10\./));
    await heal[Symbol.asyncDispose]();
    await eventually(() => assertReaches(a, 'web0', 'web1'));
    await eventually(() => assertReaches(b, 'web1', 'apart'));
    const now = await Promise.all(hosts.map((engine, at) => addressOf(engine, `web${at}`)));
    assert.deepEqual([now, hosts.map(({ daemon }) => daemon.pid)], [addresses, pids]);
    assert.ok(!addresses.includes(await addressOf(a, 'apart')));
    await on(a, 'rm -f apart');
    for (const [engine, name] of [
      [b, 'web1'],
      [c, 'web2'],
    ] as const) {
      await eventually(() => assertUnknown(engine, name, 'apart'));
    }
  });

  test('go on where one is cut off from etcd, and agree when it is healed, also over what etcd has forgotten', async () => {
    const [a, b, c] = hosts;
    const address = await addressOf(c, 'web2');
    const heal = await cutFromStore(c);
    await eventually(() => assertUnknown(a, 'web0', 'web2'));
    await assertReaches(a, 'web0', address);
    await assertReaches(c, 'web2', 'web0');
    assert.match((await attempt(c, 'run --rm --network net busybox true')).stderr, /cluster/);
    assert.equal(await on(c, 'run --rm busybox echo local'), 'local');
    await web(b, 'late');
    await on(a, 'rm -f web0');
    assert.notEqual(await addressOf(b, 'late'), address);
    await etcd.compact();
    await heal();
    await eventually(() => assertReaches(c, 'web2', 'late'));
    await eventually(() => assertUnknown(c, 'web2', 'web0'));
    await eventually(() => assertReaches(b, 'late', 'web2'));
    assert.equal(await addressOf(c, 'web2'), address);
    await web(a, 'web0', '--restart always');
    const addresses = [await addressOf(a, 'web0'), await addressOf(b, 'web1'), await addressOf(b, 'late'), address];
    assert.equal(new Set(addresses).size, 4);
  });

  test('forget the names of one that dies, and know it again when it is back', async () => {
    const [a, b, c] = hosts;
    const address = await addressOf(c, 'web2');
    await etcd.members[2]?.kill();
    await c.daemon.killHard();
    await c.host.loseAllButDisk();
    await eventually(() => assertUnknown(a, 'web0', 'web2'));
    // Its address is kept for it.
    await web(b, 'other');
    assert.notEqual(await addressOf(b, 'other'), address);
    etcd.members[2]?.start();
    await etcd.ready();
    await c.daemon.start();
    await eventually(() => assertReaches(a, 'web0', 'web2'));
    await eventually(() => assertReaches(c, 'web2', 'web0'));
  });

  test('follow one to another address, with all that it has, and back', async () => {
    const [a, , c] = hosts;
    const container = await addressOf(c, 'web2');
    const before = c.host.address;
    const moved = '10.99.0.13';
    for (const [from, to] of [
      [before, moved],
      [moved, before],
    ] as const) {
      await c.daemon.stop();
      // The first one counts; its member of etcd stays where it was.
      const all = [...new Set([to, before])];
      await c.host.ok([
        'sh',
        '-ec',
        `ip -4 addr flush dev eth0
        ${all.map((address) => `ip addr add ${address}/24 dev eth0`).join('\n')}
        ip route add default via ${TestLan.address}`,
      ]);
      await c.daemon.start();
      await eventually(() => assertReaches(a, 'web0', 'web2'));
      await eventually(() => assertReaches(c, 'web2', 'web0'));
      for (const { host } of hosts.slice(0, 2)) {
        await eventually(async () => {
          const nodes = await host.ok(['nft', 'list', 'set', 'inet', 'fairway', 'nodes4']);
          assert.match(nodes, new RegExp(`\\b${to.replaceAll('.', '\\.')}\\b`));
          assert.doesNotMatch(nodes, new RegExp(`\\b${from.replaceAll('.', '\\.')}\\b`));
          const entries = await host.ok(['bridge', 'fdb', 'show']);
          assert.match(entries, new RegExp(`dst ${to.replaceAll('.', '\\.')} `));
          assert.doesNotMatch(entries, new RegExp(`dst ${from.replaceAll('.', '\\.')} `));
        });
      }
      assert.equal(await addressOf(c, 'web2'), container);
    }
  });

  test('put back a network that somebody has deleted from etcd', async () => {
    const [a, b] = hosts;
    const id = await on(a, 'network inspect -f {{.Id}} net');
    const key = (text: string): string => Buffer.from(text).toString('base64');
    const claimed = async (): Promise<unknown> => {
      const range = { key: key('faults/addresses/'), range_end: key('faults/addresses0'), count_only: true };
      return (await etcd.members[0]?.post<{ count?: string }>('kv/range', range))?.count;
    };
    const before = await claimed();
    await etcd.members[0]?.post('kv/deleterange', { key: key('faults/'), range_end: key('faults0') });
    // Who joins before that may be given an address that is not claimed again yet.
    await eventually(async () => assert.equal(await claimed(), before));
    await eventually(() => web(b, 'again'));
    await eventually(() => assertReaches(a, 'web0', 'again'));
    assert.equal(await on(b, 'network inspect -f {{.Id}} net'), id);
    await on(b, 'rm -f again');
  });

  test('leave nothing behind', async () => {
    for (const engine of hosts) {
      const ids = words((await on(engine, 'ps -aq')).replaceAll('\n', ' '));
      await on(engine, `rm -f ${ids.join(' ')}`);
    }
    await eventually(() => on(hosts[0], 'network rm net'));
    for (const engine of hosts) {
      await eventually(async () => assert.doesNotMatch(await on(engine, 'network ls'), /overlay/));
      if ((await on(engine, 'network ls')).includes('docker_gwbridge')) await on(engine, 'network rm docker_gwbridge');
    }
    for (const [at, { host }] of hosts.entries()) await assertUnchanged(host, clean[at] as Snapshot);
  });
});
