import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { type Ip, parseCidr } from '../../base/index.ts';
import { openFdCount } from '../ffi/index.ts';
import { createNetns, deleteNetns, openNetns } from '../netns/index.ts';
import { type RtnlEvent, RtnlMonitor } from './monitor.ts';
import { Rtnl } from './rtnl.ts';

const path = `/run/netns/fwt-mon-${process.pid}`;

describe('the monitor', () => {
  const before = openFdCount();
  createNetns(path);
  const ns = openNetns(path);

  after(() => {
    ns.close();
    deleteNetns(path);
    assert.equal(openFdCount(), before);
  });

  it('tells of links, addresses and routes as they come and go', { timeout: 600_000 }, async () => {
    using rtnl = Rtnl.open(ns);
    const events: RtnlEvent[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    using _monitor = RtnlMonitor.open({ netns: ns, groups: ['links', 'addresses', 'routes'] }, (event) => {
      events.push(event);
      if (event.kind === 'link' && event.removed) resolve();
    });
    const bridge = rtnl.links.createBridge({ name: 'fwt0' });
    rtnl.links.set(bridge.index, { up: true });
    rtnl.addresses.add(bridge.index, parseCidr('192.0.2.1/24'));
    rtnl.links.delete(bridge.index);
    // A signal does not keep the event loop alive; the daemon has its server for that.
    const alive = setInterval(() => {}, 1000);
    await promise.finally(() => clearInterval(alive));
    assert.equal(events[0]?.kind === 'link' && events[0].link.name, 'fwt0');
    const address = events.find((event) => event.kind === 'address' && !event.removed);
    assert.equal(address?.kind === 'address' && address.address.cidr.ip, '192.0.2.1');
    const destinations = events.flatMap((event) => (event.kind === 'route' ? [event.route.destination?.ip] : []));
    assert.equal(destinations.includes('192.0.2.0' as Ip), true);
  });
});
