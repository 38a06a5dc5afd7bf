import { isAbsolute } from 'node:path/posix';
import { invalid, tryParseIp } from '../base/index.ts';
import type { AddressOrLink, ClusterConfig, ClusterStoreConfig } from './config.ts';
import { DEFAULTS } from './defaults.ts';
import { type Values, wrong } from './values.ts';

const OPTS = 'cluster-store-opts';
/** Docker's, and three of our own for a store that asks who one is. */
const KNOWN = [
  'kv.cacertfile',
  'kv.certfile',
  'kv.keyfile',
  'kv.path',
  'kv.user',
  'kv.password',
  'kv.passwordfile',
  'discovery.heartbeat',
  'discovery.ttl',
] as const;
type Known = (typeof KNOWN)[number];
type StoreOptions = Readonly<Partial<Record<Known, string>>>;

/** What etcd keeps a promise for at least: its leases cannot be shorter than an election and a half. */
const SHORTEST_PRESENCE_SECONDS = 2;
const DATA_PATH_PORTS = { min: 1024, max: 49_151 };

/** `--cluster-store`, `--cluster-advertise` and their like. Reads no file and looks at no link. */
export function resolveCluster(values: Values): ClusterConfig {
  const store = storeOf(values);
  const advertised = values.text('cluster-advertise');
  if (store !== undefined && advertised === undefined) {
    throw wrong(
      'cluster-advertise',
      '',
      'an address or a link when "cluster-store" is set: others must reach this host',
    );
  }
  const dataPath = values.text('cluster-data-path-addr');
  return {
    ...(store && { store }),
    ...(advertised !== undefined && { advertise: advertiseOf(advertised) }),
    dataPath: {
      ...(dataPath !== undefined && { on: addressOrLink('cluster-data-path-addr', dataPath) }),
      port: values.number('cluster-data-path-port', DATA_PATH_PORTS) ?? DEFAULTS.dataPathPort,
    },
  };
}

function storeOf(values: Values): ClusterStoreConfig | undefined {
  const url = values.text('cluster-store');
  const options = optionsOf(values);
  if (url === undefined) {
    const [first] = Object.keys(options);
    if (first !== undefined)
      throw wrong(`${OPTS}.${first}`, options[first as Known], 'left out without "cluster-store"');
    return undefined;
  }
  const { endpoints, path } = parseStoreUrl(url);
  const tls = tlsOf(options);
  const login = loginOf(options);
  return {
    url,
    endpoints,
    prefix: prefixOf(path, options),
    ...(tls && { tls }),
    ...(login && { login }),
    ...presenceOf(options),
  };
}

function optionsOf(values: Values): StoreOptions {
  const options = values.textMap(OPTS);
  for (const [name, value] of Object.entries(options)) {
    if (!KNOWN.some((known) => known === name)) {
      throw invalid(
        'invalid_config',
        `unknown option ${JSON.stringify(name)} in "${OPTS}": known are ${KNOWN.join(', ')}`,
      );
    }
    if (value === '') throw wrong(`${OPTS}.${name}`, value, 'not empty');
  }
  return options;
}

/** `etcd://host[:port][,host…][/prefix]` */
export function parseStoreUrl(url: string): { readonly endpoints: readonly string[]; readonly path: string } {
  const match = /^etcd:\/\/([^/]*)(?:\/(.*))?$/.exec(url);
  const hosts = match?.[1]?.split(',') ?? [];
  const endpoints = hosts.map(endpointOf);
  if (hosts.length === 0 || endpoints.some((one) => one === undefined)) {
    throw wrong('cluster-store', url, 'etcd://host[:port][,host[:port]…][/prefix]');
  }
  return { endpoints: endpoints.flatMap((one) => one ?? []), path: match?.[2] ?? '' };
}

