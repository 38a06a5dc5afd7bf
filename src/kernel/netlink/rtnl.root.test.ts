import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { type Ip, type Mac, parseCidr } from '../../base/index.ts';
import { isErrno, openFdCount } from '../ffi/index.ts';
import { createNetns, deleteNetns, openNetns } from '../netns/index.ts';
import { readSysctl } from '../sysctl.ts';
import { Rtnl } from './rtnl.ts';

const here = `/run/netns/fwt-rtnl-${process.pid}`;
const there = `${here}-peer`;
const mac = (text: string): Mac => text as Mac;
const ip = (text: string): Ip => text as Ip;

describe('rtnetlink in a namespace', () => {
  const before = openFdCount();
  createNetns(here);
  createNetns(there);
  const ns = openNetns(here);
  const peerNs = openNetns(there);
  const rtnl = Rtnl.open(ns);
  const peer = Rtnl.open(peerNs);

  after(() => {
    for (const owned of [rtnl, peer, ns, peerNs]) owned.close();
    deleteNetns(here);
    deleteNetns(there);
    assert.equal(openFdCount(), before);
  });

  it('has only loopback at first, and it is down', () => {
    const links = rtnl.links.list();
    assert.equal(links.find((link) => link.name === 'lo')?.flags.up, false);
    assert.equal(links.find((link) => link.name === 'lo')?.flags.loopback, true);
  });

  it('makes a bridge as asked and changes it', () => {
    const bridge = rtnl.links.createBridge({ name: 'fwt0', mtu: 1400, mac: mac('02:42:00:00:00:01') });
    assert.equal(bridge.kind, 'bridge');
    assert.equal(bridge.mtu, 1400);
    assert.equal(bridge.mac, '02:42:00:00:00:01');
    rtnl.links.set(bridge.index, { up: true, alias: 'a bridge', group: 7, ipv6AddressGeneration: 'none' });
    const changed = rtnl.links.get('fwt0');
    assert.equal(changed?.flags.up, true);
    assert.equal(changed?.alias, 'a bridge');
    assert.equal(changed?.group, 7);
    assert.equal(rtnl.links.get(bridge.index)?.name, 'fwt0');
  });

  it('puts the far end of a veth straight into the other namespace', () => {
    const bridge = rtnl.links.get('fwt0');
    const veth = rtnl.links.createVeth({
      name: 'fwtv0',
      peerName: 'eth0',
      peerNetns: peerNs,
      mtu: 1400,
      peerMac: mac('02:42:ac:12:00:02'),
      masterIndex: bridge?.index,
    });
    const far = peer.links.get('eth0');
    assert.equal(far?.mac, '02:42:ac:12:00:02');
    assert.equal(far?.mtu, 1400);
    assert.equal(veth.peerIndex, far?.index);
    assert.equal(veth.masterIndex, bridge?.index);
    assert.equal(rtnl.links.get('eth0'), undefined);
    rtnl.links.set(veth.index, { up: true });
    peer.links.set(far?.index ?? 0, { up: true });
    assert.equal(rtnl.links.get('fwtv0')?.flags.up, true);
  });

  it('lists links without a master, and ports in the full list only', () => {
    const names = (links: readonly { readonly name: string }[]): readonly string[] =>
      links.map(({ name }) => name).sort();
    assert.deepEqual(names(rtnl.links.list()), ['fwt0', 'fwtv0', 'lo']);
    assert.deepEqual(names(rtnl.links.listWithoutMaster()), ['fwt0', 'lo']);
  });

  it('says whether addresses are announced when a link comes up', () => {
    const index = peer.links.get('eth0')?.index ?? 0;
    const setting = (): string => readSysctl(['net', 'ipv4', 'conf', 'eth0', 'arp_notify'], peerNs);
    assert.equal(setting(), '0');
    peer.links.set(index, { arpNotify: true });
    assert.equal(setting(), '1');
    peer.links.set(index, { arpNotify: false, ipv6AddressGeneration: 'none' });
    assert.equal(setting(), '0');
  });

  it('isolates a port of a bridge', () => {
    const port = rtnl.links.get('fwtv0');
    rtnl.links.setBridgePort(port?.index ?? 0, { isolated: true, hairpin: true });
    const details = rtnl.links.get('fwtv0')?.details;
    assert.equal(details?.isolated, true);
    assert.equal(details?.hairpin, true);
  });

  it('says why the kernel refuses', () => {
    assert.throws(
      () => rtnl.links.createBridge({ name: 'fwt0' }),
      (error) => isErrno(error, 'EEXIST') && /cannot create bridge "fwt0"/.test(String(error)),
    );
  });

  it('adds addresses once and removes them twice', () => {
    const index = peer.links.get('eth0')?.index ?? 0;
    const four = parseCidr('172.18.0.2/16');
    const six = parseCidr('fd00::2/64');
    assert.equal(peer.addresses.add(index, four, { broadcast: ip('172.18.255.255') }), true);
    assert.equal(peer.addresses.add(index, four, { ifMissing: true }), false);
    assert.throws(
      () => peer.addresses.add(index, four),
      (error) => isErrno(error, 'EEXIST'),
    );
    peer.addresses.add(index, six, { noDad: true });
    const found = peer.addresses.list(index);
    const listed = found.find((address) => address.cidr.ip === '172.18.0.2');
    assert.equal(listed?.cidr.prefix, 16);
    assert.equal(listed?.broadcast, '172.18.255.255');
    assert.equal(listed?.scope, 'universe');
    assert.equal(found.find((address) => address.cidr.ip === 'fd00::2')?.flags.tentative, false);
    const extra = parseCidr('10.9.9.9/32');
    peer.addresses.add(index, extra, { noPrefixRoute: true });
    assert.equal(peer.addresses.remove(index, extra), true);
    assert.equal(peer.addresses.remove(index, extra), false);
    assert.equal(peer.addresses.remove(9999, extra), false);
    assert.deepEqual(peer.addresses.list(9999), []);
  });

  it('routes by way of a gateway, and forgets the route', () => {
    const index = peer.links.get('eth0')?.index ?? 0;
    peer.routes.add({ gateway: ip('172.18.0.1'), linkIndex: index });
    peer.routes.add({ gateway: ip('fd00::1'), linkIndex: index });
    peer.routes.add({ destination: parseCidr('10.1.0.0/16'), linkIndex: index, table: 1000, metric: 5 });
    const routes = peer.routes.list();
    const defaults = routes.filter((route) => route.destination === undefined && route.gateway !== undefined);
    assert.deepEqual(defaults.map((route) => route.gateway).sort(), ['172.18.0.1', 'fd00::1']);
    const other = routes.find((route) => route.table === 1000);
    assert.equal(other?.destination?.ip, '10.1.0.0');
    assert.equal(other?.metric, 5);
    assert.equal(peer.routes.add({ gateway: ip('172.18.0.1'), linkIndex: index, ifMissing: true }), false);
    assert.equal(peer.routes.lookup(ip('8.8.8.8'))?.gateway, '172.18.0.1');
    assert.equal(peer.routes.remove({ gateway: ip('172.18.0.1') }), true);
    assert.equal(peer.routes.remove({ gateway: ip('172.18.0.1') }), false);
    assert.equal(peer.routes.lookup(ip('8.8.8.8')), undefined);
    peer.routes.add({ gateway: ip('169.254.1.1'), linkIndex: index, onlink: true });
    peer.routes.add({ destination: parseCidr('192.0.2.0/24'), type: 'blackhole' });
    assert.equal(
      peer.routes.list({ family: 4 }).some((route) => route.type === 'blackhole'),
      true,
    );
  });

  it('keeps permanent neighbours', () => {
    const linkIndex = peer.links.get('eth0')?.index ?? 0;
    const entry = { linkIndex, ip: ip('172.18.0.9'), mac: mac('02:42:ac:12:00:09') };
    peer.neighbours.add(entry);
    peer.neighbours.replace({ ...entry, mac: mac('02:42:ac:12:00:0a') });
    const found = peer.neighbours.list(linkIndex).find((neighbour) => neighbour.ip === entry.ip);
    assert.equal(found?.mac, '02:42:ac:12:00:0a');
    assert.equal(found?.state, 'permanent');
    assert.equal(peer.neighbours.remove(linkIndex, entry.ip), true);
    assert.equal(peer.neighbours.remove(linkIndex, entry.ip), false);
  });

  it('sends unknown frames of a VXLAN link to several peers', () => {
    const vxlan = rtnl.links.createVxlan({ name: 'fwtvx', vni: 4097, port: 4789, learning: false, proxy: true });
    assert.equal(vxlan.details.vni, 4097);
    const zero = mac('00:00:00:00:00:00');
    for (const destination of [ip('192.0.2.1'), ip('192.0.2.2')]) {
      rtnl.fdb.append({ linkIndex: vxlan.index, mac: zero, destination });
    }
    rtnl.fdb.replace({ linkIndex: vxlan.index, mac: mac('02:00:00:00:00:05'), destination: ip('192.0.2.1') });
    const entries = rtnl.fdb.list(vxlan.index);
    const flood = entries.filter((entry) => entry.mac === zero).map((entry) => entry.destination);
    assert.deepEqual(flood.sort(), ['192.0.2.1', '192.0.2.2']);
    const one = { linkIndex: vxlan.index, mac: zero, destination: ip('192.0.2.1') };
    assert.equal(rtnl.fdb.remove(one), true);
    assert.equal(rtnl.fdb.remove({ ...one, destination: ip('192.0.2.2') }), true);
    assert.equal(rtnl.fdb.remove(one), false);
  });

  it('gives a bridge a static forwarding entry', () => {
    const linkIndex = rtnl.links.get('fwtv0')?.index ?? 0;
    rtnl.fdb.replace({ linkIndex, mac: mac('02:00:00:00:00:06'), master: true });
    const entry = rtnl.fdb.list(linkIndex).find((found) => found.mac === '02:00:00:00:00:06');
    assert.equal(entry?.masterIndex, rtnl.links.get('fwt0')?.index);
    assert.equal(entry?.state, 'noarp');
  });

  it('changes many forwarding entries and neighbours at once, and says which the kernel refused', () => {
    const link = rtnl.links.createVxlan({
      ...{ name: 'fwtvy', vni: 4098, port: 4789, learning: false, proxy: true, local: ip('192.0.2.9') },
      masterIndex: rtnl.links.get('fwt0')?.index,
    });
    assert.deepEqual([link.details.port, link.details.local], [4789, '192.0.2.9']);
    rtnl.links.setBridgePort(link.index, { learning: false, unicastFlood: false });
    const { details } = rtnl.links.get(link.index) ?? {};
    assert.deepEqual([details?.learning, details?.unicastFlood], [false, false]);
    const linkIndex = link.index;
    const peers = Array.from(
      { length: 300 },
      (_, at) =>
        ({
          linkIndex,
          master: 'too',
          destination: ip(`192.0.2.${1 + (at % 8)}`),
          mac: mac(
            `02:42:0a:00:${(at >> 8).toString(16).padStart(2, '0')}:${(at & 255).toString(16).padStart(2, '0')}`,
          ),
          ip: ip(`10.0.${at >> 8}.${at & 255}`),
        }) as const,
    );
    assert.deepEqual(rtnl.fdb.changeAll({ set: peers }), []);
    assert.deepEqual(rtnl.neighbours.changeAll({ set: peers }), []);
    const listed = rtnl.fdb.list(linkIndex);
    const own = listed.filter(({ self }) => self).map((entry) => `${entry.mac} ${entry.destination}`);
    assert.deepEqual(own.sort(), peers.map((peer) => `${peer.mac} ${peer.destination}`).sort());
    // Linux 6.1 tells each of them twice when it is asked of one link.
    const bridged = listed.flatMap(({ self, state, mac }) => (!self && state === 'noarp' ? [mac] : []));
    assert.equal(new Set(bridged).size, peers.length);
    assert.deepEqual(
      rtnl.neighbours
        .list(linkIndex)
        .map((one) => one.ip)
        .sort(),
      peers.map((one) => one.ip).sort(),
    );
    // A gone one is no failure; an address of the wrong family is, wherever it stands.
    const bad = { ...peers[0], linkIndex, mac: mac('02:42:0a:00:00:99'), destination: ip('2001:db8::1') };
    const failures = rtnl.fdb.changeAll({
      remove: [...peers.slice(0, 200), peers[0] ?? bad].map((peer) => ({ ...peer, master: false })),
      set: [bad, peers[299] ?? bad],
    });
    assert.deepEqual(
      failures.map(({ errno }) => errno),
      ['EAFNOSUPPORT'],
    );
    assert.equal(rtnl.fdb.list(linkIndex).filter(({ self }) => self).length, 100);
    rtnl.links.setVxlanLocal(linkIndex, ip('192.0.2.10'));
    assert.equal(rtnl.links.get(linkIndex)?.details.local, '192.0.2.10');
    assert.throws(() => rtnl.links.setVxlanLocal(linkIndex, ip('2001:db8::1')), { errno: 'EOPNOTSUPP' });
    assert.equal(rtnl.fdb.list(linkIndex).filter(({ self }) => self).length, 100);
    rtnl.links.delete(linkIndex);
  });

  it('makes a macvlan in the other namespace at once', () => {
    const parent = rtnl.links.get('fwtv0');
    rtnl.links.set(parent?.index ?? 0, { masterIndex: 0 });
    const made = rtnl.links.createMacvlan({
      name: 'mv0',
      parentIndex: parent?.index ?? 0,
      mode: 'bridge',
      targetNetns: peerNs,
    });
    assert.equal(made.details.macvlanMode, 'bridge');
    assert.equal(peer.links.get('mv0')?.index, made.index);
    assert.equal(rtnl.links.get('mv0'), undefined);
  });

  it('counts bytes', () => {
    assert.equal(typeof rtnl.links.statistics('fwt0')?.rxBytes, 'number');
    assert.equal(rtnl.links.statistics('none'), undefined);
  });

  it('moves a link into another namespace under another name', () => {
    const veth = rtnl.links.createVeth({ name: 'fwtm0', peerName: 'fwtm1' });
    rtnl.links.set(veth.index, { netns: peerNs, name: 'moved' });
    assert.equal(rtnl.links.get('fwtm0'), undefined);
    assert.equal(peer.links.get('moved')?.kind, 'veth');
  });

  it('deletes what is there and shrugs at what is not', () => {
    assert.equal(rtnl.links.delete('fwtvx'), true);
    assert.equal(rtnl.links.delete('fwtvx'), false);
    assert.equal(rtnl.links.delete(9999), false);
    assert.equal(rtnl.links.deleteGroup(7), true);
    assert.equal(rtnl.links.get('fwt0'), undefined);
    assert.equal(rtnl.links.deleteGroup(7), false);
  });

  it('deletes a group in another thread, and answers other questions meanwhile', async () => {
    rtnl.links.createVeth({ name: 'fwt0', peerName: 'fwt1' });
    const { index = 0 } = rtnl.links.get('fwt0') ?? {};
    rtnl.links.set(index, { group: 7 });
    const deleted = rtnl.links.deleteGroupAside(7);
    let asked = 0;
    while (rtnl.links.get(index) !== undefined) asked += 1;
    assert.equal(rtnl.links.get('lo')?.name, 'lo');
    assert.equal(await deleted, true, `after ${asked} questions`);
    assert.equal(await rtnl.links.deleteGroupAside(7), false);
  });
});
