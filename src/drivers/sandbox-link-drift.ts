import { type Cidr, cidrText } from '../base/index.ts';
import { type Link, openNetns, Rtnl } from '../kernel/index.ts';
import type { Attachment, AttachSpec, Drift, NetworkDriver } from '../model/index.ts';
import { addressesOf } from './sandbox-link.ts';

/** What of an endpoint's link inside its sandbox is not as it was made. */
export function sandboxLinkDrift(spec: AttachSpec): readonly Drift[] {
  using ns = openNetns(spec.sandboxPath);
  using rtnl = Rtnl.open(ns);
  const about = ofEndpoint(spec);
  const object = `${spec.ifname} in ${spec.sandboxPath}`;
  const link = rtnl.links.get(spec.ifname);
  if (link === undefined) return [{ ...about, kind: 'link', problem: 'missing', object }];
  return [
    ...(link.flags.up ? [] : [down(object, about)]),
    ...missingAddresses(rtnl, link, addressesOf(spec)).map((cidr) => missingAddress(cidr, object, about)),
  ];
}

/** Gives the link in the sandbox what it lacks. False when there is no such link. */
export function makeGoodSandboxLink(spec: AttachSpec): boolean {
  using ns = openNetns(spec.sandboxPath);
  using rtnl = Rtnl.open(ns);
  const link = rtnl.links.get(spec.ifname);
  if (link === undefined) return false;
  for (const cidr of addressesOf(spec)) rtnl.addresses.add(link.index, cidr, { noDad: true, ifMissing: true });
  if (!link.flags.up) rtnl.links.set(link.index, { up: true });
  return true;
}

/** {@link NetworkDriver.repairAttachment} for drivers whose link is in the sandbox alone: made again when it has gone. */
export async function repairSandboxLink(
  driver: Pick<NetworkDriver, 'attach' | 'detach' | 'restoreAttachment'>,
  spec: AttachSpec,
  state: Attachment['state'],
): Promise<Attachment> {
  if (makeGoodSandboxLink(spec)) return driver.restoreAttachment(spec, state);
  await driver.detach(spec, state);
  return driver.attach(spec);
}

export function missingAddresses(rtnl: Rtnl, link: Link, wanted: readonly Cidr[]): readonly Cidr[] {
  const there = new Set(rtnl.addresses.list(link.index).map(({ cidr }) => cidrText(cidr)));
  return wanted.filter((cidr) => !there.has(cidrText(cidr)));
}

export type About = Pick<Drift, 'networkId' | 'endpointId' | 'ownerId'>;

export function ofEndpoint({ endpointId, ownerId, network }: AttachSpec): About {
  return { networkId: network.id, endpointId, ownerId };
}

export function down(object: string, about: About): Drift {
  return { ...about, kind: 'link', problem: 'different', object, detail: 'down, should be up' };
}

export function missingAddress(cidr: Cidr, link: string, about: About): Drift {
  return { ...about, kind: 'address', problem: 'missing', object: `${cidrText(cidr)} on ${link}` };
}
