import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
  timeUntil,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;
const words = (line: string): string[] => line.split(' ');
const docker = (line: string): Promise<string> => engine.docker(...words(line));
const nft = (script: string): Promise<string> => engine.host.ok(['nft', ...words(script)]);

type Place = 'lan' | 'host' | 'container';

async function reaches(from: Place, target: string, seconds: number): Promise<boolean> {
  const command = words(`busybox timeout ${seconds} busybox wget -qO- http://${target}/group`);
  const result =
    from === 'container' ? await engine.docker.run(['exec', 'client', ...command]) : await engine[from].run(command);
  return result.code === 0 && result.stdout.includes('root');
}

async function open(from: Place, ...targets: readonly string[]): Promise<void> {
  const tries = targets.map((target) =>
    eventually(async () => assert.ok(await reaches(from, target, 5), `${from} should reach ${target}`)),
  );
  await Promise.all(tries);
}

/** After {@link open} has shown that the way is there but for the rule in question. */
async function closed(from: Place, ...targets: readonly string[]): Promise<void> {
  const reached = await Promise.all(targets.map((target) => reaches(from, target, 2)));
  assert.deepEqual(reached, Array(targets.length).fill(false), `${from} should not reach ${targets.join(' ')}`);
}

/** What others have in the packet filter. */
async function foreign(): Promise<string> {
  const listing = await engine.host.ok(['nft', '-s', 'list', 'ruleset']);
  return listing
    .split(/^(?=table )/m)
    .filter((table) => !/^table (inet|bridge) fairway(_seal\d+)? /.test(table))
    .join('')
    .trim();
}

const INPUT_DROP = `table inet guard {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "lo" accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
  }
}`;

describe('published ports past a host firewall', { timeout: 240_000 }, () => {
  before(async () => {
    engine = await startEngine({ args: ['--published-ports=respect-host-firewall'] });
    clean = await snapshot(engine.host);
    await docker('network create --ipv6 pond');
    await docker('run -d --name web --network pond -p 8080:80 -p 127.0.0.1:8081:80 busybox httpd -f -h /etc');
    await docker('run -d --name client busybox sleep 600');
  });
  after(() => engine?.[Symbol.asyncDispose]());

  test('are reached where nothing forbids it, and by the daemon that comes next', async () => {
    const { host, daemon } = engine;
    const everywhere = [`${host.address}:8080`, `[${host.address6}]:8080`];
    await open('lan', ...everywhere);
    await daemon.stop();
    await daemon.start();
    await open('lan', ...everywhere);
  });

  test('are closed to the outside by rules of nft for packets to the host, and open where these say so', async () => {
    const { host } = engine;
    const everywhere = [`${host.address}:8080`, `[${host.address6}]:8080`];
    await engine.host.ok(['nft', INPUT_DROP]);
    const theirs = await foreign();
    await closed('lan', ...everywhere);
    await open('host', '127.0.0.1:8080', '[::1]:8080', '127.0.0.1:8081', ...everywhere);
    await open('container', `${host.address}:8080`);
    assert.equal(await foreign(), theirs);
    await nft('add rule inet guard input tcp dport 8080 accept');
    await open('lan', ...everywhere);
    await nft('delete table inet guard');
  });

  for (const kind of ['nft', 'legacy'] as const) {
    test(`are closed and opened by iptables-${kind}`, async () => {
      const { host } = engine;
      const iptables = (line: string): Promise<string> => host.ok(words(`iptables-${kind} ${line}`));
      await iptables('-P INPUT DROP');
      await iptables('-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT');
      const theirs = await iptables('-S');
      await closed('lan', `${host.address}:8080`);
      assert.equal(await iptables('-S'), theirs);
      await iptables('-A INPUT -p tcp --dport 8080 -j ACCEPT');
      await open('lan', `${host.address}:8080`);
      await iptables('-P INPUT ACCEPT');
      await iptables('-F INPUT');
    });
  }

  test('are closed and opened by ufw', async () => {
    const { host } = engine;
    // Its settings and rules stand in files of the machine: a copy in the host's own mount namespace.
    const folder = `${host.directory}/ufw`;
    await host.ok([
      'sh',
      '-ec',
      `cp -a /etc/ufw ${folder}; cp /etc/default/ufw ${folder}.default
       mount --bind ${folder} /etc/ufw; mount --bind ${folder}.default /etc/default/ufw`,
    ]);
    const ufw = (line: string): Promise<string> => host.ok(['ufw', ...words(line)]);
    await ufw('default deny incoming');
    await ufw('--force enable');
    await closed('lan', `${host.address}:8080`, `[${host.address6}]:8080`);
    await ufw('allow 8080/tcp');
    await open('lan', `${host.address}:8080`, `[${host.address6}]:8080`);
    await ufw('delete allow 8080/tcp');
    await closed('lan', `${host.address}:8080`);
    await ufw('disable');
    await host.ok(['umount', '/etc/ufw', '/etc/default/ufw']);
  });

  test('leave nothing behind', async () => {
    await docker('rm -f web client');
    await docker('network rm pond');
    // What is left of iptables is empty.
    for (const table of ['ip filter', 'ip6 filter']) await engine.host.run(['nft', 'delete', 'table', table]);
    await assertUnchanged(engine.host, clean);
  });
});

