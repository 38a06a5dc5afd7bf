import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Id, type Ip, type Mac, parseCidr } from '../../base/index.ts';
import type { Peer } from '../../model/index.ts';
import { checkDirect, checkMtu, parseOverlayOptions } from './options.ts';
import { type PeerEntries, PeerTable } from './peers.ts';

const peer = (id: string, address: number, node: number): Peer => ({
  endpointId: id as Id,
  mac: `02:42:0a:00:00:0${address}` as Mac,
  ipv4: `10.0.0.${address}` as Ip,
  ...(address % 2 === 0 ? { ipv6: `fd00::${address}` as Ip } : {}),
  underlay: `192.0.2.${node}` as Ip,
});
const mac = (address: number): Mac => `02:42:0a:00:00:0${address}` as Mac;

describe('the table of endpoints on other nodes', () => {
  it('says what is new, changed and gone, and nothing of what stays', () => {
    const table = new PeerTable([peer('a', 1, 1), peer('b', 2, 1)]);
    const { set, remove } = table.change({ set: [peer('a', 1, 1), peer('b', 2, 2)], remove: [] });
    assert.deepEqual([...set.forwarding], [[mac(2), '192.0.2.2']]);
    assert.deepEqual([...set.neighbours], []);
    assert.deepEqual(remove, { forwarding: [], neighbours: [] });
    const gone = table.change({ set: [], remove: ['b' as Id, 'nobody' as Id] });
    assert.deepEqual(gone.remove, { forwarding: [mac(2)], neighbours: ['10.0.0.2', 'fd00::2'] });
    assert.equal(table.size, 1);
  });

  it('gives an address to whom it was given last, and back when that goes', () => {
    const table = new PeerTable([peer('old', 2, 1)]);
    assert.deepEqual(
      [...table.change({ set: [peer('new', 2, 2)], remove: [] }).set.forwarding],
      [[mac(2), '192.0.2.2']],
    );
    const late = table.change({ set: [], remove: ['old' as Id] });
    assert.deepEqual([late.set.forwarding.size, late.remove.forwarding.length], [0, 0]);
    table.change({ set: [peer('newest', 2, 3)], remove: [] });
    const back = table.change({ set: [], remove: ['newest' as Id] });
    assert.deepEqual([...back.set.forwarding], [[mac(2), '192.0.2.2']]);
  });

  it('leads the kernel, change by change, to what it has itself', () => {
    const peers = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      address: fc.integer({ min: 1, max: 4 }),
      node: fc.integer({ min: 1, max: 3 }),
    });
    const ids = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 2 });
    fc.assert(
      fc.property(
        fc.array(fc.record({ set: fc.array(peers, { maxLength: 3 }), remove: ids }), { maxLength: 12 }),
        (changes) => {
          const table = new PeerTable();
          const kernel = { forwarding: new Map<Mac, Ip>(), neighbours: new Map<Ip, Mac>() };
          for (const { set, remove } of changes) {
            const added = set.map(({ id, address, node }) => peer(id, address, node));
            const difference = table.change({ set: added, remove: remove as Id[] });
            for (const gone of difference.remove.forwarding) assert.ok(kernel.forwarding.delete(gone));
            for (const gone of difference.remove.neighbours) assert.ok(kernel.neighbours.delete(gone));
            for (const [key, value] of difference.set.forwarding) kernel.forwarding.set(key, value);
            for (const [key, value] of difference.set.neighbours) kernel.neighbours.set(key, value);
            assert.deepEqual(sorted(kernel), sorted(table.entries()));
          }
        },
      ),
    );
  });
});

function sorted({ forwarding, neighbours }: PeerEntries): unknown {
  return [[...forwarding].sort(), [...neighbours].sort()];
}

