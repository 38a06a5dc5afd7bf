import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOwnNamespaces } from '../../../test/support/network-lab.ts';
import { cidrText, newId, parseCidr, parseIp } from '../../base/index.ts';
import { type Link, Rtnl } from '../../kernel/index.ts';
import { giveUplinkBack, isUplinkOf, makeGoodUplink } from './uplink.ts';

if (inOwnNamespaces(import.meta.filename)) {
  const NAME = 'tr-0123456789ab';

  const parentOf = (rtnl: Rtnl): Link => {
    const old = rtnl.links.get('up0');
    if (old !== undefined) rtnl.links.delete(old.index);
    const parent = rtnl.links.createVeth({ name: 'up0', peerName: 'up1' });
    rtnl.links.set(parent.index, { up: true });
    rtnl.addresses.add(parent.index, parseCidr('10.77.0.5/24'));
    rtnl.addresses.add(parent.index, parseCidr('10.78.0.5/24'));
    rtnl.routes.add({ gateway: parseIp('10.77.0.1'), linkIndex: parent.index, protocol: 16, metric: 100 });
    return parent;
  };
  /** Addresses and routes of IPv4, with the name of their link. */
  const state = (rtnl: Rtnl): readonly string[] => {
    const names = new Map(rtnl.links.list().map(({ index, name }) => [index, name]));
    const addresses = rtnl.addresses.list().filter(({ family }) => family === 4);
    const routes = rtnl.routes.list({ family: 4 }).filter(({ table }) => table === 254);
    return [
      ...addresses.map(({ cidr, linkIndex }) => `${cidrText(cidr)} ${names.get(linkIndex)}`),
      ...routes.map(({ destination, gateway, linkIndex, metric, protocol }) => {
        const to = destination === undefined ? 'default' : cidrText(destination);
        return `${to} ${gateway} ${names.get(linkIndex ?? 0)} ${metric} ${protocol}`;
      }),
    ].sort();
  };

  describe('the uplink of a transparent network', () => {
    it('has what the parent had, and gives it back exactly', () => {
      using rtnl = Rtnl.open();
      const parent = parentOf(rtnl);
      const before = state(rtnl);
      const id = newId();
      const bridge = makeGoodUplink(rtnl, { id, name: NAME, parent });
      assert.deepEqual(
        state(rtnl),
        before.map((line) => line.replace('up0', NAME)),
      );
      const found = rtnl.links.get(NAME);
      assert.ok(found !== undefined && isUplinkOf(found, id));
      giveUplinkBack(rtnl, bridge, parent);
      assert.deepEqual(state(rtnl), before);
      assert.equal(rtnl.links.get(NAME), undefined);
    });

    it('is completed, or given back, from wherever the work was cut off', () => {
      using rtnl = Rtnl.open();
      const parent = parentOf(rtnl);
      const before = state(rtnl);
      const moved = before.map((line) => line.replace('up0', NAME));
      const id = newId();
      const bridge = makeGoodUplink(rtnl, { id, name: NAME, parent });
      // As if killed on the way back, with one address at both places.
      rtnl.addresses.add(parent.index, parseCidr('10.78.0.5/24'));
      const again = rtnl.links.get('up0');
      assert.ok(again);
      makeGoodUplink(rtnl, { id, name: NAME, parent: again });
      assert.deepEqual(state(rtnl), moved);
      rtnl.addresses.add(parent.index, parseCidr('10.77.0.5/24'));
      rtnl.links.set(parent.index, { masterIndex: 0 });
      giveUplinkBack(rtnl, bridge, rtnl.links.get('up0'));
      assert.deepEqual(state(rtnl), before);
    });

    it('keeps how long addresses and routes are good for, their metrics and preferences, both ways', () => {
      using rtnl = Rtnl.open();
      const parent = parentOf(rtnl);
      const lifetimes = { preferredSeconds: 1800, validSeconds: 3600 };
      rtnl.addresses.add(parent.index, parseCidr('10.76.0.5/24'), { lifetimes, metric: 77 });
      rtnl.addresses.add(parent.index, parseCidr('fd77::5/64'), { lifetimes, noDad: true });
      rtnl.addresses.add(parent.index, parseCidr('fd78::5/64'), { noDad: true });
      const byRouter = { gateway: parseIp('fe80::1'), protocol: 9, preference: 1, expiresSeconds: 1800, metric: 1024 };
      // RTAX_MTU 1400.
      const metrics = Uint8Array.of(8, 0, 2, 0, 0x78, 5, 0, 0);
      rtnl.routes.add({ ...byRouter, linkIndex: parent.index, metrics });
      const id = newId();
      const bridge = makeGoodUplink(rtnl, { id, name: NAME, parent });
      assertTimed(rtnl, bridge);
      giveUplinkBack(rtnl, bridge, parent);
      assertTimed(rtnl, parent);
    });
  });

  /** A little of an hour has gone by. */
  const assertAbout = (seconds: number | undefined, wanted: number): void =>
    assert.ok(seconds !== undefined && seconds <= wanted && seconds > wanted - 600, `${seconds} of ${wanted} seconds`);

  function assertTimed(rtnl: Rtnl, link: Link): void {
    const addresses = rtnl.addresses.list(link.index);
    const find = (ip: string) => addresses.find(({ cidr }) => cidr.ip === ip);
    for (const ip of ['10.76.0.5', 'fd77::5']) {
      assertAbout(find(ip)?.lifetimes?.preferredSeconds, 1800);
      assertAbout(find(ip)?.lifetimes?.validSeconds, 3600);
    }
    for (const ip of ['10.77.0.5', 'fd78::5']) assert.equal(find(ip)?.lifetimes, undefined);
    assert.equal(find('10.76.0.5')?.metric, 77);
    const route = rtnl.routes.list({ family: 6 }).find(({ gateway }) => gateway === 'fe80::1');
    assert.equal(route?.linkIndex, link.index);
    assertAbout(route?.expiresSeconds, 1800);
    assert.deepEqual([route?.preference, route?.protocol, route?.metric], [1, 9, 1024]);
    assert.deepEqual(route?.metrics, Uint8Array.of(8, 0, 2, 0, 0x78, 5, 0, 0));
  }
}