function endpointOf(text: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(?::(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const [, host = '', port = String(DEFAULTS.etcdPort)] = match;
  if (host.startsWith('[') && tryParseIp(host.slice(1, -1)) === undefined) return undefined;
  return Number(port) >= 1 && Number(port) <= 65_535 ? `${host}:${Number(port)}` : undefined;
}

/** Slashes around it mean nothing. */
function prefixOf(path: string, options: StoreOptions): string {
  const inOption = options['kv.path'];
  const given = path.replace(/^\/+|\/+$/g, '');
  if (given !== '' && inOption !== undefined) {
    throw wrong(`${OPTS}.kv.path`, inOption, `left out when "cluster-store" ends with a path ("${given}")`);
  }
  const prefix = (inOption ?? given).replace(/^\/+|\/+$/g, '') || DEFAULTS.clusterPrefix;
  if (!/^[\x21-\x7e]{1,200}$/.test(prefix)) {
    throw wrong(
      inOption === undefined ? 'cluster-store' : `${OPTS}.kv.path`,
      prefix,
      'at most 200 printable characters',
    );
  }
  return prefix;
}

function tlsOf(options: StoreOptions): ClusterStoreConfig['tls'] {
  const caFile = fileOf(options, 'kv.cacertfile');
  const certFile = fileOf(options, 'kv.certfile');
  const keyFile = fileOf(options, 'kv.keyfile');
  if (certFile !== undefined && keyFile === undefined)
    throw wrong(`${OPTS}.kv.keyfile`, '', 'a path beside kv.certfile');
  if (keyFile !== undefined && certFile === undefined)
    throw wrong(`${OPTS}.kv.certfile`, '', 'a path beside kv.keyfile');
  if (caFile === undefined && certFile === undefined) return undefined;
  return {
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && keyFile !== undefined && { certFile, keyFile }),
  };
}

function fileOf(options: StoreOptions, name: Known): string | undefined {
  const path = options[name];
  if (path !== undefined && !isAbsolute(path)) throw wrong(`${OPTS}.${name}`, path, 'an absolute path');
  return path;
}

function loginOf(options: StoreOptions): ClusterStoreConfig['login'] {
  const { 'kv.user': user, 'kv.password': password } = options;
  const passwordFile = fileOf(options, 'kv.passwordfile');
  if (user === undefined) {
    if (password !== undefined) throw wrong(`${OPTS}.kv.user`, '', 'a name beside kv.password');
    if (passwordFile !== undefined) throw wrong(`${OPTS}.kv.user`, '', 'a name beside kv.passwordfile');
    return undefined;
  }
  if (password !== undefined && passwordFile !== undefined) {
    throw wrong(`${OPTS}.kv.passwordfile`, passwordFile, 'left out beside kv.password');
  }
  if (password !== undefined) return { user, password };
  if (passwordFile !== undefined) return { user, passwordFile };
  throw wrong(`${OPTS}.kv.password`, '', 'given beside kv.user, or kv.passwordfile');
}

function presenceOf(options: StoreOptions): Pick<ClusterStoreConfig, 'heartbeatSeconds' | 'presenceSeconds'> {
  const heartbeat = secondsOf(options, 'discovery.heartbeat', 1);
  const presenceSeconds =
    secondsOf(options, 'discovery.ttl', SHORTEST_PRESENCE_SECONDS) ??
    (heartbeat === undefined ? DEFAULTS.presenceSeconds : Math.max(heartbeat * 3, SHORTEST_PRESENCE_SECONDS));
  const heartbeatSeconds = heartbeat ?? Math.max(1, Math.floor(presenceSeconds / 3));
  if (heartbeatSeconds >= presenceSeconds) {
    throw wrong(`${OPTS}.discovery.ttl`, String(presenceSeconds), `more than the heartbeat of ${heartbeatSeconds} s`);
  }
  return { heartbeatSeconds, presenceSeconds };
}

function secondsOf(options: StoreOptions, name: Known, min: number): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < min || seconds > 86_400) {
    throw wrong(`${OPTS}.${name}`, text, `a number of seconds from ${min} to 86400`);
  }
  return seconds;
}

/** `eth0`, `192.0.2.1`, `[2001:db8::1]`, each with or without `:port`. */
export function advertiseOf(text: string): NonNullable<ClusterConfig['advertise']> {
  const key = 'cluster-advertise';
  if (tryParseIp(text) !== undefined) return { on: addressOrLink(key, text) };
  const [, bracketed, bare, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? bare;
  if (host === undefined || (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))) {
    throw wrong(key, text, 'an address or a link, perhaps with :port');
  }
  return { on: addressOrLink(key, host), ...(port !== undefined && { port: Number(port) }) };
}

function addressOrLink(key: string, text: string): AddressOrLink {
  const address = tryParseIp(text);
  if (address !== undefined) return { address };
  // What Linux takes for the name of a link; four numbers are an address with a slip of the pen.
  if (/^[^\s/:]{1,15}$/.test(text) && !/^\d+(?:\.\d+){3}$/.test(text)) return { link: text };
  throw wrong(key, text, 'an address or the name of a link');
}
