import { type Cidr, familyOf, type Ip, invalid, type Mac, messageOf, newId } from '../base/index.ts';
import {
  isErrno,
  type Link,
  type LinkSpec,
  type NetnsHandle,
  netnsExists,
  openNetns,
  Rtnl,
  runInNetns,
  sendGratuitousArp,
  sendUnsolicitedNa,
  writeSysctl,
} from '../kernel/index.ts';
import type { AttachSpec } from '../model/index.ts';
import type { EndpointOptions } from './endpoint-options.ts';
import { endpointMark, ownerOf } from './marks.ts';
import { acceptRouterAdvertisements, ignoreRouterAdvertisements } from './router-advertisements.ts';

export interface SandboxLink {
  readonly ifname: string;
  /** Where the kernel says so already, as for the far end of a pair; else it is asked. */
  readonly index?: number | undefined;
  readonly addresses: readonly Cidr[];
  readonly sysctls: EndpointOptions['sysctls'];
  /** Its IPv6 addresses are what routers of the link advertise. */
  readonly slaac?: boolean;
}

/** Addresses the link must have: the endpoint's own and the link-local ones asked for. */
export function addressesOf(spec: AttachSpec): readonly Cidr[] {
  const own = [spec.ipv4, spec.ipv6].filter((cidr) => cidr !== undefined);
  return [...own, ...(spec.request.linkLocal ?? []).map(linkLocalCidr)];
}

function linkLocalCidr(ip: Ip): Cidr {
  return { ip, prefix: familyOf(ip) === 4 ? 16 : 64 };
}

/** Where a DHCP server gives IPv4 addresses, the routers of the link give those of IPv6. */
export function usesSlaac({ network }: AttachSpec): boolean {
  return network.enableIpv6 && network.ipam.driver === 'dhcp';
}

/** Gives a link that is already in the namespace its settings and addresses, and brings it up. */
export function setUpSandboxLink(ns: NetnsHandle, link: SandboxLink): void {
  runInNetns(ns, () => setUpLink(link));
}

/** In the namespace that the thread is in. */
function setUpLink(link: SandboxLink): void {
  using rtnl = Rtnl.open();
  const index = link.index ?? rtnl.links.get(link.ifname)?.index;
  if (index === undefined) throw new Error(`cannot set up link "${link.ifname}": it is not in the sandbox`);
  const hasIpv6 = link.addresses.some((cidr) => familyOf(cidr.ip) === 6);
  if (link.slaac === true) {
    acceptRouterAdvertisements(link.ifname);
    writeSysctl(['net', 'ipv6', 'conf', link.ifname, 'disable_ipv6'], 0);
  } else {
    ignoreRouterAdvertisements(link.ifname);
    ipv6Settings(link.ifname, hasIpv6);
  }
  // The kernel tells the neighbours as the link comes up.
  const batch = rtnl.batch().setLink(index, { arpNotify: true });
  for (const cidr of link.addresses) batch.addAddress(index, cidr, { noDad: true });
  const [failure] = batch.setLink(index, { up: true }).run(`set up link "${link.ifname}"`);
  if (failure !== undefined) throw failure.error;
  for (const setting of link.sysctls) applySetting(setting);
}

/** Without an IPv6 address no link-local one either; with one, nothing waits for duplicate address detection. */
function ipv6Settings(ifname: string, wanted: boolean): void {
  const key = (setting: string): string[] => ['net', 'ipv6', 'conf', ifname, setting];
  try {
    writeSysctl(key('disable_ipv6'), wanted ? 0 : 1);
    if (!wanted) return;
    writeSysctl(key('accept_dad'), 0);
    writeSysctl(key('ndisc_notify'), 1);
  } catch (error) {
    // A kernel without IPv6 has nothing to turn off.
    if (wanted || !isErrno(error, 'ENOENT')) throw error;
  }
}

/** Removes the endpoint's link of that kind from a sandbox that may be gone; one with another mark is somebody else's. */
export function deleteSandboxLink(spec: AttachSpec, kind: string): void {
  if (!netnsExists(spec.sandboxPath)) return;
  using ns = openNetns(spec.sandboxPath);
  using rtnl = Rtnl.open(ns);
  const link = rtnl.links.get(spec.ifname);
  if (link === undefined || link.kind !== kind) return;
  const marked = link.alias !== undefined && link.alias !== '';
  if (!marked || ownerOf(link).endpoint === spec.endpointId) rtnl.links.delete(link.index);
}

/** Makes a link through `create` in the sandbox of `spec` and sets it up; deletes it again when that fails. */
export function makeSandboxLink(
  spec: AttachSpec,
  options: EndpointOptions,
  create: (base: Pick<LinkSpec, 'name' | 'targetNetns'>) => Link,
): void {
  using ns = openNetns(spec.sandboxPath);
  using rtnl = Rtnl.open(ns);
  using undo = new DisposableStack();
  const { index } = createNamed(rtnl, spec.ifname, (name) => create({ name, targetNetns: ns }));
  undo.defer(() => rtnl.links.delete(index));
  rtnl.links.set(index, { alias: endpointMark(spec.endpointId) });
  const [addresses, slaac] = [addressesOf(spec), usesSlaac(spec)];
  setUpSandboxLink(ns, { ifname: spec.ifname, addresses, slaac, sysctls: options.sysctls });
  undo.move();
}

/**
 * Linux 6.1 refuses a name that a link of the host has, although it is to be elsewhere: as a rule the parent's, which is called
 * `eth0`, too. There the link gets its name in the sandbox, after another one.
 */
function createNamed(rtnl: Rtnl, ifname: string, create: (name: string) => Link): Link {
  try {
    return create(ifname);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  const link = create(`fwm${newId().slice(0, 12)}`);
  try {
    rtnl.links.set(link.index, { name: ifname });
  } catch (error) {
    rtnl.links.delete(link.index);
    throw error;
  }
  return link;
}

/** Gratuitous ARP and unsolicited neighbour advertisement for the endpoint's addresses, from inside the sandbox. */
export function announceAddresses(spec: AttachSpec, mac: Mac): void {
  using ns = openNetns(spec.sandboxPath);
  using rtnl = Rtnl.open(ns);
  const link = rtnl.links.get(spec.ifname);
  if (link === undefined || !link.flags.up) return;
  if (spec.ipv4 !== undefined) sendGratuitousArp(ns, link.index, mac, spec.ipv4.ip);
  if (spec.ipv6 !== undefined) sendUnsolicitedNa(ns, link.index, mac, spec.ipv6.ip);
}

/** What the kernel does not know, or does not take, is a mistake in the option. */
function applySetting({ key, value }: EndpointOptions['sysctls'][number]): void {
  try {
    writeSysctl(key, value);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EINVAL')) throw error;
    throw invalid('invalid_sysctl', `invalid sysctl ${key.join('.')}=${value} of an endpoint: ${messageOf(error)}`);
  }
}
