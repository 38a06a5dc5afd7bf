import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from '../../../test/support/eventually.ts';
import { udpFrame } from '../../../test/support/frames.ts';
import { newId, parseIp, parseMac, shortId } from '../../base/index.ts';
import { Rtnl, writeSysctl } from '../../kernel/index.ts';
import { addressOf, inside, type LabNode, OverlayLab, type Place, ping, send, within } from './testing/lab.ts';

const timeout = 600_000;
const KILOBYTES = 512;
const A = ['10.77.0.2/24', 'fd77::2/64'];
const B = ['10.77.0.3/24', 'fd77::3/64'];
const BOTH = ['10.77.0.3', 'fd77::3'];

/** A bridge lets frames through a new port when the kernel gets to it, so the first may be lost. */
function reaches(from: Place, to: string, ...options: readonly string[]): Promise<string> {
  return eventually(() => ping(from, to, '-W1', ...options));
}

/** Two hosts, and a container on each. */
async function pair(lab: OverlayLab) {
  const [one, two] = [await lab.node(1), await lab.node(2)];
  const network = lab.network();
  const a = await lab.join(one, network, 'a', A);
  const b = await lab.join(two, network, 'b', B);
  const reach = async (): Promise<void> => {
    for (const to of BOTH) await reaches(a, to);
  };
  return { one, two, network, a, b, reach, link: `vx-${shortId(network.id)}`, bridge: `ov-${shortId(network.id)}` };
}

