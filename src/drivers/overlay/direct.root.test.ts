import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from '../../../test/support/eventually.ts';
import { parseIp } from '../../base/index.ts';
import { Rtnl } from '../../kernel/index.ts';
import type { NetworkRecord } from '../../model/index.ts';
import { inside, type LabNode, OverlayLab, type Place, ping, send, within } from './testing/lab.ts';

const timeout = 600_000;
const A = '10.77.0.2';
const B = '10.77.0.18';
const DIRECT = { 'com.fairway.overlay.mode': 'direct' };

function reaches(from: Place, to: string, ...options: readonly string[]): Promise<string> {
  return eventually(() => ping(from, to, '-W1', ...options));
}

function directNetwork(lab: OverlayLab, more: Partial<NetworkRecord> = {}, subnet = '10.77.0.0/24'): NetworkRecord {
  return lab.network({ enableIpv6: false, options: DIRECT, driverState: { block: 28 }, ...more }, [subnet]);
}

/** Two hosts with a block each, and a container in each block. */
async function pair(lab: OverlayLab) {
  const [one, two] = [await lab.node(1), await lab.node(2)];
  const network = directNetwork(lab);
  const a = await lab.join(one, network, 'a', [`${A}/24`]);
  const b = await lab.join(two, network, 'b', [`${B}/24`]);
  return { one, two, network, a, b };
}

async function routesOf(node: LabNode): Promise<string[]> {
  const text = await inside(node, 'ip', '-4', 'route', 'show', 'proto', '70');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      line
        .trim()
        .replace(/ov-\w+/, 'bridge')
        .replace(/ +(scope link)? *$/, ''),
    )
    .sort();
}

async function verify(node: LabNode, network: NetworkRecord): Promise<string[]> {
  const drift = await within(node, async () => node.driver.verifyNetwork(network));
  return drift.map(({ kind, problem, object }) => `${problem} ${kind} ${object}`);
}

