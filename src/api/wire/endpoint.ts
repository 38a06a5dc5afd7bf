import { type Ip, invalid, parseMac, tryParseIp } from '../../base/index.ts';
import type { ConfiguredNetwork } from '../../containers/options.ts';
import type { EndpointRequest } from '../../model/index.ts';
import type { CreateBody, EndpointBody } from './container-create.ts';

const IFNAME_OPTION = 'com.docker.network.endpoint.ifname';

const PREDEFINED = ['bridge', 'default', 'host', 'none'];

/** What only user-defined networks have. Docker refuses it with these texts, at create and at connect. */
export function assertAllowedOn(network: string, request: EndpointRequest): void {
  if (!PREDEFINED.includes(network)) return;
  if (request.ipv4 !== undefined || request.ipv6 !== undefined) {
    throw invalid('static_address', 'user-specified IP address is supported on user-defined networks only');
  }
  if (request.aliases !== undefined && request.aliases.length > 0) {
    throw invalid('aliases', 'network-scoped aliases are only supported for user-defined networks');
  }
}

/** What a client asks of one network, from an `EndpointSettings`. */
export function parseEndpoint(body: EndpointBody | null | undefined): EndpointRequest {
  if (!body) return {};
  const ipam = body.IPAMConfig;
  const ipv4 = address(ipam?.IPv4Address, 'IPv4');
  const ipv6 = address(ipam?.IPv6Address, 'IPv6');
  const linkLocal = (ipam?.LinkLocalIPs ?? []).map((text) => {
    const ip = tryParseIp(text);
    if (ip === undefined) throw invalid('invalid_ip', `invalid link-local IP address: ${text}`);
    return ip;
  });
  const ifname = body.DriverOpts[IFNAME_OPTION];
  return {
    ...(ipv4 ? { ipv4 } : {}),
    ...(ipv6 ? { ipv6 } : {}),
    ...(linkLocal.length > 0 ? { linkLocal } : {}),
    ...(body.MacAddress === '' ? {} : { mac: parseMac(body.MacAddress) }),
    ...(body.Aliases.length > 0 ? { aliases: body.Aliases } : {}),
    ...(body.Links.length > 0 ? { links: body.Links } : {}),
    ...(Object.keys(body.DriverOpts).length > 0 ? { driverOptions: body.DriverOpts } : {}),
    ...(body.GwPriority !== 0 ? { gatewayPriority: body.GwPriority } : {}),
    ...(ifname === undefined ? {} : { ifname }),
  };
}

function address(text: string | undefined, family: 'IPv4' | 'IPv6'): Ip | undefined {
  if (!text) return undefined;
  const ip = tryParseIp(text);
  if (ip === undefined || ip.includes(':') !== (family === 'IPv6')) {
    throw invalid('invalid_ip', `invalid ${family} address: ${text}`);
  }
  return ip;
}

export interface CreateNetworks {
  readonly networks: readonly ConfiguredNetwork[];
  readonly warnings: readonly string[];
}

/**
 * The networks of a new container. With endpoints given those are its networks, the one of NetworkMode first; without,
 * NetworkMode alone is. `mode` is normalized.
 */
export function parseNetworks(body: CreateBody, mode: string, version: number): CreateNetworks {
  const given = new Map<string, EndpointBody | null | undefined>();
  for (const [name, endpoint] of Object.entries(body.NetworkingConfig?.EndpointsConfig ?? {})) {
    given.set(name === 'default' ? 'bridge' : name, endpoint);
  }
  if (body.NetworkDisabled || mode.startsWith('container:')) return { networks: [], warnings: [] };
  if (given.size > 1 && version < 44) {
    throw invalid(
      'too_many_networks',
      `Container cannot be connected to network endpoints: ${[...given.keys()].join(', ')}`,
    );
  }
  if (given.size === 0) given.set(mode, undefined);
  const names = [...given.keys()].sort((one, other) => Number(other === mode) - Number(one === mode));
  if (names.length > 1 && (names.includes('none') || mode === 'none')) {
    throw invalid(
      'invalid_networks',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
  if (names.length > 1 && mode === 'host') {
    throw invalid(
      'invalid_networks',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  const networks = names.map((name) => ({ name, request: known(parseEndpoint(given.get(name)), version) }));
  for (const { name, request } of networks) assertAllowedOn(name, request);
  return withContainerMac(networks, body.MacAddress, { mode, version });
}

/** Without what that version of the API does not know. */
function known({ mac, gatewayPriority, ...request }: EndpointRequest, version: number): EndpointRequest {
  return {
    ...request,
    ...(mac !== undefined && version >= 44 ? { mac } : {}),
    ...(gatewayPriority !== undefined && version >= 48 ? { gatewayPriority } : {}),
  };
}

/** The container-wide MAC of older clients belongs to the endpoint of the main network. */
function withContainerMac(
  networks: readonly ConfiguredNetwork[],
  text: string,
  { mode, version }: { readonly mode: string; readonly version: number },
): CreateNetworks {
  if (text === '') return { networks, warnings: [] };
  const mac = parseMac(text);
  if (version < 44 && (mode === 'host' || mode === 'none')) {
    throw invalid('conflicting_options', 'conflicting options: mac-address and the network mode');
  }
  const warnings =
    version < 44
      ? []
      : ['The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.'];
  const main = networks.find(({ name }) => name === mode) ?? networks[0];
  if (main?.request.mac !== undefined && main.request.mac !== mac) {
    throw invalid(
      'mac_conflict',
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
    );
  }
  return {
    warnings,
    networks: networks.map((network) =>
      network === main ? { ...network, request: { ...network.request, mac } } : network,
    ),
  };
}