describe('an overlay network between hosts', { timeout }, () => {
  for (const underlay of [4, 6] as const) {
    it(`carries both families over IPv${underlay}, full packets unfragmented, and nothing unknown`, async () => {
      await using lab = new OverlayLab({ underlay, dataPort: 4799 });
      const { one, two, network, a, b, reach } = await pair(lab);
      await lab.join(one, network, 'c', ['10.77.0.4/24', 'fd77::4/64']);
      await reach();
      for (const to of ['10.77.0.4', 'fd77::4']) await reaches(a, to);
      for (const to of BOTH) assert.equal(await send(a, b, to, KILOBYTES << 10), KILOBYTES << 10);
      const mtu = underlay === 4 ? 1450 : 1430;
      assert.match(await inside(a, 'ip', 'link', 'show', 'eth0'), new RegExp(`mtu ${mtu} `));
      await using fragments = await count(two, 'ip frag-off & 0x3fff != 0', 'exthdr frag exists');
      await ping(a, '10.77.0.3', '-Mdo', `-s${mtu - 28}`);
      await ping(a, 'fd77::3', '-Mdo', `-s${mtu - 48}`);
      assert.equal(await fragments.packets(), 0);
      await using frames = await count(one, 'udp dport 4799');
      await reach();
      const known = await frames.packets();
      assert.ok(known >= 4);
      await unknownFrames(a);
      assert.equal(await frames.packets(), known);
    });
  }

  it('follows an address from host to host, even when its old place is heard of last', async () => {
    await using lab = new OverlayLab();
    const { one, network, a, b, reach } = await pair(lab);
    const three = await lab.node(3);
    await reach();
    await lab.leave(b, true);
    const moved = await lab.join(three, network, 'moved', B);
    await reach();
    one.driver.changePeers(network, { set: [], remove: [b.spec.endpointId] });
    await reach();
    await lab.leave(moved, true);
    const home = await lab.join(one, network, 'home', B);
    const { hostLink, mac } = home.attachment.state;
    assert.match(
      await inside(one, 'bridge', 'fdb', 'show', 'dev', String(hostLink)),
      new RegExp(`${mac} master .*static`),
    );
    await reach();
    one.driver.changePeers(network, { set: [], remove: [moved.spec.endpointId] });
    await reach();
    assert.equal(await send(a, home, '10.77.0.3', 1000), 1000);
    await lab.leave(home);
    await lab.leave(a);
    assert.deepEqual(linksOf(one), ['eth0', 'lo']);
  });

  it('follows hosts to other addresses, also of the other family', async () => {
    await using lab = new OverlayLab();
    const { one, two, network, a, reach } = await pair(lab);
    await lab.move(two, parseIp('192.0.2.22'));
    await reach();
    await lab.move(one, parseIp('192.0.2.11'));
    await reach();
    for (const [node, number] of [
      [one, 31],
      [two, 32],
    ] as const)
      await lab.move(node, addressOf(6, number));
    await reach();
    for (const node of [one, two]) assert.deepEqual(await verify(node, network), []);
    assert.equal(a.attachment.mac, '02:42:0a:4d:00:02');
  });

  it('carries on after the way between hosts was cut', async () => {
    await using lab = new OverlayLab();
    const { two, reach, a } = await pair(lab);
    await reach();
    lab.setLanPort(two, false);
    await assert.rejects(ping(a, '10.77.0.3', '-W1'));
    lab.setLanPort(two, true);
    await reach();
  });

  it('joins several subnets, and networks of one family', async () => {
    await using lab = new OverlayLab();
    const [one, two] = [await lab.node(1), await lab.node(2)];
    const network = lab.network({ options: { 'com.docker.network.driver.mtu': '1300' } }, [
      '10.1.0.0/24',
      '10.2.0.0/24',
    ]);
    const a = await lab.join(one, network, 'a', ['10.1.0.2/24']);
    await lab.join(two, network, 'b', ['10.2.0.2/24']);
    await reaches(a, '10.2.0.2', '-Mdo', '-s1272');
    await assert.rejects(ping(a, '10.2.0.2', '-Mdo', '-s1273'));
    const six = lab.network({ enableIpv4: false, driverState: { vni: 4098 } }, ['fd78::/64']);
    const c = await lab.join(one, six, 'c', ['fd78::2/64']);
    const d = await lab.join(two, six, 'd', ['fd78::3/64']);
    await reaches(c, 'fd78::3');
    assert.equal(await send(d, c, 'fd78::2', 1000), 1000);
    for (const node of [one, two]) for (const one of [network, six]) assert.deepEqual(await verify(node, one), []);
  });

  it('takes frames from nodes alone, and for its own networks', async () => {
    await using lab = new OverlayLab();
    const { one, b } = await pair(lab);
    const stranger = lab.place('stranger');
    lab.plug(stranger, 'stranger');
    using rtnl = Rtnl.open(stranger.ns);
    lab.addAddress(rtnl, addressOf(4, 66));
    await using arrived = await count(b, 'udp dport 9000');
    const frame = udpFrame({
      ...{ from: '02:42:0a:4d:00:02', to: b.attachment.mac ?? '', tag: 'spoofed' },
      ...{ source: '10.77.0.2', destination: '10.77.0.3' },
    });
    const speak = (from: Place, vni: number): Promise<string> =>
      inside(from, process.execPath, '-e', SENDER, '192.0.2.2', vxlan(vni, frame).toString('hex'));
    await speak(one, 4097);
    await eventually(async () => assert.equal(await arrived.packets(), 1));
    await speak(stranger, 4097);
    await speak(one, 4098);
    await speak(one, 4097);
    await eventually(async () => assert.equal(await arrived.packets(), 2));
  });

  it('does not lead to the host', async () => {
    await using lab = new OverlayLab();
    const { one, a, bridge } = await pair(lab);
    await inside(a, 'ip', 'route', 'add', '192.0.2.0/24', 'dev', 'eth0');
    writeSysctl(['net', 'ipv4', 'neigh', 'eth0', 'retrans_time_ms'], 50, a.ns);
    await assert.rejects(ping(a, '192.0.2.1', '-W1'));
    assert.match(await inside(a, 'ip', 'neigh', 'show', '192.0.2.1'), /FAILED|INCOMPLETE/);
    // Who guesses the bridge's address is not answered, and not heard either.
    await inside(one, 'ip', 'route', 'add', '10.77.0.0/24', 'dev', bridge);
    const mac = one.rtnl.links.get(bridge)?.mac ?? '';
    await inside(a, 'ip', 'neigh', 'replace', '192.0.2.1', 'lladdr', mac, 'dev', 'eth0');
    await assert.rejects(ping(a, '192.0.2.1', '-W1'));
    // Nor on to others.
    await inside(a, 'ip', 'neigh', 'replace', '192.0.2.2', 'lladdr', mac, 'dev', 'eth0');
    await using passed = await count(one, 'ip saddr 10.77.0.2 oifname "eth0"');
    await assert.rejects(ping(a, '192.0.2.2', '-W1'));
    assert.equal(await passed.packets(), 0);
  });

  it('works the same where bridged packets pass the packet filter', async (t) => {
    await using lab = new OverlayLab();
    const { one, two, reach } = await pair(lab);
    for (const { ns } of [one, two]) {
      try {
        for (const key of ['iptables', 'ip6tables', 'arptables']) {
          writeSysctl(['net', 'bridge', `bridge-nf-call-${key}`], 1, ns);
        }
      } catch {
        // Nothing bridged can pass it on this kernel, then.
        t.diagnostic('br_netfilter is not loaded');
        return;
      }
    }
    await reach();
  });
});

