import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { parseIp } from '../../base/index.ts';
import { NftMonitor } from '../../kernel/index.ts';
import type { FirewallEntry, Protocol } from '../../model/index.ts';
import { NftFirewall } from './nft-firewall.ts';
import { link, network, openPort, port, testId } from './testing/entries.ts';
import { Lab } from './testing/lab.ts';

/**
 * Real packets. Bridge `fwd` (a name that is a word of nft's grammar): one, two. Bridge `other`: three. `lan` is a neighbour
 * of the host with routes to everything by way of it, so that what is dropped is dropped by the filter.
 */
const timeout = 60_000;
const udp: { protocol: Protocol } = { protocol: 'udp' };
const other = { ...udp, networkId: testId('b'), endpointId: testId('f'), bridge: 'other' } as const;
const FWD = [network('fwd', '172.30.0.0/24'), network('fwd', 'fd00:30::/64')];
const OTHER = [network('other', '172.31.0.0/24', other), network('other', 'fd00:31::/64', other)];

describe('what packets do', { timeout }, () => {
  let lab: Lab;

  before(async () => {
    lab = new Lab();
    lab.neighbour('lan', ['192.0.2.1/24', '192.0.2.9/24'], ['2001:db8::1/64', '2001:db8::9/64']);
    lab.bridge('fwd', '172.30.0.1/24', 'fd00:30::1/64');
    lab.bridge('other', '172.31.0.1/24', 'fd00:31::1/64');
    for (const [name, bridge, net, last] of [
      ['one', 'fwd', 30, 2],
      ['two', 'fwd', 30, 3],
      ['three', 'other', 31, 2],
    ] as const) {
      lab.container(name, bridge, [
        [`172.${net}.0.1/24`, `172.${net}.0.${last}/24`],
        [`fd00:${net}::1/64`, `fd00:${net}::${last}/64`],
      ]);
    }
    for (const name of ['one', 'two', 'three', 'lan']) {
      await lab.serve(name, 80);
      await lab.serve(name, 81);
    }
  });
  after(() => lab[Symbol.asyncDispose]());

  /** `who` is answered by what `answers` says, which names the answerer and the address it saw. */
  async function reaches(who: string, ip: string, number: number, answer: string): Promise<void> {
    assert.equal(await lab.ask(who, ip, number, 'answer'), answer, `${who} → ${ip} ${number}`);
  }

  async function fails(who: string, ...targets: readonly (readonly [ip: string, number: number])[]): Promise<void> {
    const answers = await Promise.all(targets.map(([ip, number]) => lab.ask(who, ip, number, 'nothing')));
    assert.deepEqual(answers, Array(targets.length).fill(undefined), `${who} → ${targets.join(' ')}`);
  }

  const rules = (...entries: readonly FirewallEntry[]): Promise<void> =>
    lab.firewall.replaceAll([...FWD, ...OTHER, ...entries]);

  it('reach neighbours on the bridge, the host reaches containers, nobody else does', async () => {
    await rules();
    await reaches('one', '172.30.0.3', 80, 'two 172.30.0.2');
    await reaches('one', 'fd00:30::3', 80, 'two fd00:30::2');
    await reaches('host', '172.30.0.2', 80, 'one 172.30.0.1');
    await reaches('host', 'fd00:30::2', 80, 'one fd00:30::1');
    await fails('one', ['172.31.0.2', 80], ['fd00:31::2', 80]);
    await fails('three', ['172.30.0.2', 80], ['fd00:30::2', 80]);
    await fails('lan', ['172.30.0.2', 80], ['fd00:30::2', 80], ['192.0.2.1', 80]);
  });

  it('leave with the address of the host, an own one, or as they are', async () => {
    await rules();
    await reaches('one', '192.0.2.9', 80, 'lan 192.0.2.1');
    await reaches('one', '2001:db8::9', 80, 'lan 2001:db8::1');
    const lanIndex = lab.host.rtnl.links.get('lan')?.index ?? 0;
    const source = { ip: parseIp('192.0.2.77'), prefix: 32 };
    lab.host.rtnl.addresses.add(lanIndex, source);
    await lab.firewall.apply({ add: [network('fwd', '172.30.0.0/24', { masquerade: source.ip })] });
    await reaches('one', '192.0.2.9', 80, 'lan 192.0.2.77');
    await lab.firewall.apply({ add: [network('fwd', '172.30.0.0/24', { masquerade: false })] });
    await reaches('one', '192.0.2.9', 80, 'lan 172.30.0.2');
  });

  it('reach a published port from everywhere through every address of the host', async () => {
    await rules(port('0.0.0.0:8080', '172.30.0.2:80', udp), port('[::]:8080', '[fd00:30::2]:80', udp));
    await reaches('lan', '192.0.2.1', 8080, 'one 192.0.2.9');
    await reaches('lan', '2001:db8::1', 8080, 'one 2001:db8::9');
    await reaches('lan', '172.30.0.1', 8080, 'one 192.0.2.9');
    await reaches('three', '192.0.2.1', 8080, 'one 172.30.0.1');
    await reaches('three', 'fd00:31::1', 8080, 'one fd00:30::1');
    // Neighbour and itself: answered through the host.
    await reaches('two', '192.0.2.1', 8080, 'one 172.30.0.1');
    await reaches('one', '192.0.2.1', 8080, 'one 172.30.0.1');
    await reaches('one', '2001:db8::1', 8080, 'one fd00:30::1');
    if (lab.setBridgeNetfilter(true)) {
      await reaches('two', '192.0.2.1', 8080, 'one 172.30.0.1');
      await reaches('two', '172.30.0.2', 80, 'one 172.30.0.3');
      await reaches('two', '192.0.2.9', 80, 'lan 192.0.2.1');
      lab.setBridgeNetfilter(false);
    }
    // The host itself.
    await reaches('host', '127.0.0.1', 8080, 'one 172.30.0.1');
    await reaches('host', '192.0.2.1', 8080, 'one 192.0.2.1');
    await reaches('host', '2001:db8::1', 8080, 'one 2001:db8::1');
    // Left alone, for a relay that listens there.
    await lab.serve('host', 8080, parseIp('::1'));
    await reaches('host', '::1', 8080, 'host ::1');
    // Still not by the container's own address, and not by the other ports.
    await fails('lan', ['172.30.0.2', 80], ['fd00:30::2', 80], ['192.0.2.1', 81], ['192.0.2.9', 8080]);
    await fails('three', ['172.30.0.2', 80]);
    // A wildcard means addresses of the host, not every destination.
    await reaches('one', '192.0.2.9', 80, 'lan 192.0.2.1');
    await fails('one', ['192.0.2.9', 8080]);
  });

  it('reach a port published on one address by that address only', async () => {
    await rules(
      port('192.0.2.1:8080', '172.30.0.2:80', udp),
      port('0.0.0.0:9090', '172.30.0.2:80', udp),
      port('192.0.2.1:9091', '172.31.0.2:80', other),
      port('[2001:db8::1]:8080', '[fd00:30::2]:80', udp),
    );
    await reaches('lan', '192.0.2.1', 8080, 'one 192.0.2.9');
    await reaches('lan', '2001:db8::1', 8080, 'one 2001:db8::9');
    await reaches('lan', '192.0.2.1', 9091, 'three 192.0.2.9');
    await fails('lan', ['172.30.0.1', 8080], ['fd00:30::1', 8080], ['172.30.0.1', 9091]);
    await fails('host', ['127.0.0.1', 8080]);
  });

  it('reach a port published on a loopback address from the host only', async () => {
    await rules(port('127.0.0.1:8080', '172.30.0.2:80', udp), port('0.0.0.0:8081', '172.30.0.2:80', udp));
    const { index } = lab.member('lan').rtnl.links.get('eth0') ?? { index: 0 };
    const lan = lab.member('lan');
    // A hostile neighbour: sends 127.0.0.1 to us, as if it were on the wire.
    lan.rtnl.addresses.remove(1, { ip: parseIp('127.0.0.1'), prefix: 8 });
    lan.rtnl.routes.add({
      destination: { ip: parseIp('127.0.0.1'), prefix: 32 },
      gateway: parseIp('192.0.2.1'),
      linkIndex: index,
    });
    const container = lab.member('three');
    container.rtnl.addresses.remove(1, { ip: parseIp('127.0.0.1'), prefix: 8 });
    container.rtnl.routes.add({
      destination: { ip: parseIp('127.0.0.1'), prefix: 32 },
      gateway: parseIp('172.31.0.1'),
      linkIndex: container.rtnl.links.get('eth0')?.index ?? 0,
    });
    await lab.serve('host', 7070, parseIp('127.0.0.1'));
    await reaches('host', '127.0.0.1', 8080, 'one 172.30.0.1');
    await reaches('host', '127.0.0.1', 7070, 'host 127.0.0.1');
    await fails('lan', ['127.0.0.1', 8080], ['192.0.2.1', 8080]);
    // Loopback is routable on bridges, so that the host reaches containers by it; containers must not reach the host's.
    await fails('three', ['127.0.0.1', 8080], ['127.0.0.1', 7070], ['127.0.0.1', 8081]);
  });

  it('neither leave nor enter an internal network, and cross it inside', async () => {
    for (const closed of [{ internal: true }, { gatewayMode: 'isolated' as const }]) {
      await lab.firewall.replaceAll([
        network('fwd', '172.30.0.0/24', closed),
        network('fwd', 'fd00:30::/64', closed),
        ...OTHER,
        port('0.0.0.0:8080', '172.30.0.2:80', udp),
        port('0.0.0.0:9090', '172.31.0.2:80', other),
      ]);
      await reaches('one', '172.30.0.3', 80, 'two 172.30.0.2');
      await reaches('host', '172.30.0.2', 80, 'one 172.30.0.1');
      await fails('one', ['192.0.2.9', 80], ['2001:db8::9', 80], ['172.31.0.2', 80], ['192.0.2.1', 9090]);
      await fails('lan', ['172.30.0.2', 80], ['fd00:30::2', 80], ['192.0.2.1', 8080]);
    }
  });

  it('enter an unprotected network directly, except from other bridges', async () => {
    await lab.firewall.replaceAll([
      network('fwd', '172.30.0.0/24', { gatewayMode: 'nat-unprotected' }),
      network('fwd', 'fd00:30::/64', { gatewayMode: 'nat-unprotected' }),
      ...OTHER,
      port('0.0.0.0:8080', '172.30.0.2:80', udp),
    ]);
    await reaches('lan', '172.30.0.2', 81, 'one 192.0.2.9');
    await reaches('lan', 'fd00:30::2', 81, 'one 2001:db8::9');
    await reaches('three', '192.0.2.1', 8080, 'one 172.30.0.1');
    await fails('three', ['172.30.0.2', 80], ['fd00:30::2', 80]);
  });

  it('enter a routed network at open ports, untranslated', async () => {
    await lab.firewall.replaceAll([
      network('fwd', '172.30.0.0/24', { gatewayMode: 'routed' }),
      network('fwd', 'fd00:30::/64', { gatewayMode: 'routed' }),
      ...OTHER,
      openPort('172.30.0.2:80', udp),
      openPort('[fd00:30::2]:80', udp),
    ]);
    await reaches('lan', '172.30.0.2', 80, 'one 192.0.2.9');
    await reaches('lan', 'fd00:30::2', 80, 'one 2001:db8::9');
    await reaches('one', '192.0.2.9', 80, 'lan 172.30.0.2');
    await fails('lan', ['172.30.0.2', 81], ['fd00:30::2', 81], ['172.30.0.3', 80]);
  });

  it('go on in flows that have begun, while the table is made anew', async () => {
    const published = port('0.0.0.0:8080', '172.30.0.2:80', udp);
    await rules(published);
    const inward = await lab.conversation('lan', '192.0.2.1', 8080);
    const outward = await lab.conversation('two', '192.0.2.9', 80);
    for (let round = 0; round < 3; round += 1) {
      assert.equal(await inward('answer'), 'one 192.0.2.9');
      assert.equal(await outward('answer'), 'lan 192.0.2.1');
      await rules(published);
    }
    await rules();
    assert.equal(await outward('answer'), 'lan 192.0.2.1');
    await fails('lan', ['192.0.2.1', 8080]);
  });

  it('enter from a trusted interface', async () => {
    await lab.firewall.replaceAll([network('fwd', '172.30.0.0/24', { trustedInterfaces: ['lan'] }), ...OTHER]);
    await reaches('lan', '172.30.0.3', 81, 'two 192.0.2.9');
    await fails('three', ['172.30.0.3', 81]);
    // The bridge has no entry for IPv6, so nothing of it passes.
    await fails('lan', ['fd00:30::2', 80]);
    await fails('one', ['2001:db8::9', 80]);
  });
});