describe('options of an overlay network', () => {
  it('are read as Docker and we spell them', () => {
    const none = { mtu: undefined, vni: undefined, encrypted: false, direct: undefined, antiSpoofing: true };
    assert.deepEqual(parseOverlayOptions({}), none);
    const options = parseOverlayOptions({
      encrypted: '',
      'com.docker.network.driver.mtu': '1300',
      'com.docker.network.driver.overlay.vxlanid_list': '4200',
      'com.fairway.anti_spoofing': 'false',
    });
    assert.deepEqual(options, { mtu: 1300, vni: 4200, encrypted: true, direct: undefined, antiSpoofing: false });
    assert.equal(parseOverlayOptions({ encrypted: 'false' }).encrypted, false);
  });

  for (const [name, labels, message] of [
    [
      'an unknown one of ours',
      { 'com.fairway.overlay.speed': 'ludicrous' },
      /unknown option "com.fairway.overlay.speed"/,
    ],
    ['an unknown one of the driver', { 'com.docker.network.driver.overlay.x': '' }, /unknown option/],
    ['several identifiers', { 'com.docker.network.driver.overlay.vxlanid_list': '1,2' }, /one identifier serves/],
    [
      'an identifier of 25 bits',
      { 'com.docker.network.driver.overlay.vxlanid_list': '16777216' },
      /from 1 to 16777215/,
    ],
    ['a word that is none', { encrypted: 'maybe' }, /must be true or false/],
  ] as const) {
    it(`are refused: ${name}`, () => assert.throws(() => parseOverlayOptions(labels), message));
  }

  it('refuse what direct routing cannot do, and name it', () => {
    const mode = { 'com.fairway.overlay.mode': 'direct' };
    const request = { name: 'net', enableIpv4: true, enableIpv6: false, pools: [] };
    const check = (labels: Readonly<Record<string, string>>, more: Partial<Parameters<typeof checkDirect>[1]> = {}) =>
      checkDirect(parseOverlayOptions({ ...mode, ...labels }), { ...request, ...more });
    check({ 'com.fairway.overlay.block': '26', 'com.docker.network.driver.mtu': '9000' });
    assert.deepEqual(parseOverlayOptions({ ...mode, 'com.fairway.overlay.block': '26' }).direct, { prefix: 26 });
    assert.equal(parseOverlayOptions({ 'com.fairway.overlay.mode': 'vxlan' }).direct, undefined);
    assert.throws(() => check({ encrypted: '' }), /cannot use option .*direct" for network "net": .*encrypt/);
    assert.throws(
      () => check({ 'com.docker.network.driver.overlay.vxlanid_list': '4200' }),
      /VXLAN network identifier/,
    );
    const subnets = (...texts: string[]) => ({ pools: texts.map((text) => ({ subnet: parseCidr(text) })) });
    check({}, { enableIpv6: true, ...subnets('10.0.0.0/24', 'fd00::/64') });
    assert.throws(() => check({}, subnets('10.0.0.0/24', '10.0.1.0/24')), /one subnet of each family/);
    const [block, block6] = [{ 'com.fairway.overlay.block': '26' }, { 'com.fairway.overlay.block6': '80' }];
    check({ ...block, ...block6 }, { enableIpv6: true });
    assert.throws(() => check(block6), /it has no IPv6/);
    assert.throws(() => check(block, { enableIpv4: false, enableIpv6: true }), /it has no IPv4/);
    assert.throws(() => parseOverlayOptions(block6), /only networks with .*direct have/);
    assert.throws(() => check({}, { pools: [{ ipRange: parseCidr('10.0.0.0/25') }] }), /blocks of the whole subnet/);
    assert.throws(() => parseOverlayOptions({ 'com.fairway.overlay.block': '26' }), /only networks with .*direct have/);
    assert.throws(() => parseOverlayOptions({ 'com.fairway.overlay.mode': 'gre' }), /one of vxlan, direct/);
  });

  it('leave IPv6 room', () => {
    assert.throws(() => checkMtu(1279, true), /IPv6 needs at least 1280/);
    checkMtu(1279, false);
    checkMtu(undefined, true);
  });
});
