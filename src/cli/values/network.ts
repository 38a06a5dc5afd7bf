import type { EndpointConfig } from '../../client/index.ts';
import { csvFields, keyValue } from './csv.ts';

/** One `--network`: where to attach, and how. */
export interface Attachment {
  readonly target: string;
  readonly config: EndpointConfig;
}

/** Flags that apply to the first network. */
export interface FirstNetwork {
  readonly aliases: readonly string[];
  readonly links: readonly string[];
  readonly linkLocalIps: readonly string[];
  readonly ip: string;
  readonly ip6: string;
  readonly mac: string;
}

/** Reads `name` or `name=…,alias=…,ip=…,ip6=…,mac-address=…,driver-opt=k=v,link-local-ip=…,gw-priority=…`. */
export function parseAttachment(text: string): Attachment {
  if (!text.includes('=')) return { target: text, config: {} };
  let target = '';
  const config: EndpointConfig = {};
  for (const field of csvFields(text)) {
    const { key, value } = keyValue(field);
    if (value === undefined) throw new Error(`invalid field ${field}`);
    const trimmed = value.trim();
    if (key === 'name') target = trimmed;
    else setField(config, key, trimmed);
  }
  if (target === '') throw new Error('network name/id is not specified');
  return { target, config };
}

function setField(config: EndpointConfig, key: string, value: string): void {
  switch (key) {
    case 'alias':
      config.Aliases = [...(config.Aliases ?? []), value];
      break;
    case 'ip':
      config.IPAMConfig = { ...config.IPAMConfig, IPv4Address: value };
      break;
    case 'ip6':
      config.IPAMConfig = { ...config.IPAMConfig, IPv6Address: value };
      break;
    case 'mac-address':
      config.MacAddress = value;
      break;
    case 'link-local-ip':
      config.IPAMConfig = { ...config.IPAMConfig, LinkLocalIPs: [...(config.IPAMConfig?.LinkLocalIPs ?? []), value] };
      break;
    case 'gw-priority':
      if (!/^-?\d+$/.test(value)) throw new Error(`invalid gw-priority (${value}): invalid syntax`);
      config.GwPriority = Number(value);
      break;
    case 'driver-opt': {
      const option = keyValue(value);
      if (option.value === undefined) throw new Error(`invalid key value pair format in driver options`);
      config.DriverOpts = { ...config.DriverOpts, [option.key]: option.value };
      break;
    }
    default:
      throw new Error(`invalid field key ${key}`);
  }
}

export interface Networking {
  readonly mode: string;
  readonly endpoints: Record<string, EndpointConfig>;
}

/** What `--network`, repeated, and the flags of the first network come to. */
export function networking(specs: readonly string[], first: FirstNetwork): Networking {
  const attachments = specs.map(parseAttachment);
  const endpoints: Record<string, EndpointConfig> = {};
  const start = attachments.shift() ?? { target: 'default', config: {} };
  const config = withFlags(start, first);
  // A single bare network needs no word about its endpoint: its name is the mode.
  if (specs.length !== 1 || Object.keys(config).length > 0) endpoints[start.target] = config;
  for (const { target, config: more } of attachments) {
    if (target === start.target || target in endpoints) {
      throw new Error(`network ${JSON.stringify(target)} is specified multiple times`);
    }
    endpoints[target] = more;
  }
  const names = [start.target, ...attachments.map(({ target }) => target)];
  if (names.some(isUserDefined) && !names.every(isUserDefined)) {
    throw new Error('conflicting options: cannot attach both user-defined and non-user-defined network-modes');
  }
  return { mode: start.target, endpoints };
}

export function isUserDefined(mode: string): boolean {
  return !['default', 'bridge', 'host', 'none', ''].includes(mode) && !mode.startsWith('container:');
}

function withFlags(attachment: Attachment, first: FirstNetwork): EndpointConfig {
  const config = { ...attachment.config };
  const clash = (given: boolean, own: boolean, what: string): void => {
    if (given && own) throw new Error(`conflicting options: cannot specify both ${what}`);
  };
  const ipam = config.IPAMConfig ?? {};
  clash(first.aliases.length > 0, config.Aliases !== undefined, '--network-alias and per-network alias');
  clash(first.ip !== '', ipam.IPv4Address !== undefined, '--ip and per-network IPv4 address');
  clash(first.ip6 !== '', ipam.IPv6Address !== undefined, '--ip6 and per-network IPv6 address');
  clash(first.mac !== '', config.MacAddress !== undefined, '--mac-address and per-network MAC address');
  clash(
    first.linkLocalIps.length > 0,
    ipam.LinkLocalIPs !== undefined,
    '--link-local-ip and per-network link-local IP addresses',
  );
  if (first.aliases.length > 0) config.Aliases = [...first.aliases];
  if (first.links.length > 0 && isUserDefined(attachment.target)) config.Links = [...first.links];
  if (first.mac !== '') config.MacAddress = first.mac;
  const addresses = {
    ...ipam,
    ...(first.ip === '' ? {} : { IPv4Address: first.ip }),
    ...(first.ip6 === '' ? {} : { IPv6Address: first.ip6 }),
    ...(first.linkLocalIps.length === 0 ? {} : { LinkLocalIPs: [...first.linkLocalIps] }),
  };
  if (Object.keys(addresses).length > 0) config.IPAMConfig = addresses;
  return config;
}
