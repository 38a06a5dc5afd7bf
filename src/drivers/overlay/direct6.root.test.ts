import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from '../../../test/support/eventually.ts';
import { parseIp } from '../../base/index.ts';
import { Rtnl } from '../../kernel/index.ts';
import type { NetworkRecord } from '../../model/index.ts';
import { inside, type LabNode, OverlayLab, type Place, ping, send, within } from './testing/lab.ts';

const timeout = 600_000;
const [A4, B4] = ['10.77.0.2', '10.77.0.18'];
const [A6, B6] = ['fd77::2', 'fd77::1:0:0:2'];

function reaches(from: Place, to: string, ...options: readonly string[]): Promise<string> {
  return eventually(() => ping(from, to, '-W1', ...options));
}

function directNetwork(lab: OverlayLab, more: Partial<NetworkRecord> = {}, subnets?: readonly string[]): NetworkRecord {
  const options = { 'com.fairway.overlay.mode': 'direct' };
  return lab.network({ options, driverState: { block: 28, block6: 80 }, ...more }, subnets);
}

/** Two hosts with a block of each family, and a container in each. */
async function pair(lab: OverlayLab) {
  const [one, two] = [await lab.node(1), await lab.node(2)];
  const network = directNetwork(lab);
  const a = await lab.join(one, network, 'a', [`${A4}/24`, `${A6}/64`]);
  const b = await lab.join(two, network, 'b', [`${B4}/24`, `${B6}/64`]);
  return { one, two, network, a, b };
}

async function routesOf(node: LabNode, family: 4 | 6): Promise<string[]> {
  const text = await inside(node, 'ip', `-${family}`, 'route', 'show', 'proto', '70');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      line
        .trim()
        .replace(/ov-\w+/, 'bridge')
        .replace(/ (dev lo |linkdown |metric |scope link|pref ).*$/, '')
        .trim(),
    )
    .sort();
}

async function proxiesOf(node: LabNode): Promise<string[]> {
  const text = await inside(node, 'ip', '-6', 'neigh', 'show', 'proxy');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ')[0] ?? '']));
}

async function verify(node: LabNode, network: NetworkRecord): Promise<string[]> {
  const drift = await within(node, async () => node.driver.verifyNetwork(network));
  return drift.map(({ kind, problem, object }) => `${problem} ${kind} ${object}`.replace(/ on link \d+/, ''));
}