describe('an overlay network with direct routing', { timeout }, () => {
  it('carries packets as they are, by a route to each block, full ones too', async () => {
    await using lab = new OverlayLab();
    const { one, two, network, a, b } = await pair(lab);
    await lab.join(one, network, 'c', ['10.77.0.3/24']);
    assert.deepEqual(await routesOf(one), [
      '10.77.0.0/28 dev bridge',
      '10.77.0.16/28 via 192.0.2.2 dev eth0',
      'unreachable 10.77.0.0/24',
    ]);
    const counted = `udp dport 4789 counter; ip saddr ${A} ip daddr ${B} counter;`;
    await inside(two, 'nft', `table ip seen { chain in { type filter hook prerouting priority -500; ${counted} };}`);
    await reaches(a, B, '-Mdo', '-s1472');
    await reaches(b, A);
    await reaches(a, '10.77.0.3');
    assert.equal(await send(a, b, B, 512 << 10), 512 << 10);
    const seen = await inside(two, 'nft', 'list', 'table', 'ip', 'seen');
    const [encapsulated, plain] = [...seen.matchAll(/packets (\d+)/g)].map(([, number]) => Number(number));
    assert.equal(encapsulated, 0);
    assert.ok(Number(plain) > 1);
    assert.deepEqual([await verify(one, network), await verify(two, network)], [[], []]);
    // Nobody has these, and the host's own gateway must not hear of them.
    const nobody = ['10.77.0.5', '10.77.0.20', '10.77.0.99'];
    await Promise.all(nobody.map((to) => assert.rejects(ping(a, to, '-W1'), to)));
  });

  it('is closed to strangers of the LAN, to other networks and to its hosts', async () => {
    await using lab = new OverlayLab();
    const { one, two, a, b } = await pair(lab);
    const other = directNetwork(lab, { name: 'other' }, '10.78.0.0/24');
    const d = await lab.join(two, other, 'd', ['10.78.0.2/24']);
    const e = await lab.join(one, other, 'e', ['10.78.0.18/24']);
    await reaches(a, B);
    await reaches(d, '10.78.0.18');
    const stranger = lab.place('stranger');
    lab.plug(stranger, 'stranger');
    using rtnl = Rtnl.open(stranger.ns);
    lab.addAddress(rtnl, parseIp('192.0.2.66'));
    await inside(stranger, 'ip', 'route', 'add', '10.77.0.16/28', 'via', '192.0.2.2');
    for (const place of [a, b, d, e]) await inside(place, 'ip', 'route', 'replace', 'default', 'dev', 'eth0');
    await inside(one, 'ip', 'route', 'add', 'default', 'via', '192.0.2.66');
    await inside(two, 'ip', 'neigh', 'replace', '192.0.2.66', 'lladdr', await macOf(stranger), 'dev', 'eth0');
    await inside(stranger, 'ip', 'route', 'add', '10.77.0.0/28', 'via', '192.0.2.1');
    const closed = [
      [stranger, B],
      [a, '10.78.0.2'],
      [a, '10.78.0.18'],
      [e, A],
      [a, '192.0.2.66'],
      [a, '192.0.2.1'],
      [a, '192.0.2.2'],
    ] as const;
    await Promise.all(closed.map(([from, to]) => assert.rejects(ping(from, to, '-W1'), to)));
    await reaches(b, A);
    // It is the packet filter that they meet.
    for (const { firewall } of [one, two]) await firewall.tearDown();
    for (const [from, to] of [closed[0], closed[3], closed[4]]) await reaches(from, to);
  });

  it('follows hosts to other addresses, outlives daemons, and leaves nothing', async () => {
    await using lab = new OverlayLab();
    const { one, two, network, a, b } = await pair(lab);
    await reaches(a, B);
    await lab.move(two, parseIp('192.0.2.22'));
    await reaches(a, B);
    assert.ok((await routesOf(one)).includes('10.77.0.16/28 via 192.0.2.22 dev eth0'));
    lab.restartDriver(one);
    await within(one, () => one.driver.restoreNetwork(network));
    one.driver.restoreAttachment(a.spec, a.attachment.state);
    await reaches(a, B);
    one.driver.replacePeers(network, [{ ...b.peer, underlay: two.address }]);
    await reaches(a, B);
    assert.deepEqual(await verify(one, network), []);
    await lab.leave(b);
    assert.deepEqual(await routesOf(one), ['10.77.0.0/28 dev bridge', 'unreachable 10.77.0.0/24']);
    assert.deepEqual(await routesOf(two), []);
    await lab.leave(a);
    one.discarded.flush();
    assert.deepEqual(
      [
        await routesOf(one),
        one.rtnl.links
          .list()
          .map(({ name }) => name)
          .sort(),
      ],
      [[], ['eth0', 'lo']],
    );
  });

  it('says what somebody took, makes it good, and sweeps what is nobody’s', async () => {
    await using lab = new OverlayLab();
    const { one, network, a } = await pair(lab);
    await inside(one, 'ip', 'route', 'del', '10.77.0.16/28');
    await inside(one, 'ip', 'route', 'del', '10.77.0.0/28');
    await inside(one, 'ip', 'neigh', 'flush', 'nud', 'permanent');
    await inside(one, 'ip', 'route', 'add', '10.77.0.64/28', 'via', '192.0.2.9', 'proto', '70');
    await inside(one, 'ip', 'route', 'add', '10.99.0.0/24', 'via', '192.0.2.9', 'proto', '70');
    const drift = (await verify(one, network)).map((text) => text.replace(/ on link \d+/, ''));
    assert.deepEqual(drift.slice(0, 3), [
      'missing route 10.77.0.0/28',
      'missing route 10.77.0.16/28 via 192.0.2.2',
      'different route 10.77.0.64/28 via 192.0.2.9',
    ]);
    assert.match(drift[3] ?? '', /^missing neighbour 10.77.0.2 at /);
    await within(one, () => one.driver.restoreNetwork(network));
    assert.deepEqual(await verify(one, network), []);
    await reaches(a, B);
    const known = { networks: new Set([network.id]), endpoints: new Set([a.spec.endpointId]) };
    assert.deepEqual(
      one.driver.orphans(known).map(({ object }) => object),
      ['10.99.0.0/24'],
    );
    await within(one, () => one.driver.sweep(known));
    assert.deepEqual(one.driver.orphans(known), []);
    await reaches(a, B);
  });

  it('refuses a host behind a router, and a subnet that the host has a part of', async () => {
    await using lab = new OverlayLab();
    const { one, two, network, b } = await pair(lab);
    const beyond = { ...b.peer, underlay: parseIp('198.51.100.7') };
    assert.throws(() => one.driver.changePeers(network, { set: [beyond], remove: [] }), {
      code: 'peers_refused',
      message: /the kernel refuses 1 of them: cannot add route .* via 198\.51\.100\.7/,
    });
    await assert.rejects(lab.join(one, network, 'c', ['10.77.0.4/24']), {
      code: 'not_on_link',
      message: /198\.51\.100\.7, which has containers on it, is not on the link/,
    });
    const overlapping = directNetwork(lab, { name: 'lan' }, '192.0.2.0/24');
    await assert.rejects(lab.join(two, overlapping, 'x', ['192.0.2.50/24']), {
      code: 'subnet_taken',
      message: /its address 192\.0\.2\.2\/24 is in the subnet 192\.0\.2\.0\/24/,
    });
    assert.equal(two.rtnl.links.list().filter(({ kind }) => kind === 'bridge').length, 1);
  });
});

async function macOf(place: Place): Promise<string> {
  return /link\/ether (\S+)/.exec(await inside(place, 'ip', 'link', 'show', 'eth0'))?.[1] ?? '';
}
