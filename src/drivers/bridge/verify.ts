import { cidrText } from '../../base/index.ts';
import { type Rtnl, readSysctl } from '../../kernel/index.ts';
import type { Drift, NetworkRecord } from '../../model/index.ts';
import { type About, down, missingAddress, missingAddresses } from '../sandbox-link-drift.ts';
import type { BridgePlan } from './plan.ts';
import { unroutedSubnets } from './routes.ts';
import { bridgeSettings } from './settings.ts';

/** What of a network's bridge is not as it was made. */
export function bridgeDrift(rtnl: Rtnl, network: NetworkRecord, plan: BridgePlan): readonly Drift[] {
  const about: About = { networkId: network.id };
  const link = rtnl.links.get(plan.name);
  if (link === undefined) return [{ ...about, kind: 'link', problem: 'missing', object: plan.name }];
  if (link.kind !== 'bridge') {
    return [
      {
        ...about,
        kind: 'link',
        problem: 'different',
        object: plan.name,
        detail: `a ${link.kind || 'device'}, should be a bridge`,
      },
    ];
  }
  const absent = missingAddresses(rtnl, link, plan.addresses);
  const present = plan.addresses.filter((cidr) => !absent.includes(cidr));
  return [
    ...(link.flags.up ? [] : [down(plan.name, about)]),
    ...absent.map((cidr) => missingAddress(cidr, plan.name, about)),
    ...(link.flags.up ? unroutedSubnets(rtnl, link, present) : []).map(
      (subnet): Drift => ({
        ...about,
        kind: 'route',
        problem: 'missing',
        object: `${cidrText(subnet)} dev ${plan.name}`,
      }),
    ),
    ...settingsDrift(plan, about),
  ];
}

function settingsDrift(plan: BridgePlan, about: About): readonly Drift[] {
  return bridgeSettings(plan).flatMap(({ key, value }): readonly Drift[] => {
    const now = readSysctl(key);
    if (now === String(value)) return [];
    const detail = `is ${now}, should be ${value}`;
    return [{ ...about, kind: 'sysctl', problem: 'different', object: key.join('.'), detail }];
  });
}