describe('an overlay network with direct routing of IPv6', { timeout }, () => {
  it('carries both families by the IPv6 addresses of the hosts, full packets too', async () => {
    await using lab = new OverlayLab({ underlay: 6 });
    const { one, two, network, a, b } = await pair(lab);
    await lab.join(one, network, 'c', ['10.77.0.3/24', 'fd77::3/64']);
    assert.deepEqual(await routesOf(one, 6), [
      'fd77::/80 dev bridge',
      'fd77::1:0:0:0/80 via 2001:db8::2 dev eth0',
      'unreachable fd77::/64',
    ]);
    assert.deepEqual(await routesOf(one, 4), [
      '10.77.0.0/28 dev bridge',
      '10.77.0.16/28 via inet6 2001:db8::2 dev eth0',
      'unreachable 10.77.0.0/24',
    ]);
    for (const [from, to] of [
      [a, B6],
      [b, A6],
      [b, 'fd77::3'],
      [a, 'fd77::3'],
      [a, B4],
      [b, A4],
    ] as const) {
      await reaches(from, to);
    }
    await reaches(a, B6, '-Mdo', '-s1452');
    await reaches(a, B4, '-Mdo', '-s1472');
    assert.equal(await send(a, b, B6, 512 << 10), 512 << 10);
    assert.deepEqual([await verify(one, network), await verify(two, network)], [[], []]);
    // Nobody has these, here or there.
    const nobody = ['fd77::5', 'fd77::1:0:0:5', 'fd77::2:0:0:5'];
    await Promise.all(nobody.map((to) => assert.rejects(ping(a, to, '-W1'), to)));
  });

  it('carries IPv6 alone', async () => {
    await using lab = new OverlayLab({ underlay: 6 });
    const [one, two] = [await lab.node(1), await lab.node(2)];
    const network = directNetwork(lab, { enableIpv4: false, driverState: { block6: 80 } }, ['fd77::/64']);
    const a = await lab.join(one, network, 'a', [`${A6}/64`]);
    await lab.join(two, network, 'b', [`${B6}/64`]);
    await reaches(a, B6);
    assert.deepEqual(await routesOf(one, 4), []);
    assert.deepEqual(await verify(one, network), []);
  });

  it('is closed to strangers of the LAN, to other networks and to its hosts', async () => {
    await using lab = new OverlayLab({ underlay: 6 });
    const { one, two, a, b } = await pair(lab);
    const other = directNetwork(lab, { name: 'other' }, ['10.78.0.0/24', 'fd78::/64']);
    const d = await lab.join(two, other, 'd', ['10.78.0.2/24', 'fd78::2/64']);
    const e = await lab.join(one, other, 'e', ['10.78.0.18/24', 'fd78::1:0:0:2/64']);
    await reaches(a, B6);
    await reaches(d, 'fd78::1:0:0:2');
    const stranger = lab.place('stranger');
    lab.plug(stranger, 'stranger');
    using rtnl = Rtnl.open(stranger.ns);
    lab.addAddress(rtnl, parseIp('2001:db8::66'));
    await inside(stranger, 'ip', 'route', 'add', 'fd77::1:0:0:0/80', 'via', '2001:db8::2');
    await inside(stranger, 'ip', 'route', 'add', 'fd77::/80', 'via', '2001:db8::1');
    for (const [place, gateway] of [
      [a, one],
      [b, two],
      [d, two],
      [e, one],
    ] as const) {
      await inside(place, 'ip', '-6', 'route', 'replace', 'default', 'via', 'fe80::1', 'dev', 'eth0');
      // Nobody would tell them where the host is.
      const links = await inside(gateway, 'ip', '-o', 'link', 'show', 'type', 'bridge');
      const mac = /link\/ether (\S+)/.exec(links)?.[1] ?? '';
      await inside(place, 'ip', 'neigh', 'replace', 'fe80::1', 'lladdr', mac, 'dev', 'eth0');
    }
    const closed = [
      [stranger, B6],
      [a, 'fd78::2'],
      [a, 'fd78::1:0:0:2'],
      [e, A6],
      [a, '2001:db8::66'],
      [a, '2001:db8::1'],
      [a, '2001:db8::2'],
      [a, 'fe80::1%eth0'],
    ] as const;
    await Promise.all(closed.map(([from, to]) => assert.rejects(ping(from, to, '-W1'), to)));
    await reaches(b, A6);
    // It is the packet filter that they meet.
    for (const { firewall } of [one, two]) await firewall.tearDown();
    await reaches(stranger, B6);
    await reaches(a, 'fe80::1%eth0');
  });

  it('answers for who is on other hosts, no longer and no more, and leaves nothing', async () => {
    await using lab = new OverlayLab({ underlay: 6 });
    const { one, two, network, a, b } = await pair(lab);
    const c = await lab.join(two, network, 'c', ['10.77.0.19/24', 'fd77::1:0:0:3/64']);
    await reaches(a, 'fd77::1:0:0:3');
    assert.deepEqual((await proxiesOf(one)).sort(), [B6, 'fd77::1:0:0:3']);
    await lab.leave(c);
    assert.deepEqual(await proxiesOf(one), [B6]);
    assert.deepEqual(await verify(one, network), []);
    await lab.move(two, parseIp('2001:db8::22'));
    await reaches(a, B6);
    await reaches(a, B4);
    lab.restartDriver(one);
    await within(one, () => one.driver.restoreNetwork(network));
    one.driver.restoreAttachment(a.spec, a.attachment.state);
    await reaches(a, B6);
    one.driver.replacePeers(network, [{ ...b.peer, underlay: two.address }]);
    await reaches(a, B6);
    assert.deepEqual(await verify(one, network), []);
    await lab.leave(b);
    assert.deepEqual(await proxiesOf(one), []);
    assert.deepEqual(await routesOf(one, 6), ['fd77::/80 dev bridge', 'unreachable fd77::/64']);
    await lab.leave(a);
    for (const node of [one, two]) {
      assert.deepEqual([await routesOf(node, 4), await routesOf(node, 6), await proxiesOf(node)], [[], [], []]);
    }
  });

  it('says what somebody took, and makes it good', async () => {
    await using lab = new OverlayLab({ underlay: 6 });
    const { one, network, a } = await pair(lab);
    const bridge = `ov-${network.id.slice(0, 12)}`;
    for (const mischief of [
      'ip -6 route del fd77::1:0:0:0/80',
      'ip -6 neigh flush nud permanent',
      `ip -6 neigh del proxy ${B6} dev ${bridge}`,
      `ip -6 neigh add proxy fd77::1:0:0:9 dev ${bridge}`,
      `ip addr del fe80::1/64 dev ${bridge}`,
      `sysctl -qw net.ipv6.conf.${bridge}.proxy_ndp=0`,
    ]) {
      await inside(one, 'sh', '-ec', mischief);
    }
    const drift = await verify(one, network);
    assert.match(drift.find((line) => line.includes(A6)) ?? '', /^missing neighbour fd77::2 at /);
    assert.deepEqual(
      drift.filter((line) => !line.includes(A6)).sort(),
      [
        `different neighbour proxy fd77::1:0:0:9`,
        `different sysctl net.ipv6.conf.${bridge}.proxy_ndp`,
        `missing address fe80::1/64 on ${bridge}`,
        `missing neighbour proxy ${B6}`,
        'missing route fd77::1:0:0:0/80 via 2001:db8::2',
      ].sort(),
    );
    await within(one, () => one.driver.restoreNetwork(network));
    assert.deepEqual(await verify(one, network), []);
    await reaches(a, B6);
  });

  it('is refused where the hosts have IPv4 addresses for each other', async () => {
    await using lab = new OverlayLab();
    const node = await lab.node(1);
    const network = directNetwork(lab);
    const reason = /goes by IPv6 addresses of the hosts \(--cluster-advertise\), and this host's .* is 192\.0\.2\.1/;
    const request = { ...network, pools: network.pools.map(({ subnet }) => ({ subnet })) };
    assert.throws(() => node.driver.validate(request), { code: 'invalid_underlay', message: reason });
    await assert.rejects(lab.join(node, network, 'a', [`${A4}/24`, `${A6}/64`]), { message: reason });
    assert.deepEqual(
      node.rtnl.links.list().filter(({ kind }) => kind === 'bridge'),
      [],
    );
  });
});
