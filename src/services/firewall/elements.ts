import {
  cidrText,
  familyOf,
  type IpFamily,
  invalid,
  isLoopbackIp,
  isUnspecifiedIp,
  networkOf,
  shortId,
} from '../../base/index.ts';
import { quoteString } from '../../kernel/index.ts';
import type {
  DataPortEntry,
  FirewallEntry,
  LinkEntry,
  NetworkEntry,
  NodeEntry,
  OpenPortEntry,
  PortEntry,
} from '../../model/index.ts';
import { guardElements } from './guard.ts';
import type { SetName } from './ruleset.ts';

/** One element of a set or map, as text of nft's grammar. Equal elements of two entries are one in the kernel. */
export interface Element {
  readonly set: SetName;
  readonly key: string;
  /** What the key leads to, in a map. */
  readonly value?: string;
  readonly comment: string;
}

/** What makes two entries the same: adding the second replaces the first. */
export function entryKey(entry: FirewallEntry): string {
  switch (entry.kind) {
    case 'network':
      return `network ${entry.networkId} ${cidrText(entry.subnet)}`;
    case 'port':
      return `port ${entry.endpointId} ${entry.protocol} ${entry.hostIp} ${entry.hostPort}`;
    case 'openPort':
      return `openPort ${entry.endpointId} ${entry.protocol} ${entry.containerIp} ${entry.containerPort}`;
    case 'link':
      return `link ${entry.networkId} ${entry.from} ${entry.to} ${entry.protocol} ${entry.port}`;
    case 'guard':
      return `guard ${entry.endpointId} ${entry.port}`;
    case 'dataPort':
      return `dataPort ${entry.networkId} ${entry.port}`;
    case 'node':
      return `node ${entry.nodeId}`;
  }
}

/** Throws `invalid_firewall_entry` for one that cannot be expressed. */
export function elementsOf(entry: FirewallEntry): readonly Element[] {
  switch (entry.kind) {
    case 'network':
      return networkElements(entry);
    case 'port':
      return portElements(entry);
    case 'openPort':
      return [openPortElement(entry)];
    case 'link':
      return [linkElement(entry)];
    case 'guard':
      return guardElements(entry);
    case 'dataPort':
      return dataPortElements(entry);
    case 'node':
      return [nodeElement(entry)];
  }
}

function networkElements(entry: NetworkEntry): Element[] {
  const family = familyOf(entry.subnet.ip);
  const comment = `network ${shortId(entry.networkId)}`;
  const bridge = quoteString(entry.bridge);
  const pair = `${bridge} . ${bridge}`;
  const elements: Element[] = [
    { set: 'bridges', key: bridge, comment },
    { set: `inside${family}`, key: `${bridge} . ${cidrText(networkOf(entry.subnet))}`, comment },
    { set: `same${family}`, key: pair, value: entry.icc ? 'accept' : `jump closed${family}`, comment },
    { set: `enter${family}`, key: bridge, value: enterVerdict(entry, family), comment },
  ];
  if (entry.secluded === true) elements.push({ set: 'secluded', key: bridge, comment });
  if (entry.beyond !== undefined) {
    const { link, subnet } = entry.beyond;
    if (!isClosed(entry)) throw refused(`an open network does not go on behind link ${link}`);
    const key = `${bridge} . ${quoteString(link)} . ${cidrText(networkOf(subnet))}`;
    elements.push({ set: `beyond${familyOf(subnet.ip)}`, key, comment });
  }
  if (isClosed(entry)) return elements;
  elements.push({ set: `outward${family}`, key: bridge, comment });
  for (const name of new Set(entry.trustedInterfaces)) {
    elements.push({ set: `trusted${family}`, key: `${quoteString(name)} . ${bridge}`, comment });
  }
  const source = sourceElement(entry, family);
  return source === undefined ? elements : [...elements, source];
}

function isClosed({ internal, gatewayMode }: NetworkEntry): boolean {
  return internal || gatewayMode === 'isolated';
}