describe('Fairway beside other rules', { timeout: 240_000 }, () => {
  before(async () => {
    engine = await startEngine();
    clean = await snapshot(engine.host);
    await docker('run -d --name web -p 8080:80 busybox httpd -f -h /etc');
  });
  after(() => engine?.[Symbol.asyncDispose]());

  const restored = (log: string): number => log.split('it is as it should be again').length - 1;

  test('has a place for rules of the operator, which it never changes', async () => {
    const { host, daemon } = engine;
    const target = `${host.address}:8080`;
    await open('lan', target);
    await nft('add rule inet fairway_user forward meta l4proto tcp ct original proto-dst 8080 drop');
    const theirs = await foreign();
    await closed('lan', target);
    await daemon.killHard();
    await daemon.start();
    await docker('run -d --name other -p 8081:80 busybox httpd -f -h /etc');
    await open('lan', `${host.address}:8081`);
    await closed('lan', target);
    assert.equal(await foreign(), theirs);
    await docker('rm -f other');
    await nft('flush chain inet fairway_user forward');
    await open('lan', target);
  });

  test('says which chain of others keeps packets from containers, and what to do', async () => {
    const { host, daemon } = engine;
    const target = `${host.address}:8080`;
    const warnings = async (): Promise<string> => docker('info -f {{.Warnings}}');
    assert.doesNotMatch(await warnings(), /forwarded packets/);
    await host.ok(words('iptables-nft -P FORWARD DROP'));
    await closed('lan', target);
    const said = /chain FORWARD of nftables table ip filter drops forwarded packets of fairway0 \(its policy is drop\)/;
    assert.match(await warnings(), said);
    await daemon.stop();
    await daemon.start();
    await eventually(() => assert.match(daemon.log, said));
    // As it says.
    for (const script of (await warnings()).match(/nft (insert rule [^;\]]* accept)/g) ?? []) {
      await nft(script.replace('nft ', ''));
    }
    await open('lan', target);
    assert.doesNotMatch(await warnings(), /forwarded packets/);
    await nft('delete table ip filter');
  });

  test('notices what others do to its tables, at once, and says so', async (t) => {
    const { host, daemon } = engine;
    const ours = async (): Promise<string> =>
      `${await nft('-s list table inet fairway')}${await nft('-s list table bridge fairway')}`;
    const before = await ours();
    assert.equal(restored(daemon.log), 0);
    for (const script of [
      'flush ruleset',
      'delete table bridge fairway',
      'flush chain inet fairway published',
      'delete element inet fairway wildcard4 { tcp . 8080 }',
      'add rule inet fairway forward drop',
    ]) {
      const already = restored(daemon.log);
      await nft(script);
      const time = await timeUntil(() => assert.ok(restored(daemon.log) > already, script));
      t.diagnostic(`${script}: made good after ${time}`);
      assert.equal(await ours(), before, script);
    }
    await open('lan', `${host.address}:8080`);
    // Its own changes are none of anybody else's.
    const already = restored(daemon.log);
    for (const port of [9001, 9002, 9003]) await docker(`run -d --name p${port} -p ${port}:80 busybox sleep 600`);
    await docker('rm -f p9001 p9002 p9003');
    await nft('delete table bridge fairway');
    await eventually(() => assert.ok(restored(daemon.log) > already));
    assert.equal(restored(daemon.log), already + 1);
  });

  test('leaves nothing behind', async () => {
    await docker('rm -f web');
    await assertUnchanged(engine.host, clean);
  });
});
