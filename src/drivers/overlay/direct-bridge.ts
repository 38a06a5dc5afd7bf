import { conflict, parseCidr, unavailable } from '../../base/index.ts';
import { isErrno, type Link, type Rtnl, readSysctl, writeSysctl } from '../../kernel/index.ts';
import type { Drift, NetworkRecord } from '../../model/index.ts';
import { macOfNetwork } from '../address-mac.ts';
import { overlayMark } from '../marks.ts';
import { type About, down, missingAddress, missingAddresses } from '../sandbox-link-drift.ts';
import { bridgeNameOf } from './plan.ts';

/** Neighbour advertisements need an address to come from. */
const ADVERTISER = parseCidr('fe80::1/64');

type Families = Pick<NetworkRecord, 'enableIpv4' | 'enableIpv6'>;

/** The host has no address there that others could speak to, and answers for what is on other nodes at once. */
function settingsOf(
  bridge: string,
  { enableIpv6 }: Families,
): readonly { readonly key: readonly string[]; readonly value: number }[] {
  const six = (setting: string, value: number) => ({ key: ['net', 'ipv6', 'conf', bridge, setting], value });
  return [
    { key: ['net', 'ipv4', 'conf', bridge, 'arp_ignore'], value: 8 },
    { key: ['net', 'ipv4', 'conf', bridge, 'proxy_arp'], value: 1 },
    { key: ['net', 'ipv4', 'conf', bridge, 'send_redirects'], value: 0 },
    { key: ['net', 'ipv4', 'neigh', bridge, 'proxy_delay'], value: 0 },
    six('disable_ipv6', enableIpv6 ? 0 : 1),
    ...(enableIpv6
      ? [six('accept_ra', 0), six('proxy_ndp', 1), { key: ['net', 'ipv6', 'neigh', bridge, 'proxy_delay'], value: 0 }]
      : []),
  ];
}

/** The bridge of a network with direct routing, made or completed. Throws conflict `link_name_taken`. */
export function makeGoodDirectBridge(rtnl: Rtnl, network: NetworkRecord, mtu: number): void {
  const name = bridgeNameOf(network.id);
  const found = rtnl.links.get(name);
  if (found !== undefined && found.kind !== 'bridge') {
    throw conflict('link_name_taken', `cannot use network "${network.name}": link ${name} is there and is no bridge`);
  }
  const { index } = found ?? rtnl.links.createBridge({ name, mac: macOfNetwork(network.id), multicastSnooping: false });
  rtnl.links.set(index, { alias: overlayMark(network.id), ipv6AddressGeneration: 'none', mtu });
  for (const { key, value } of settingsOf(name, network)) {
    try {
      writeSysctl(key, value);
    } catch (error) {
      // A kernel without IPv6 has nothing to turn off.
      if (network.enableIpv6 || !isErrno(error, 'ENOENT')) throw error;
    }
  }
  for (const cidr of addressesOf(network)) rtnl.addresses.add(index, cidr, { noDad: true, ifMissing: true });
  rtnl.links.set(index, { up: true });
}

export function directBridgeDrift(rtnl: Rtnl, network: NetworkRecord, bridge: Link): readonly Drift[] {
  const about: About = { networkId: network.id };
  const { name } = bridge;
  const different = [
    ...settingsOf(name, network),
    ...forwardingKeys(network).map((key) => ({ key: key.split('.'), value: 1 })),
  ];
  return [
    ...(bridge.flags.up ? [] : [down(name, about)]),
    ...different.flatMap(({ key, value }): readonly Drift[] => {
      const now = settingNow(key);
      if (now === undefined || now === String(value)) return [];
      const detail = `is ${now}, should be ${value}`;
      return [{ ...about, kind: 'sysctl', problem: 'different', object: key.join('.'), detail }];
    }),
    ...missingAddresses(rtnl, bridge, addressesOf(network)).map((cidr) => missingAddress(cidr, name, about)),
  ];
}

/** Turns on what is off where the operator lets us (`allowed`), else throws unavailable `no_forwarding`. */
export function forward(network: NetworkRecord, allowed: boolean): void {
  for (const key of forwardingKeys(network)) {
    if (readSysctl(key) === '1') continue;
    if (!allowed)
      throw unavailable('no_forwarding', `cannot use network "${network.name}" on this host: ${key} is off`);
    writeSysctl(key, 1);
  }
}

function forwardingKeys({ enableIpv4, enableIpv6 }: Families): readonly string[] {
  return [...(enableIpv4 ? ['net.ipv4.ip_forward'] : []), ...(enableIpv6 ? ['net.ipv6.conf.all.forwarding'] : [])];
}

function addressesOf({ enableIpv6 }: Families): readonly (typeof ADVERTISER)[] {
  return enableIpv6 ? [ADVERTISER] : [];
}

function settingNow(key: readonly string[]): string | undefined {
  try {
    return readSysctl(key);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