function enterVerdict(entry: NetworkEntry, family: IpFamily): string {
  if (isClosed(entry)) return entry.beyond === undefined ? 'drop' : `jump behind${family}`;
  switch (entry.gatewayMode) {
    case 'nat':
      return `jump protected${family}`;
    case 'nat-unprotected':
      return `jump unprotected${family}`;
    case 'routed':
      return `jump routed${family}`;
    case 'isolated':
      return 'drop';
  }
}

function sourceElement(entry: NetworkEntry, family: IpFamily): Element | undefined {
  if (entry.masquerade === false || entry.gatewayMode === 'routed') return undefined;
  const key = `${quoteString(entry.bridge)} . ${cidrText(networkOf(entry.subnet))}`;
  const comment = `network ${shortId(entry.networkId)}`;
  if (entry.masquerade === true) return { set: `masquerade${family}`, key, comment };
  if (familyOf(entry.masquerade) !== family) {
    throw refused(`source address ${entry.masquerade} is not of the family of subnet ${cidrText(entry.subnet)}`);
  }
  return { set: `snat${family}`, key, value: entry.masquerade, comment };
}

const WILDCARD = { 4: 'wildcard4', 6: 'wildcard6' } as const;

function portElements(entry: PortEntry): Element[] {
  const { protocol, hostIp, hostPort, containerIp, containerPort } = entry;
  const family = familyOf(hostIp);
  if (familyOf(containerIp) !== family) {
    throw refused(`host address ${hostIp} and container address ${containerIp} are of different families`);
  }
  if (hostIp === '::1') throw refused('the kernel translates nothing that comes from ::1');
  checkPorts(hostPort, containerPort);
  const comment = endpointComment(entry);
  const port = `${protocol} . ${hostPort}`;
  const value = `${containerIp} . ${containerPort}`;
  if (isUnspecifiedIp(hostIp)) return [{ set: WILDCARD[family], key: port, value, comment }];
  const key = `${hostIp} . ${port}`;
  const elements: Element[] = [{ set: `specific${family}`, key, value, comment }];
  if (isLoopbackIp(hostIp)) elements.push({ set: 'local4', key, comment });
  return elements;
}

function openPortElement(entry: OpenPortEntry): Element {
  const { protocol, containerIp, containerPort } = entry;
  checkPorts(containerPort);
  const key = `${containerIp} . ${protocol} . ${containerPort}`;
  return { set: `open${familyOf(containerIp)}`, key, comment: endpointComment(entry) };
}

function linkElement(entry: LinkEntry): Element {
  const family = familyOf(entry.from);
  if (familyOf(entry.to) !== family) {
    throw refused(`link from ${entry.from} to ${entry.to} joins different families`);
  }
  checkPorts(entry.port);
  const key = `${entry.from} . ${entry.to} . ${entry.protocol} . ${entry.port}`;
  return { set: `links${family}`, key, comment: `network ${shortId(entry.networkId)}` };
}

function dataPortElements({ port, encrypted = false }: DataPortEntry): Element[] {
  checkPorts(port);
  const element = { key: String(port), comment: 'overlay networks' };
  return [{ set: 'dataPorts', ...element }, ...(encrypted ? [{ set: 'encryptedPorts', ...element } as const] : [])];
}

function nodeElement({ nodeId, address }: NodeEntry): Element {
  return { set: `nodes${familyOf(address)}`, key: address, comment: `node ${shortId(nodeId)}` };
}

/** An endpoint may have thousands of ports, which share one text. */
let lastComment = { networkId: '', endpointId: '', text: '' };

/** Short ids: nft allows 127 characters. */
function endpointComment({ networkId, endpointId }: PortEntry | OpenPortEntry): string {
  if (lastComment.endpointId !== endpointId || lastComment.networkId !== networkId) {
    lastComment = { networkId, endpointId, text: `network ${shortId(networkId)} endpoint ${shortId(endpointId)}` };
  }
  return lastComment.text;
}

function checkPorts(...ports: readonly number[]): void {
  for (const port of ports) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw refused(`port ${port} is not in 1..65535`);
  }
}

function refused(reason: string): Error {
  return invalid('invalid_firewall_entry', `invalid firewall entry: ${reason}`);
}