/** What foreign hands can do on a host, and how it is told. */
const MISCHIEF: readonly { readonly does: string; readonly told: RegExp }[] = [
  { does: 'ip link del $VX', told: /^missing vx-/ },
  { does: 'ip link del $OV', told: /^missing ov-/ },
  { does: 'ip link set $VX down', told: /^different vx-\w+ down/ },
  { does: 'ip link set $OV down', told: /^different ov-\w+ down/ },
  { does: 'ip link set $VX nomaster', told: /not a port of/ },
  { does: 'bridge link set dev $VX learning on flood on', told: /learns addresses/ },
  { does: 'ip link set $VX type vxlan local 192.0.2.99', told: /sends from 192.0.2.99/ },
  { does: 'bridge fdb del 02:42:0a:4d:00:03 dev $VX self', told: /^missing 02:42:0a:4d:00:03 to 192.0.2.2 on vx-/ },
  { does: 'bridge fdb del 02:42:0a:4d:00:03 dev $VX master', told: /^missing 02:42:0a:4d:00:03 to 192.0.2.2 on vx-/ },
  { does: 'bridge fdb append 00:00:00:00:00:00 dev $VX dst 192.0.2.9', told: /^different 00:00:00:00:00:00 on vx-/ },
  { does: 'ip neigh del 10.77.0.3 dev $VX', told: /^missing 10.77.0.3 at/ },
  { does: 'ip neigh replace fd77::3 lladdr 02:42:0a:4d:00:09 dev $VX', told: /^missing fd77::3 at/ },
  { does: 'ip neigh add 10.77.0.9 lladdr 02:42:0a:4d:00:09 dev $VX', told: /^different 10.77.0.9 on vx-/ },
  { does: 'sysctl -qw net.ipv4.conf.$OV.arp_ignore=0', told: /arp_ignore is 0/ },
];

