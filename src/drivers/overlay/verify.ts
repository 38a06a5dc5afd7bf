import { familyOf, type Ip } from '../../base/index.ts';
import { isErrno, type Link, type Rtnl, readSysctl } from '../../kernel/index.ts';
import type { Drift } from '../../model/index.ts';
import { type About, down } from '../sandbox-link-drift.ts';
import { overlaySettings, VXLAN_PORT } from './links.ts';
import { ofFamily, peerDrift } from './peer-entries.ts';
import type { PeerEntries } from './peers.ts';
import type { OverlayPlan } from './plan.ts';

export interface WantedOverlay {
  readonly plan: OverlayPlan;
  /** Absent: not known at this moment, so nothing is wrong about it. */
  readonly local: Ip | undefined;
  /** Absent: nobody has told yet. */
  readonly peers: PeerEntries | undefined;
}

/** What of an overlay network on this node is not as it was made. */
export function overlayDrift(rtnl: Rtnl, { plan, local, peers }: WantedOverlay): readonly Drift[] {
  const about: About = { networkId: plan.networkId };
  const bridge = rtnl.links.get(plan.bridge);
  const vxlan = rtnl.links.get(plan.vxlan);
  const different = (object: string, detail: string): Drift => ({
    ...{ ...about, kind: 'link', problem: 'different' },
    ...{ object, detail },
  });
  const found: Drift[] = [];
  for (const [name, link, kind] of [
    [plan.bridge, bridge, 'bridge'],
    [plan.vxlan, vxlan, 'vxlan'],
  ] as const) {
    if (link === undefined) found.push({ ...about, kind: 'link', problem: 'missing', object: name });
    else if (link.kind !== kind) found.push(different(name, `a ${link.kind || 'device'}, should be a ${kind}`));
    else if (!link.flags.up) found.push(down(name, about));
  }
  if (bridge?.kind !== 'bridge' || vxlan?.kind !== 'vxlan') return found;
  found.push(...settingsDrift(plan, about));
  for (const detail of vxlanFaults(vxlan, { plan, local, bridge })) found.push(different(plan.vxlan, detail));
  if (peers === undefined) return found;
  const { local: address } = vxlan.details;
  const reachable = address === undefined ? peers : ofFamily(peers, familyOf(address));
  return [...found, ...peerDrift(rtnl, vxlan, reachable, about)];
}

function vxlanFaults(
  { details, masterIndex }: Link,
  {
    plan,
    local,
    bridge,
  }: { readonly plan: OverlayPlan; readonly local: Ip | undefined; readonly bridge: Link | undefined },
): readonly string[] {
  const isPort = bridge !== undefined && masterIndex === bridge.index;
  return [
    ...(isPort || bridge === undefined ? [] : [`not a port of ${plan.bridge}`]),
    ...(details.vni === plan.vni ? [] : [`has identifier ${details.vni}, should have ${plan.vni}`]),
    ...(details.port === plan.port ? [] : [`is on UDP port ${details.port}, should be on ${plan.port}`]),
    ...(local === undefined || details.local === local ? [] : [`sends from ${details.local}, should from ${local}`]),
    ...(isPort && details.learning !== VXLAN_PORT.learning ? ['learns addresses, should not'] : []),
    ...(isPort && details.unicastFlood !== VXLAN_PORT.unicastFlood ? ['is flooded, should not be'] : []),
  ];
}

function settingsDrift(plan: OverlayPlan, about: About): readonly Drift[] {
  return overlaySettings(plan).flatMap(({ key, value }): readonly Drift[] => {
    const now = settingOf(key);
    if (now === undefined || now === String(value)) return [];
    const detail = `is ${now}, should be ${value}`;
    return [{ ...about, kind: 'sysctl', problem: 'different', object: key.join('.'), detail }];
  });
}

/** Undefined: this kernel does not have it. */
function settingOf(key: readonly string[]): string | undefined {
  try {
    return readSysctl(key);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
