import { it } from 'node:test';
import { driverConformance } from '../../test/conformance/driver-conformance.ts';
import { inOwnNamespaces } from '../../test/support/network-lab.ts';
import { systemClock } from '../base/index.ts';
import { hasFeature, type Rtnl } from '../kernel/index.ts';
import {
  BridgeDriver,
  DiscardedLinks,
  HostDriver,
  IpvlanDriver,
  MacvlanDriver,
  NoneDriver,
  ParentLinks,
} from './index.ts';

const nothing = (): void => {};

function parentLink(rtnl: Rtnl): void {
  if (rtnl.links.get('up0') !== undefined) return;
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
  driverConformance('macvlan', {
    options: { parent: 'up0' },
    prepare: parentLink,
    start: (rtnl) => ({
      driver: new MacvlanDriver({ rtnl, parents: new ParentLinks({ rtnl }) }),
      settle: nothing,
    }),
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
