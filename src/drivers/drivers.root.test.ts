import { it } from 'node:test';
import { driverConformance } from '../../test/conformance/driver-conformance.ts';
import { inOwnNamespaces } from '../../test/support/network-lab.ts';
import { parseCidr, parseIp, systemClock } from '../base/index.ts';
import { hasFeature, type Rtnl } from '../kernel/index.ts';
import {
  BridgeDriver,
  DiscardedLinks,
  HostDriver,
  IpvlanDriver,
  MacvlanDriver,
  NoneDriver,
  OverlayDriver,
  ParentLinks,
  TransparentDriver,
} from './index.ts';

const nothing = (): void => {};

/** A new one each time: what stands on the last in a namespace that is gone goes with it, and not at leisure. */
function parentLink(rtnl: Rtnl): void {
  const last = rtnl.links.get('up0');
  if (last !== undefined) rtnl.links.delete(last.index);
  const { index } = rtnl.links.createVeth({ name: 'up0', peerName: 'up1' });
  rtnl.links.set(index, { up: true });
}

if (inOwnNamespaces(import.meta.filename)) {
  driverConformance('host', { start: () => ({ driver: new HostDriver(), settle: nothing }) });
  driverConformance('none', { start: () => ({ driver: new NoneDriver(), settle: nothing }) });
  driverConformance('bridge', {
    start: (rtnl) => {
      const discarded = new DiscardedLinks({ rtnl, clock: systemClock });
      return { driver: new BridgeDriver({ rtnl, discarded }), settle: () => discarded.flush() };
    },
  });
  driverConformance('bridge with a name and without icc', {
    options: { 'com.docker.network.bridge.name': 'named0', 'com.docker.network.bridge.enable_icc': 'false' },
    start: (rtnl) => {
      const discarded = new DiscardedLinks({ rtnl, clock: systemClock });
      return { driver: new BridgeDriver({ rtnl, discarded }), settle: () => discarded.flush() };
    },
  });
  driverConformance('overlay', {
    state: { vni: 4097 },
    prepare: (rtnl) => {
      const { index } = rtnl.links.createVeth({ name: 'under0', peerName: 'under1' });
      rtnl.addresses.add(index, parseCidr('192.0.2.1/24'));
      rtnl.links.set(index, { up: true });
    },
    start: (rtnl) => {
      const discarded = new DiscardedLinks({ rtnl, clock: systemClock });
      const driver = new OverlayDriver({ rtnl, discarded, underlay: () => parseIp('192.0.2.1') });
      return { driver, settle: () => discarded.flush() };
    },
  });
  driverConformance('macvlan', {
    options: { parent: 'up0' },
    prepare: parentLink,
    start: (rtnl) => ({
      driver: new MacvlanDriver({ rtnl, parents: new ParentLinks({ rtnl }) }),
      settle: nothing,
    }),
  });
  driverConformance('transparent', {
    options: { parent: 'up0' },
    prepare: parentLink,
    start: (rtnl) => {
      const discarded = new DiscardedLinks({ rtnl, clock: systemClock });
      return {
        driver: new TransparentDriver({ rtnl, discarded, parents: new ParentLinks({ rtnl }) }),
        settle: () => discarded.flush(),
      };
    },
  });
  if (hasFeature('ipvlan')) {
    driverConformance('ipvlan', {
      options: { parent: 'up0' },
      prepare: parentLink,
      start: (rtnl) => ({ driver: new IpvlanDriver({ rtnl, parents: new ParentLinks({ rtnl }) }), settle: nothing }),
    });
  } else {
    it('driver ipvlan', { skip: 'this kernel lacks CONFIG_IPVLAN' }, nothing);
  }
}