describe('what foreign hands do to an overlay network', { timeout }, () => {
  it('is found and made good by difference', async () => {
    await using lab = new OverlayLab();
    const { one, network, reach, link, bridge, a } = await pair(lab);
    assert.deepEqual(await verify(one, network), []);
    for (const { does, told } of MISCHIEF) {
      await inside(one, 'sh', '-c', does.replaceAll('$VX', link).replaceAll('$OV', bridge));
      const drift = await verify(one, network);
      assert.ok(
        drift.some((text) => told.test(text)),
        `${does}: ${drift.join('\n')}`,
      );
      await within(one, () => one.driver.restoreNetwork(network));
      const { spec, attachment } = a;
      await within(one, () => one.driver.repairAttachment(spec, attachment.state));
      assert.deepEqual(await verify(one, network), [], does);
      await reach();
    }
  });

  it('is told of what a daemon left behind, and of nothing that is in use', async () => {
    await using lab = new OverlayLab();
    const { one, network, a, reach } = await pair(lab);
    const known = { networks: new Set([network.id]), endpoints: new Set([a.spec.endpointId]) };
    assert.deepEqual(one.driver.orphans(known), []);
    lab.restartDriver(one);
    await within(one, () => one.driver.restoreNetwork(network));
    assert.deepEqual(one.driver.orphans(known), []);
    await one.driver.sweep(known);
    await reach();
    // The cluster knows it, and nobody here is on it any more.
    lab.restartDriver(one);
    assert.equal(one.driver.orphans(known).length, 2);
    await one.driver.sweep({ networks: known.networks, endpoints: new Set() });
    assert.deepEqual(linksOf(one), ['eth0', 'lo']);
  });
});

describe('an overlay network that cannot be', { timeout }, () => {
  it('is refused for its reason, and leaves nothing', async () => {
    await using lab = new OverlayLab();
    const node = await lab.node(1);
    const before = linksOf(node);
    const refuses = async (expected: RegExp, network = lab.network()): Promise<void> => {
      await assert.rejects(
        within(node, () => node.driver.createNetwork(network)),
        expected,
      );
      node.discarded.flush();
      assert.deepEqual(linksOf(node), before);
    };
    const { address } = node;
    node.address = parseIp('192.0.2.77');
    await refuses(/address 192.0.2.77 for other nodes is on no link/);
    node.address = address;
    await refuses(/"1451" of option ".*mtu" on this host: eth0 with its MTU of 1500 bears 1450/, withMtu(lab, 1451));
    await inside(node, 'ip', 'link', 'set', 'eth0', 'mtu', '1320');
    await refuses(/IPv6 needs 1280, and eth0 with its MTU of 1320 bears 1270/);
    await inside(node, 'ip', 'link', 'set', 'eth0', 'mtu', '1500');
    await refuses(/encrypted/, lab.network({ options: { encrypted: '' } }));
    await inside(node, 'ip', 'link', 'add', 'theirs', 'type', 'vxlan', 'id', '4097', 'dstport', '4789', 'dev', 'eth0');
    before.push('theirs');
    await refuses(/VXLAN identifier 4097 on UDP port 4789 is used by link theirs/);
    await inside(node, 'ip', 'link', 'del', 'theirs');
    before.pop();
  });

  it('goes on where it runs already, whatever became of the address for other nodes', async () => {
    await using lab = new OverlayLab();
    const { one, network, reach } = await pair(lab);
    lab.restartDriver(one);
    for (const address of [undefined, parseIp('192.0.2.77')]) {
      one.address = address as LabNode['address'];
      const { firewall } = await within(one, () => one.driver.restoreNetwork(network));
      assert.ok(firewall.some(({ kind }) => kind === 'dataPort'));
      await reach();
    }
  });

  it('gives way to the next: an identifier is free again as soon as its network is gone', async () => {
    await using lab = new OverlayLab();
    const node = await lab.node(1);
    for (let round = 0; round < 3; round += 1) {
      const network = lab.network();
      await within(node, () => node.driver.createNetwork(network));
      await within(node, () => node.driver.removeNetwork(network));
    }
    node.discarded.flush();
    assert.deepEqual(linksOf(node), ['eth0', 'lo']);
  });
});

