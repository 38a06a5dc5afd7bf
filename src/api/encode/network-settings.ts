import { shortId } from '../../base/index.ts';
import type { ContainerView } from '../../containers/contract.ts';
import type { ConfiguredNetwork } from '../../containers/options.ts';
import type { EndpointRecord, EndpointRequest } from '../../model/index.ts';
import { PREDEFINED } from './network.ts';

function ipamConfigOf(request: EndpointRequest) {
  const { ipv4, ipv6, linkLocal } = request;
  if (!ipv4 && !ipv6 && !linkLocal) return null;
  return {
    ...(ipv4 ? { IPv4Address: ipv4 } : {}),
    ...(ipv6 ? { IPv6Address: ipv6 } : {}),
    ...(linkLocal ? { LinkLocalIPs: linkLocal } : {}),
  };
}

/** Through 1.44 the short id stood among the aliases; since then it is in DNSNames only. */
function aliasesOf(view: ContainerView, network: ConfiguredNetwork, version: number): readonly string[] | null {
  const aliases = network.request.aliases ?? [];
  const withId = version <= 44 && !PREDEFINED.includes(network.name) ? [...aliases, shortId(view.id)] : aliases;
  return withId.length > 0 ? withId : null;
}

export function endpointSettings(
  view: ContainerView,
  network: ConfiguredNetwork,
  endpoint: EndpointRecord | undefined,
  version: number,
) {
  const { request } = network;
  const names = endpoint?.dnsNames ?? [];
  return {
    IPAMConfig: ipamConfigOf(request),
    Links: request.links ?? null,
    Aliases: aliasesOf(view, network, version),
    MacAddress: endpoint?.mac ?? (version >= 44 ? (request.mac ?? '') : ''),
    DriverOpts: request.driverOptions ?? null,
    ...(version >= 48 ? { GwPriority: request.gatewayPriority ?? 0 } : {}),
    NetworkID: endpoint?.networkId ?? network.networkId ?? '',
    EndpointID: endpoint?.id ?? '',
    Gateway: endpoint?.gateway4 ?? '',
    IPAddress: endpoint?.ipv4?.ip ?? '',
    IPPrefixLen: endpoint?.ipv4?.prefix ?? 0,
    IPv6Gateway: endpoint?.gateway6 ?? '',
    GlobalIPv6Address: endpoint?.ipv6?.ip ?? '',
    GlobalIPv6PrefixLen: endpoint?.ipv6?.prefix ?? 0,
    ...(version >= 44 ? { DNSNames: names.length > 0 ? names : null } : {}),
  };
}

/** The endpoint by which a configured network is joined, when it is. */
function endpointFor(view: ContainerView, network: ConfiguredNetwork): EndpointRecord | undefined {
  return view.endpoints.find(({ networkId }) => networkId === network.networkId);
}

export function networksMap(view: ContainerView, version: number) {
  return Object.fromEntries(
    view.networks.map((network) => [
      network.name,
      endpointSettings(view, network, endpointFor(view, network), version),
    ]),
  );
}

type PortBinding = { readonly HostIp: string; readonly HostPort: string };

/** `{"80/tcp":[{HostIp,HostPort}], "81/tcp":null}`: null says exposed and not published. Empty when nothing runs. */
export function portsMap(view: ContainerView): Record<string, PortBinding[] | null> {
  const ports: Record<string, PortBinding[] | null> = {};
  if (!view.sandbox || view.sandbox.host) return ports;
  for (const { port, protocol } of view.effective.exposed) ports[`${port}/${protocol}`] = null;
  for (const { containerPort, protocol, hostIp, hostPort } of view.published) {
    const key = `${containerPort}/${protocol}`;
    const bindings = ports[key] ?? [];
    bindings.push({ HostIp: hostIp, HostPort: hostPort === 0 ? '' : String(hostPort) });
    ports[key] = bindings;
  }
  return ports;
}

/** The PORTS column's data. */
export function portsList(view: ContainerView) {
  if (!view.sandbox || view.sandbox.host) return [];
  const published = view.published.map(({ hostIp, containerPort, hostPort, protocol }) => ({
    IP: hostIp as string,
    PrivatePort: containerPort,
    ...(hostPort === 0 ? {} : { PublicPort: hostPort }),
    Type: protocol as string,
  }));
  // There may be thousands.
  const led = new Set(published.map(({ PrivatePort, Type }) => `${PrivatePort}/${Type}`));
  const open = view.effective.exposed.filter(({ port, protocol }) => !led.has(`${port}/${protocol}`));
  return [...published, ...open.map(({ port, protocol }) => ({ PrivatePort: port, Type: protocol }))];
}

export function networkSettings(view: ContainerView, version: number) {
  const onBridge = view.networks.find(({ name }) => name === 'bridge');
  const bridge = onBridge ? endpointFor(view, onBridge) : undefined;
  return {
    Bridge: '',
    SandboxID: view.sandbox?.id ?? '',
    SandboxKey: view.sandbox?.path ?? '',
    Ports: portsMap(view),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.id ?? '',
    Gateway: bridge?.gateway4 ?? '',
    GlobalIPv6Address: bridge?.ipv6?.ip ?? '',
    GlobalIPv6PrefixLen: bridge?.ipv6?.prefix ?? 0,
    IPAddress: bridge?.ipv4?.ip ?? '',
    IPPrefixLen: bridge?.ipv4?.prefix ?? 0,
    IPv6Gateway: bridge?.gateway6 ?? '',
    MacAddress: bridge?.mac ?? '',
    Networks: networksMap(view, version),
  };
}
