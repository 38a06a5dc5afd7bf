import { IpvlanDriver, MacvlanDriver, ParentLinks } from '../../src/drivers/index.ts';
import type { Rtnl } from '../../src/kernel/index.ts';
import { driverConformance } from '../conformance/driver-conformance.ts';
import { inOwnNamespaces } from '../support/network-lab.ts';

const nothing = (): void => {};

/** A new one each time: what stands on the last in a namespace that is gone goes with it, and not at leisure. */
function parentLink(rtnl: Rtnl): void {
  const last = rtnl.links.get('up0');
  if (last !== undefined) rtnl.links.delete(last.index);
  const { index } = rtnl.links.createVeth({ name: 'up0', peerName: 'up1' });
  rtnl.links.set(index, { up: true });
}

function conformance(kind: 'ipvlan' | 'macvlan', title: string, options: Readonly<Record<string, string>>): void {
  driverConformance(`${kind} ${title}`, {
    options,
    prepare: parentLink,
    start: (rtnl) => {
      const deps = { rtnl, parents: new ParentLinks({ rtnl }) };
      return { driver: kind === 'ipvlan' ? new IpvlanDriver(deps) : new MacvlanDriver(deps), settle: nothing };
    },
  });
}

if (inOwnNamespaces(import.meta.filename)) {
  for (const mode of ['l2', 'l3', 'l3s']) conformance('ipvlan', mode, { parent: 'up0', ipvlan_mode: mode });
  for (const flag of ['private', 'vepa']) conformance('ipvlan', flag, { parent: 'up0', ipvlan_flag: flag });
  conformance('ipvlan', 'on a VLAN', { parent: 'up0.10' });
  conformance('ipvlan', 'without a parent', {});
  for (const mode of ['private', 'vepa', 'passthru']) {
    conformance('macvlan', mode, { parent: 'up0', macvlan_mode: mode });
  }
  conformance('macvlan', 'on a VLAN', { parent: 'up0.10' });
  conformance('macvlan', 'without a parent', {});
}