describe('many endpoints on other nodes', { timeout }, () => {
  it('are learnt of, changed and forgotten a thousand at a time', async (t) => {
    await using lab = new OverlayLab();
    const { one, network, reach } = await pair(lab);
    const peers = Array.from({ length: 1000 }, (_, at) => {
      const [high, low] = [(at >> 8) + 1, at & 255];
      const hex = (value: number): string => value.toString(16).padStart(2, '0');
      return {
        ...{ endpointId: newId(), mac: parseMac(`02:42:0a:4e:${hex(high)}:${hex(low)}`) },
        ...{ ipv4: parseIp(`10.78.${high}.${low}`), ipv6: parseIp(`fd78::${high}:${hex(low)}`) },
        underlay: addressOf(4, 2 + (at % 50)),
      };
    });
    const timed = (what: string, work: () => void): void => {
      const start = performance.now();
      work();
      t.diagnostic(`${what}: ${(performance.now() - start).toFixed(1)} ms`);
    };
    const remove = peers.map(({ endpointId }) => endpointId);
    timed('1000 more', () => one.driver.changePeers(network, { set: peers, remove: [] }));
    assert.deepEqual(await verify(one, network), []);
    timed('the same again', () => one.driver.changePeers(network, { set: peers, remove: [] }));
    timed('one more and one less', () => {
      one.driver.changePeers(network, { set: [], remove: remove.slice(0, 1) });
      one.driver.changePeers(network, { set: peers.slice(0, 1), remove: [] });
    });
    timed('all forgotten', () => one.driver.changePeers(network, { set: [], remove }));
    assert.deepEqual(await verify(one, network), []);
    await reach();
  });
});

/** To nobody, to everybody, and to addresses nobody has: answers are not waited for. */
async function unknownFrames(from: Place): Promise<void> {
  await inside(from, 'ip', 'neigh', 'replace', '10.77.0.99', 'lladdr', '02:42:0a:4d:00:63', 'dev', 'eth0');
  const targets = ['10.77.0.99', '10.77.0.98', 'fd77::98', 'ff02::1%eth0', '224.0.0.5', '10.77.0.255'];
  await Promise.all(targets.map((to) => ping(from, to, '-b', '-W1', '-I', 'eth0').catch(() => {})));
}

/** Counts packets that come to a place or leave it, before they are put together. */
async function count(place: Place, ...matches: readonly string[]) {
  const rules = matches.map((match) => `${match} counter`).join('\n');
  const chain = (hook: string): string => `chain ${hook} { type filter hook ${hook} priority -500; ${rules}\n}\n`;
  const chains = matches.some((match) => match.includes('oifname')) ? ['postrouting'] : ['prerouting', 'output'];
  await inside(place, 'nft', `table inet fwcount {\n${chains.map(chain).join('')}}`);
  const packets = async (): Promise<number> => {
    const text = await inside(place, 'nft', 'list', 'table', 'inet', 'fwcount');
    return [...text.matchAll(/packets (\d+)/g)].reduce((sum, [, number]) => sum + Number(number), 0);
  };
  return { packets, [Symbol.asyncDispose]: async () => void (await inside(place, 'nft', 'delete table inet fwcount')) };
}

const SENDER = `
const [address, hex] = process.argv.slice(1);
const socket = require('node:dgram').createSocket('udp4');
socket.send(Buffer.from(hex, 'hex'), 4789, address, () => socket.close());`;

/** RFC 7348, section 5: flags with the identifier's own, and the identifier in three bytes. */
function vxlan(vni: number, frame: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(0x08, 0);
  header.writeUInt32BE(vni << 8, 4);
  return Buffer.concat([header, frame]);
}

async function verify(node: LabNode, network: Parameters<LabNode['driver']['verifyNetwork']>[0]) {
  const drift = await within(node, async () => node.driver.verifyNetwork(network));
  return drift.map(({ problem, object, detail }) => `${problem} ${object}${detail === undefined ? '' : ` ${detail}`}`);
}

function linksOf(node: LabNode): string[] {
  node.discarded.flush();
  return node.rtnl.links
    .list()
    .map(({ name }) => name)
    .sort();
}

function withMtu(lab: OverlayLab, mtu: number) {
  return lab.network({ options: { 'com.docker.network.driver.mtu': String(mtu) } });
}