describe('what packets do where icc is off', { timeout }, () => {
  let lab: Lab;

  before(async () => {
    lab = new Lab();
    lab.neighbour('lan', ['192.0.2.1/24', '192.0.2.9/24']);
    lab.bridge('fwd', '172.30.0.1/24');
    for (const [name, last] of [
      ['one', 2],
      ['two', 3],
    ] as const) {
      lab.container(name, 'fwd', [['172.30.0.1/24', `172.30.0.${last}/24`]], true);
      // By way of the gateway, where port isolation does not see it.
      const { rtnl } = lab.member(name);
      const linkIndex = rtnl.links.get('eth0')?.index ?? 0;
      const neighbour = { ip: parseIp(`172.30.0.${last === 2 ? 3 : 2}`), prefix: 32 };
      rtnl.routes.add({ destination: neighbour, gateway: parseIp('172.30.0.1'), linkIndex });
      for (const number of [80, 81]) await lab.serve(name, number);
    }
    await lab.serve('lan', 80);
  });
  after(() => lab[Symbol.asyncDispose]());

  it('pass between neighbours only where a link or a published port says so', async () => {
    const closed = network('fwd', '172.30.0.0/24', { icc: false });
    await lab.firewall.replaceAll([closed, port('0.0.0.0:8080', '172.30.0.2:80', udp)]);
    assert.equal(await lab.ask('one', '172.30.0.3', 80, 'nothing'), undefined);
    assert.equal(await lab.ask('one', '192.0.2.9', 80, 'answer'), 'lan 192.0.2.1');
    assert.equal(await lab.ask('two', '192.0.2.1', 8080, 'answer'), 'one 172.30.0.1');
    const allowed = link('172.30.0.2', '172.30.0.3:80', udp);
    await lab.firewall.apply({ add: [allowed] });
    assert.equal(await lab.ask('one', '172.30.0.3', 80, 'answer'), 'two 172.30.0.2');
    assert.equal(await lab.ask('one', '172.30.0.3', 81, 'nothing'), undefined);
    assert.equal(await lab.ask('two', '172.30.0.2', 80, 'nothing'), undefined);
    await lab.firewall.apply({ remove: [allowed] });
    assert.equal(await lab.ask('one', '172.30.0.3', 80, 'nothing'), undefined);
  });
});

