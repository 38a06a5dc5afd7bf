import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseCidr, parseIp } from '../../base/index.ts';
import type { Drift } from '../../model/index.ts';
import { NftFirewall, type PacketSeal } from './nft-firewall.ts';
import { guard, link, network, openPort, port, testId } from './testing/entries.ts';

/** Remembers scripts; refuses those that `refuse` names. */
class FakeNft {
  readonly scripts: string[] = [];
  refuse: (script: string) => boolean = () => false;

  run(script: string): void {
    if (this.refuse(script)) throw new Error('No such file or directory');
    this.scripts.push(script);
  }

  list(): string {
    return 'table inet fairway_user';
  }

  runJson(): unknown {
    return {};
  }

  get last(): string {
    return this.scripts.at(-1) ?? '';
  }
}

class FakeSeal implements PacketSeal {
  readonly active = true;
  readonly covered: (readonly string[])[] = [];

  cover(bridges: readonly string[]): void {
    this.covered.push(bridges);
  }

  verify(): readonly Drift[] {
    return [];
  }

  restore(): void {}
}

async function installed(): Promise<{ nft: FakeNft; firewall: NftFirewall }> {
  const nft = new FakeNft();
  const firewall = new NftFirewall({ nft });
  await firewall.replaceAll([network('fwd', '172.30.0.0/16')]);
  return { nft, firewall };
}

