import type { Id, Ip } from '../../../base/index.ts';
import { parseCidr, parseIp, parseMac } from '../../../base/index.ts';
import type { GuardEntry, LinkEntry, NetworkEntry, OpenPortEntry, PortEntry } from '../../../model/index.ts';

/** Short names for what the tests of the packet filter say again and again. */
export function testId(digit: string): Id {
  return digit.repeat(64) as Id;
}

export function network(bridge: string, subnet: string, more: Partial<NetworkEntry> = {}): NetworkEntry {
  return {
    kind: 'network',
    networkId: testId('a'),
    bridge,
    subnet: parseCidr(subnet),
    internal: false,
    icc: true,
    gatewayMode: 'nat',
    masquerade: true,
    trustedInterfaces: [],
    ...more,
  };
}

/** `192.0.2.1:8080` → `172.30.0.2:80`, IPv6 in brackets. */
export function port(host: string, container: string, more: Partial<PortEntry> = {}): PortEntry {
  const [hostIp, hostPort] = split(host);
  const [containerIp, containerPort] = split(container);
  return {
    kind: 'port',
    networkId: testId('a'),
    endpointId: testId('e'),
    bridge: 'fwd',
    protocol: 'tcp',
    hostIp,
    hostPort,
    containerIp,
    containerPort,
    ...more,
  };
}

export function openPort(container: string, more: Partial<OpenPortEntry> = {}): OpenPortEntry {
  const [containerIp, containerPort] = split(container);
  return {
    kind: 'openPort',
    networkId: testId('a'),
    endpointId: testId('e'),
    bridge: 'fwd',
    protocol: 'tcp',
    containerIp,
    containerPort,
    ...more,
  };
}

export function link(from: string, to: string, more: Partial<LinkEntry> = {}): LinkEntry {
  const [toIp, toPort] = split(to);
  return {
    kind: 'link',
    networkId: testId('a'),
    bridge: 'fwd',
    from: parseIp(from),
    to: toIp,
    protocol: 'tcp',
    port: toPort,
    ...more,
  };
}

export function guard(name: string, mac: string, ...addresses: readonly string[]): GuardEntry {
  return {
    kind: 'guard',
    networkId: testId('a'),
    endpointId: testId('e'),
    port: name,
    mac: parseMac(mac),
    addresses: addresses.map((ip) => parseIp(ip)),
  };
}

function split(address: string): [Ip, number] {
  const colon = address.lastIndexOf(':');
  return [parseIp(address.slice(0, colon).replace(/^\[|\]$/g, '')), Number(address.slice(colon + 1))];
}
