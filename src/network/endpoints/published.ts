import { familyOf, type Id, type Ip, type IpFamily, isLoopbackIp, isUnspecifiedIp } from '../../base/index.ts';
import type { FirewallEntry, NetworkEntry, PortRequest, PublishedPort, RelayedPort } from '../../model/index.ts';
import type { LiveEndpoint } from '../state.ts';
import type { Gateways } from './gateways.ts';

/** The endpoint that a family's published ports lead to. */
export interface PortTarget {
  readonly endpointId: Id;
  readonly networkId: Id;
  readonly bridge: string;
  readonly ip: Ip;
  /** The container's own port is open, nothing is translated. */
  readonly routed: boolean;
}

export interface PortTargets {
  readonly ipv4?: PortTarget;
  readonly ipv6?: PortTarget;
  readonly hostBinding?: Ip;
}

/** Ports go where the default routes go, on networks that publish at all. */
export function portTargets(gateways: Gateways): PortTargets {
  const ipv4 = targetOf(gateways.ipv4, 4);
  const ipv6 = targetOf(gateways.ipv6, 6);
  const hostBinding = gateways.ipv4?.network.setup.hostBinding;
  return {
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(hostBinding === undefined ? {} : { hostBinding }),
  };
}

function targetOf(endpoint: LiveEndpoint | undefined, family: IpFamily): PortTarget | undefined {
  const ip = (family === 4 ? endpoint?.spec.ipv4 : endpoint?.spec.ipv6)?.ip;
  const entry = endpoint?.network.setup.firewall.find((one) => isNetworkEntry(one, family));
  if (endpoint === undefined || ip === undefined || entry?.kind !== 'network') return undefined;
  if (endpoint.network.driver?.traits.publishesPorts !== true) return undefined;
  return {
    endpointId: endpoint.record.id,
    networkId: endpoint.network.record.id,
    bridge: entry.bridge,
    ip,
    routed: entry.gatewayMode === 'routed',
  };
}

function isNetworkEntry(entry: FirewallEntry, family: IpFamily): entry is NetworkEntry {
  return entry.kind === 'network' && familyOf(entry.subnet.ip) === family;
}

/** What to ask of the host; empty when every family is routed, or nothing leads out. */
export function hostRequests(requested: readonly PortRequest[], targets: PortTargets): readonly PortRequest[] {
  const translated = [targets.ipv4, targets.ipv6].some((target) => target !== undefined && !target.routed);
  if (!translated) return [];
  const { hostBinding } = targets;
  if (hostBinding === undefined) return requested;
  return requested.map((request) => (request.hostIp === undefined ? { ...request, hostIp: hostBinding } : request));
}

const WILDCARDS = { ipv4: '0.0.0.0' as Ip, ipv6: '::' as Ip } as const;

/** What inspect shows: the held ports; for a routed family its own ports, without a port of the host. */
export function publishedPorts(
  requested: readonly PortRequest[],
  held: readonly PublishedPort[],
  targets: PortTargets,
): readonly PublishedPort[] {
  const routed = (['ipv4', 'ipv6'] as const).filter((family) => targets[family]?.routed === true);
  const isRouted = (ip: Ip): boolean => routed.includes(familyOf(ip) === 4 ? 'ipv4' : 'ipv6');
  const open = routed.flatMap((family) =>
    requested
      .filter(({ hostIp }) => hostIp === undefined || isRouted(hostIp))
      .map(({ protocol, containerPort }) => ({
        protocol,
        containerPort,
        hostIp: WILDCARDS[family],
        hostPort: 0,
      })),
  );
  return [...held.filter(({ hostIp }) => !isRouted(hostIp)), ...open];
}

/** Translation by the kernel. */
export function portEntries(published: readonly PublishedPort[], targets: PortTargets): readonly FirewallEntry[] {
  return published.flatMap((port): readonly FirewallEntry[] => {
    const target = familyOf(port.hostIp) === 4 ? targets.ipv4 : targets.ipv6;
    if (target === undefined) return [];
    const { endpointId, networkId, bridge, ip } = target;
    const { protocol, containerPort, hostIp, hostPort } = port;
    const common = { networkId, endpointId, bridge, protocol, containerIp: ip, containerPort };
    if (target.routed) return [{ kind: 'openPort', ...common }];
    // The kernel translates nothing that comes from ::1.
    if (hostPort === 0 || (familyOf(hostIp) === 6 && isLoopbackIp(hostIp))) return [];
    return [{ kind: 'port', ...common, hostIp, hostPort }];
  });
}

/** What the kernel cannot translate: from `::1`, and from a family that the container does not have. `all`: may not. */
export function relayedPorts(
  published: readonly PublishedPort[],
  targets: PortTargets,
  { all = false }: { readonly all?: boolean } = {},
): readonly RelayedPort[] {
  return published.flatMap((port) => {
    if (port.hostPort === 0) return [];
    const six = familyOf(port.hostIp) === 6;
    const own = six ? targets.ipv6 : targets.ipv4;
    const other = six ? targets.ipv4 : targets.ipv6;
    const untranslated = own === undefined || (six && (isUnspecifiedIp(port.hostIp) || isLoopbackIp(port.hostIp)));
    const needsRelay = untranslated || (all && !isLoopbackIp(port.hostIp));
    const target = own ?? other;
    if (!needsRelay || target === undefined) return [];
    return [{ published: port, target: { ip: target.ip, port: port.containerPort } }];
  });
}