describe('the table', { timeout }, () => {
  let lab: Lab;
  before(() => {
    lab = new Lab();
  });
  after(() => lab[Symbol.asyncDispose]());

  const list = (): string => lab.nft.run('list table inet fairway');

  it('is rebuilt at the next change after somebody flushed everything', async () => {
    await lab.firewall.replaceAll(FWD);
    await lab.firewall.apply({ add: [port('0.0.0.0:8080', '172.30.0.2:80')] });
    lab.nft.run('flush ruleset');
    await lab.firewall.apply({ remove: [port('0.0.0.0:8080', '172.30.0.2:80')] });
    assert.match(list(), /enter6 [^}]*"fwd" comment "network aaaaaaaaaaaa" : jump protected6/);
    lab.nft.run('flush ruleset');
    await lab.firewall.apply({ add: [port('0.0.0.0:8081', '172.30.0.2:80')] });
    assert.match(list(), /6 \. 8081 comment "network aaaaaaaaaaaa endpoint eeeeeeeeeeee" : 172\.30\.0\.2 \. 80/);
  });

  it('is heard of when somebody else changes it, and not when we do', async () => {
    const heard: string[] = [];
    using _monitor = NftMonitor.open({ netns: lab.host.ns }, (change) =>
      heard.push(change.kind === 'table' ? change.table : change.kind),
    );
    await lab.firewall.replaceAll(FWD);
    await lab.firewall.apply({ add: [port('0.0.0.0:8080', '172.30.0.2:80')] });
    const before = list();
    for (const script of [
      'delete element inet fairway wildcard4 { tcp . 8080 }',
      'flush chain inet fairway forward',
      'delete table bridge fairway',
      'flush ruleset',
    ]) {
      // By another process: this one's changes are its own.
      execFileSync('nsenter', [`--net=${lab.host.path}`, 'nft', script]);
      await lab.until(() => heard.length > 0);
      assert.ok(
        heard.every((table) => /^(inet|bridge) fairway(_user)?$/.test(table)),
        heard.join(),
      );
      heard.length = 0;
      assert.equal(await lab.firewall.restore(), true);
      assert.equal(list(), before);
      // Messages come in order: before this one nothing was heard of what we did.
      execFileSync('nsenter', [`--net=${lab.host.path}`, 'nft', 'add table ip fwt_mark']);
      await lab.until(() => heard.includes('ip fwt_mark'));
      assert.deepEqual(heard, ['ip fwt_mark']);
      lab.nft.run('delete table ip fwt_mark');
      heard.length = 0;
    }
  });

  it('stands beside one for rules of others, made where it is missing and never changed', async () => {
    await lab.firewall.replaceAll(FWD);
    lab.nft.run('add rule inet fairway_user forward counter drop');
    const theirs = lab.nft.run('list table inet fairway_user');
    lab.nft.run('delete table inet fairway');
    await lab.firewall.restore();
    await new NftFirewall({ nft: lab.nft }).replaceAll(FWD);
    assert.equal(lab.nft.run('list table inet fairway_user'), theirs);
    lab.nft.run('flush ruleset');
    await lab.firewall.restore();
    assert.match(lab.nft.run('list table inet fairway_user'), /hook forward priority -10; policy accept;\n\t}/);
  });

  it('survives the loss of a single element, and tables of others stay as they are', async () => {
    lab.nft.run(
      'add table inet operator; add chain inet operator mine { type filter hook forward priority filter - 10; }',
    );
    await lab.firewall.replaceAll([...FWD, port('0.0.0.0:8080', '172.30.0.2:80')]);
    lab.nft.run('delete element inet fairway wildcard4 { tcp . 8080 }');
    await lab.firewall.apply({ remove: [port('0.0.0.0:8080', '172.30.0.2:80')] });
    assert.match(lab.nft.run('list table inet operator'), /chain mine/);
  });

  it('takes ten thousand ports at once, gives them back, and goes', async () => {
    await lab.firewall.replaceAll(FWD);
    const before = list();
    const ports = Array.from({ length: 10_000 }, (_, index) => port(`0.0.0.0:${index + 1}`, '172.30.0.2:80'));
    await lab.firewall.apply({ add: ports });
    await lab.firewall.replaceAll(lab.firewall.entries());
    await lab.firewall.apply({ remove: ports });
    assert.equal(list(), before);
    await lab.firewall.tearDown();
    await lab.firewall.tearDown();
    assert.doesNotMatch(lab.nft.run('list tables'), /fairway$/m);
  });
});
