import { conflict, familyOf, type Id, type Ip } from '../../base/index.ts';
import { isErrno, type Link, type Rtnl, requireFeature, writeSysctl } from '../../kernel/index.ts';
import type { DiscardedLinks } from '../discarded-links.ts';
import { isOverlayLink, overlayMark, ownerOf } from '../marks.ts';
import type { OverlayPlan } from './plan.ts';

export interface OverlayLinksDeps {
  readonly rtnl: Rtnl;
  readonly discarded: DiscardedLinks;
  /** Networks that exist on this node now; a link of any other was left behind. */
  readonly live: ReadonlySet<Id>;
}

export interface OverlayPlace {
  readonly plan: OverlayPlan;
  readonly local: Ip;
  readonly mtu: number;
  /** Of the network, for what is told to users. */
  readonly name: string;
}

/** Frames go where they are told, and nowhere else: nothing is learnt, and what is unknown stays on the node. */
export const VXLAN_PORT = { learning: false, unicastFlood: false } as const;

/** Makes the network's links, or completes what there is of them, and undoes its own part on failure. */
export function makeGoodLinks(deps: OverlayLinksDeps, place: OverlayPlace): Link {
  const { rtnl } = deps;
  using undo = new DisposableStack();
  const bridge = makeGoodBridge(rtnl, place, undo);
  const vxlan = makeGoodVxlan(deps, place, undo);
  rtnl.links.set(vxlan.index, {
    alias: overlayMark(place.plan.networkId),
    masterIndex: bridge.index,
    ipv6AddressGeneration: 'none',
  });
  rtnl.links.setBridgePort(vxlan.index, VXLAN_PORT);
  settle(place.plan);
  comeUp(rtnl, vxlan, place);
  rtnl.links.set(bridge.index, { up: true });
  undo.move();
  return vxlan;
}

/**
 * Sysctls. The host has no part in the network: by its bridge it answers for no address of its own. The kernel takes IPv6
 * neighbours only of a link that has IPv6.
 */
export function overlaySettings({
  bridge,
  vxlan,
}: Pick<OverlayPlan, 'bridge' | 'vxlan'>): readonly { readonly key: readonly string[]; readonly value: number }[] {
  return [
    { key: ['net', 'ipv4', 'conf', bridge, 'arp_ignore'], value: 8 },
    { key: ['net', 'ipv6', 'conf', bridge, 'disable_ipv6'], value: 1 },
    { key: ['net', 'ipv6', 'conf', vxlan, 'disable_ipv6'], value: 0 },
    { key: ['net', 'ipv6', 'conf', vxlan, 'accept_ra'], value: 0 },
  ];
}

/** Before the links go up. */
function settle(plan: OverlayPlan): void {
  for (const { key, value } of overlaySettings(plan)) {
    try {
      writeSysctl(key, value);
    } catch (error) {
      // A kernel without IPv6 has nothing to turn off.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
}

function makeGoodBridge(rtnl: Rtnl, { plan, mtu, name }: OverlayPlace, undo: DisposableStack): Link {
  const found = rtnl.links.get(plan.bridge);
  if (found !== undefined && found.kind !== 'bridge') throw notOurs(found, name, 'bridge');
  const link = found ?? supported('bridge', () => createBridge(rtnl, plan));
  if (found === undefined) undo.defer(() => rtnl.links.delete(link.index));
  // The MTU is said again, else the bridge would take that of its smallest port.
  rtnl.links.set(link.index, { alias: overlayMark(plan.networkId), ipv6AddressGeneration: 'none', mtu });
  return link;
}

function createBridge(rtnl: Rtnl, { bridge, mac }: OverlayPlan): Link {
  // Snooping would keep neighbour solicitations from the VXLAN link where a local container listens to the same group.
  return rtnl.links.createBridge({ name: bridge, mac, multicastSnooping: false });
}

/** One that differs in what cannot be changed is made anew. */
function makeGoodVxlan(deps: OverlayLinksDeps, place: OverlayPlace, undo: DisposableStack): Link {
  const { rtnl } = deps;
  const { plan, local, mtu } = place;
  const found = rtnl.links.get(plan.vxlan);
  if (found !== undefined && found.kind !== 'vxlan') throw notOurs(found, place.name, 'VXLAN link');
  if (found !== undefined && isSame(found, place)) {
    if (found.details.local !== local) rtnl.links.setVxlanLocal(found.index, local);
    if (found.mtu !== mtu) rtnl.links.set(found.index, { mtu });
    return found;
  }
  if (found !== undefined) rtnl.links.delete(found.index);
  const made = supported('vxlan', () => createVxlan(deps, place));
  undo.defer(() => rtnl.links.delete(made.index));
  return made;
}

function isSame({ details }: Link, { plan, local }: OverlayPlace): boolean {
  const family = details.local === undefined ? undefined : familyOf(details.local);
  return details.vni === plan.vni && details.port === plan.port && family === familyOf(local);
}

function createVxlan(deps: OverlayLinksDeps, place: OverlayPlace): Link {
  const { plan, local, mtu } = place;
  const create = (): Link =>
    deps.rtnl.links.createVxlan({
      ...{ name: plan.vxlan, vni: plan.vni, port: plan.port, local, mtu },
      learning: false,
      proxy: true,
    });
  try {
    return create();
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    makeRoom(deps, place);
    return create();
  }
}

/** The kernel has one link of an identifier on a port: ours of before may still wait for deletion, or was left behind. */
function makeRoom({ rtnl, discarded, live }: OverlayLinksDeps, { plan, name }: OverlayPlace): void {
  discarded.flush();
  const holder = rtnl.links
    .list()
    .find(({ kind, details }) => kind === 'vxlan' && details.vni === plan.vni && details.port === plan.port);
  if (holder === undefined) return;
  const owner = ownerOf(holder).network;
  if (isOverlayLink(holder) && owner !== undefined && !live.has(owner)) {
    rtnl.links.delete(holder.index);
    return;
  }
  throw conflict(
    'vni_taken',
    `cannot use network "${name}" on this host: VXLAN identifier ${plan.vni} on UDP port ${plan.port} is used by link ${holder.name}`,
  );
}

function comeUp(rtnl: Rtnl, vxlan: Link, { plan, name }: OverlayPlace): void {
  try {
    rtnl.links.set(vxlan.index, { up: true });
  } catch (error) {
    if (!isErrno(error, 'EADDRINUSE')) throw error;
    throw conflict(
      'data_port_taken',
      `cannot use network "${name}" on this host: a process has UDP port ${plan.port} (--cluster-data-path-port)`,
    );
  }
}

function supported(feature: 'bridge' | 'vxlan', create: () => Link): Link {
  try {
    return create();
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP')) requireFeature(feature);
    throw error;
  }
}

function notOurs(link: Link, network: string, wanted: string): Error {
  return conflict('link_name_taken', `cannot use network "${network}": link ${link.name} is there and is no ${wanted}`);
}