describe('NftFirewall', () => {
  it('writes the ruleset of ruleset.golden.nft', async () => {
    const nft = new FakeNft();
    const firewall = new NftFirewall({ nft, seal: new FakeSeal() });
    const internal = { networkId: testId('b'), internal: true };
    const routed = { networkId: testId('c'), gatewayMode: 'routed', masquerade: false } as const;
    const closed = { networkId: testId('d'), icc: false, masquerade: parseIp('192.0.2.7'), trustedInterfaces: ['wg0'] };
    await firewall.replaceAll([
      network('fwd', '172.30.0.0/16'),
      network('fwd', 'fd00:30::/64'),
      port('0.0.0.0:8080', '172.30.0.2:80'),
      port('[::]:8080', '[fd00:30::2]:80'),
      port('127.0.0.1:5432', '172.30.0.3:5432'),
      network('br-bbbbbbbbbbbb', '172.31.0.0/24', internal),
      network('br-cccccccccccc', '172.31.1.0/24', routed),
      openPort('172.31.1.2:443', routed),
      network('br-dddddddddddd', '172.31.2.0/24', closed),
      link('172.31.2.2', '172.31.2.3:6379', { networkId: testId('d') }),
      network('ov-eeeeeeeeeeee', '10.0.1.0/24', { networkId: testId('e'), internal: true, secluded: true }),
      network('ov-999999999999', '10.0.2.0/24', {
        ...{ networkId: testId('9'), internal: true, secluded: true },
        beyond: { link: 'eth0', subnet: parseCidr('10.0.2.0/24') },
      }),
      { kind: 'dataPort', networkId: testId('e'), port: 4789 },
      { kind: 'dataPort', networkId: testId('f'), port: 4790, encrypted: true },
      { kind: 'node', nodeId: testId('1'), address: parseIp('192.0.2.1') },
      { kind: 'node', nodeId: testId('2'), address: parseIp('2001:db8::2') },
      guard('veth1234567', '02:42:ac:1e:00:02', '172.30.0.2', 'fd00:30::2', 'fe80::42:acff:fe1e:2'),
    ]);
    const golden = readFileSync(new URL('ruleset.golden.nft', import.meta.url), 'utf8');
    assert.equal(nft.last, golden);
  });

  it('takes everything over before its first change, whatever an earlier daemon left', async () => {
    const nft = new FakeNft();
    const firewall = new NftFirewall({ nft });
    await firewall.apply({ add: [network('fwd', '172.30.0.0/16')] });
    assert.match(
      nft.last,
      /^add table inet fairway\ndelete table inet fairway\nadd table bridge fairway\ndelete table bridge fairway\nadd table inet fairway\n/,
    );
    assert.match(nft.last, /add element inet fairway bridges \{ "fwd" /);
  });

  it('adds and removes elements in one script each', async () => {
    const { nft, firewall } = await installed();
    await firewall.apply({ add: [port('0.0.0.0:8080', '172.30.0.2:80')] });
    assert.equal(
      nft.last,
      'add element inet fairway wildcard4 { tcp . 8080 comment "network aaaaaaaaaaaa endpoint eeeeeeeeeeee" : 172.30.0.2 . 80 }\n',
    );
    await firewall.apply({ remove: [port('0.0.0.0:8080', '172.30.0.2:80')] });
    assert.equal(nft.last, 'delete element inet fairway wildcard4 { tcp . 8080 }\n');
    assert.equal(firewall.entries().length, 1);
  });

  it('does nothing for what is there already and for what is not there', async () => {
    const { nft, firewall } = await installed();
    await firewall.apply({ add: [network('fwd', '172.30.0.0/16')], remove: [port('0.0.0.0:1', '172.30.0.2:1')] });
    await firewall.apply({});
    assert.equal(nft.scripts.length, 1);
  });

  it('replaces a changed entry, removals first', async () => {
    const { nft, firewall } = await installed();
    await firewall.apply({ add: [network('fwd', '172.30.0.0/16', { icc: false })] });
    assert.match(nft.last, /^delete element inet fairway same4 \{ "fwd" \. "fwd" \}\nadd element .*jump closed4 \}\n$/);
    assert.deepEqual(firewall.entries(), [network('fwd', '172.30.0.0/16', { icc: false })]);
  });

  it('keeps what two entries share until the second goes', async () => {
    const { nft, firewall } = await installed();
    await firewall.apply({ add: [network('fwd', 'fd00::/64')] });
    assert.doesNotMatch(nft.last, / bridges /);
    await firewall.apply({ remove: [network('fwd', '172.30.0.0/16')] });
    assert.doesNotMatch(nft.last, / bridges /);
    await firewall.apply({ remove: [network('fwd', 'fd00::/64')] });
    assert.match(nft.last, /delete element inet fairway bridges \{ "fwd" \}/);
    assert.deepEqual(firewall.entries(), []);
  });

  it('refuses two containers on one port and changes nothing', async () => {
    const { nft, firewall } = await installed();
    const first = port('0.0.0.0:8080', '172.30.0.2:80');
    const second = port('0.0.0.0:8080', '172.30.0.3:80', { endpointId: testId('f') });
    await assert.rejects(firewall.apply({ add: [first, second] }), { code: 'firewall_conflict' });
    await firewall.apply({ add: [first] });
    await assert.rejects(firewall.apply({ add: [second] }), { code: 'firewall_conflict' });
    assert.equal(nft.scripts.length, 2);
    await firewall.apply({ add: [second], remove: [first] });
    assert.match(nft.last, /^delete element .*\nadd element .*172\.30\.0\.3 \. 80 \}\n$/);
  });

  it('rebuilds everything when a change is refused because somebody flushed the table', async () => {
    const { nft, firewall } = await installed();
    nft.refuse = (script) => !script.startsWith('add table');
    await firewall.apply({ add: [port('0.0.0.0:8080', '172.30.0.2:80')] });
    assert.match(nft.last, /^add table/);
    assert.match(nft.last, /bridges \{ "fwd"/);
    assert.match(nft.last, /wildcard4 \{ tcp \. 8080/);
    await firewall.apply({ remove: [port('0.0.0.0:8080', '172.30.0.2:80')] });
    assert.doesNotMatch(nft.last, /8080/);
  });

  it('looks after a table only once there is one', async () => {
    const nft = new FakeNft();
    assert.equal(await new NftFirewall({ nft }).restore(), false);
    assert.deepEqual(nft.scripts, []);
  });

  it('remembers nothing of a change that the kernel refused', async () => {
    const { nft, firewall } = await installed();
    nft.refuse = () => true;
    await assert.rejects(firewall.apply({ add: [port('0.0.0.0:8080', '172.30.0.2:80')] }), /No such file/);
    await assert.rejects(firewall.replaceAll([]), /No such file/);
    assert.deepEqual(firewall.entries(), [network('fwd', '172.30.0.0/16')]);
  });

  it('splits a cold start into commands of bounded length, all in one script', async () => {
    const { nft, firewall } = await installed();
    const ports = Array.from({ length: 2500 }, (_, index) => port(`0.0.0.0:${index + 1}`, '172.30.0.2:80'));
    await firewall.apply({ add: ports });
    assert.equal(nft.scripts.length, 2);
    assert.equal(nft.last.match(/^add element/gm)?.length, 3);
  });

  it('leaves nothing behind when torn down', async () => {
    const { nft, firewall } = await installed();
    await firewall.tearDown();
    assert.equal(
      nft.last,
      'add table inet fairway\ndelete table inet fairway\nadd table bridge fairway\ndelete table bridge fairway\n',
    );
    assert.deepEqual(firewall.entries(), []);
  });
});
