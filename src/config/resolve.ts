import { isAbsolute } from 'node:path/posix';
import { type Cidr, cidrContains, cidrText, familyOf, invalid, tryParseCidr } from '../base/index.ts';
import { resolveCluster } from './cluster.ts';
import type {
  AddressPoolConfig,
  ContainersConfig,
  DaemonConfig,
  NetworkConfig,
  ProxyConfig,
  ReloadableConfig,
  TlsConfig,
} from './config.ts';
import { DEFAULTS, LOG_LEVELS } from './defaults.ts';
import { proxiesOf } from './environment.ts';
import type { RawValues } from './flags.ts';
import { type ListenAddress, parseListen } from './listen.ts';
import { nameOf, OPTIONS } from './options.ts';
import { Values, wrong } from './values.ts';

export interface RawConfig {
  readonly configFile: string;
  readonly flags: RawValues;
  readonly file: RawValues;
  /** The process's environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

function given<K extends string, T>(key: K, value: T | undefined): { [key in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]?: T });
}

/** Judges every value and fills in the defaults. Touches nothing. */
export function resolveConfig(raw: RawConfig): DaemonConfig {
  const values = new Values(raw.flags, raw.file);
  const tls = resolveTls(values);
  const hosts = values.list('hosts');
  return {
    configFile: raw.configFile,
    hosts: (hosts.length > 0 ? hosts : [DEFAULTS.host]).map((text) => listenOn(text, tls, values)),
    group: values.text('group') ?? DEFAULTS.group,
    ...given('tls', tls),
    dataRoot: pathOf(values, 'data-root') ?? DEFAULTS.dataRoot,
    execRoot: pathOf(values, 'exec-root') ?? DEFAULTS.execRoot,
    pidfile: pathOf(values, 'pidfile') ?? DEFAULTS.pidfile,
    shutdownTimeoutSeconds: values.number('shutdown-timeout', { min: -1 }) ?? DEFAULTS.shutdownTimeoutSeconds,
    experimental: values.bool('experimental') ?? false,
    ...given('storageDriver', values.text('storage-driver')),
    containerd: {
      ...given('address', pathOf(values, 'containerd')),
      namespace: values.text('containerd-namespace') ?? DEFAULTS.containerdNamespace,
    },
    network: resolveNetwork(values),
    cluster: resolveCluster(values),
    containers: resolveContainers(values),
    proxies: resolveProxies(values, raw.env),
    reloadable: resolveReloadable(values),
    warnings: warningsOf(values),
  };
}

/** Flags, daemon.json, environment: each value from the first that has it. */
function resolveProxies(values: Values, env: RawConfig['env']): ProxyConfig {
  const { 'http-proxy': httpInFile, 'https-proxy': httpsInFile, 'no-proxy': noneInFile } = values.textMap('proxies');
  const unknown = Object.keys(values.textMap('proxies')).find((key) => !/^(?:https?|no)-proxy$/.test(key));
  if (unknown !== undefined) throw wrong(`proxies.${unknown}`, unknown, 'http-proxy, https-proxy or no-proxy');
  const url = (key: string, text: string | undefined): string | undefined => {
    if (text && !URL.canParse(text.includes('://') ? text : `http://${text}`)) throw wrong(key, text, 'a URL');
    return text;
  };
  const around = proxiesOf(env);
  return {
    ...given('http', url('http-proxy', values.text('http-proxy') ?? httpInFile ?? around.http)),
    ...given('https', url('https-proxy', values.text('https-proxy') ?? httpsInFile ?? around.https)),
    ...given('none', values.text('no-proxy') ?? noneInFile ?? around.none),
  };
}

function pathOf(values: Values, key: string): string | undefined {
  const path = values.text(key);
  if (path !== undefined && !isAbsolute(path)) throw wrong(key, path, 'an absolute path');
  return path;
}

/** Whoever may talk to the daemon is root on this machine, so on TCP both sides prove who they are, or somebody means it. */
function listenOn(text: string, tls: TlsConfig | undefined, values: Values): ListenAddress {
  const address = parseListen(text, { tls: tls !== undefined });
  const proven = address.kind !== 'tcp' || tls?.caFile !== undefined;
  if (proven || (values.bool('insecure-tcp') ?? false)) return address;
  throw invalid(
    'insecure_tcp',
    `cannot listen on "${text}": whoever reaches it would be root here; give --tlsverify with --tlscacert, --tlscert and --tlskey, or say --insecure-tcp`,
  );
}

function resolveTls(values: Values): TlsConfig | undefined {
  const verify = values.bool('tlsverify') ?? false;
  if (!verify && !(values.bool('tls') ?? false)) return undefined;
  const certFile = pathOf(values, 'tlscert');
  const keyFile = pathOf(values, 'tlskey');
  if (certFile === undefined) throw wrong('tlscert', '', 'a path when "tls" or "tlsverify" is set');
  if (keyFile === undefined) throw wrong('tlskey', '', 'a path when "tls" or "tlsverify" is set');
  const caFile = pathOf(values, 'tlscacert');
  if (verify && caFile === undefined) throw wrong('tlscacert', '', 'a path when "tlsverify" is set');
  return { certFile, keyFile, ...(verify ? given('caFile', caFile) : {}) };
}

function resolveNetwork(values: Values): NetworkConfig {
  const bip = family(values, 'bip', 4);
  const bip6 = family(values, 'bip6', 6);
  const fixedCidr = family(values, 'fixed-cidr', 4);
  const bridge = values.text('bridge');
  const userlandProxy = values.bool('userland-proxy') ?? true;
  if (bridge !== undefined && bridge !== 'none' && bip !== undefined) {
    throw wrong('bip', cidrText(bip), 'left out when "bridge" names a bridge: the two are mutually exclusive');
  }
  if (bip && fixedCidr && !cidrContains(bip, fixedCidr.ip)) {
    throw wrong('fixed-cidr', cidrText(fixedCidr), `inside "bip" ${cidrText(bip)}`);
  }
  return {
    ...given('bridge', bridge),
    ...given('bip', bip),
    ...given('bip6', bip6),
    ...given('fixedCidr', fixedCidr),
    ...given('fixedCidr6', family(values, 'fixed-cidr-v6', 6)),
    ...given('defaultGateway', values.ip('default-gateway')),
    ...given('defaultGateway6', values.ip('default-gateway-v6')),
    ipv6: values.bool('ipv6') ?? false,
    mtu: values.number('mtu', { min: 0, max: 65_535 }) || DEFAULTS.mtu,
    icc: values.bool('icc') ?? true,
    masquerade: values.bool('ip-masq') ?? true,
    ...given('hostBinding', values.ip('ip')),
    ipForward: values.bool('ip-forward') ?? true,
    firewall4: values.bool('iptables') ?? true,
    firewall6: values.bool('ip6tables') ?? true,
    userlandProxy,
    respectHostFirewall: respectsHostFirewall(values, userlandProxy),
    addressPools: poolsOf(values),
    dns: values.ips('dns'),
    dnsOptions: values.list('dns-opts'),
    dnsSearch: values.list('dns-search'),
    hostGatewayIps: values.ips('host-gateway-ips'),
  };
}

function respectsHostFirewall(values: Values, userlandProxy: boolean): boolean {
  const mode = values.oneOf('published-ports', ['direct', 'respect-host-firewall']) ?? 'direct';
  if (mode === 'respect-host-firewall' && !userlandProxy) {
    throw wrong(
      'published-ports',
      mode,
      '"direct" when "userland-proxy" is false: the proxy is what the host\'s firewall guards',
    );
  }
  return mode === 'respect-host-firewall';
}

function family(values: Values, key: string, wanted: 4 | 6): Cidr | undefined {
  const cidr = values.cidr(key);
  if (cidr && familyOf(cidr.ip) !== wanted)
    throw wrong(key, cidrText(cidr), `an IPv${wanted} address with a prefix length`);
  return cidr;
}

function poolsOf(values: Values): readonly AddressPoolConfig[] {
  const key = 'default-address-pools';
  const list = values.raw(key) ?? [];
  if (!Array.isArray(list)) throw wrong(key, list, 'a list of {"base","size"}');
  return list.map((entry: unknown) => {
    const { base: baseText, size: sizeText } = (entry ?? {}) as { readonly base?: unknown; readonly size?: unknown };
    const base = typeof baseText === 'string' ? tryParseCidr(baseText) : undefined;
    if (!base) throw wrong(`${key}.base`, baseText, 'a network with a prefix length');
    const size = Number(sizeText);
    const bits = familyOf(base.ip) === 4 ? 32 : 128;
    if (!Number.isInteger(size) || size < base.prefix || size > bits) {
      throw wrong(`${key}.size`, sizeText, `a prefix length from ${base.prefix} to ${bits}`);
    }
    return { base, size };
  });
}

function resolveContainers(values: Values): ContainersConfig {
  const cgroupnsMode = values.oneOf('default-cgroupns-mode', ['private', 'host']);
  return {
    ...given('cgroupParent', values.text('cgroup-parent')),
    ...given('cgroupDriver', cgroupDriverOf(values)),
    logDriver: values.oneOf('log-driver', ['json-file', 'local', 'none']) ?? DEFAULTS.logDriver,
    logOptions: values.textMap('log-opts'),
    defaultUlimits: ulimitsOf(values),
    shmSizeBytes: bytesOf(values, 'default-shm-size') ?? DEFAULTS.shmSizeBytes,
    ipcMode: values.oneOf('default-ipc-mode', ['private', 'shareable']) ?? 'private',
    ...(cgroupnsMode === undefined ? {} : { cgroupnsMode }),
    init: values.bool('init') ?? false,
    ...given('initPath', pathOf(values, 'init-path')),
    ...given('seccompProfile', values.text('seccomp-profile')),
    noNewPrivileges: values.bool('no-new-privileges') ?? false,
  };
}

function cgroupDriverOf(values: Values): 'cgroupfs' | 'systemd' | undefined {
  let driver: 'cgroupfs' | 'systemd' | undefined;
  for (const option of values.list('exec-opts')) {
    const [name, value] = option.split('=');
    if (name !== 'native.cgroupdriver' || (value !== 'cgroupfs' && value !== 'systemd')) {
      throw wrong('exec-opts', option, 'native.cgroupdriver=cgroupfs or native.cgroupdriver=systemd');
    }
    driver = value;
  }
  return driver;
}

function ulimitsOf(values: Values): ContainersConfig['defaultUlimits'] {
  const key = 'default-ulimits';
  return Object.entries(values.map(key)).map(([name, value]) => {
    if (typeof value === 'string') {
      const [soft = Number.NaN, hard = soft] = value.split(':').map(Number);
      if (Number.isInteger(soft) && Number.isInteger(hard)) return { name, soft, hard };
    } else if (typeof value === 'object' && value !== null) {
      const { Soft: soft, Hard: hard } = value as { readonly Soft?: unknown; readonly Hard?: unknown };
      if (typeof soft === 'number' && typeof hard === 'number') return { name, soft, hard };
    }
    throw wrong(`${key}.${name}`, value, 'soft[:hard] or {"Soft","Hard"}');
  });
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

function bytesOf(values: Values, key: string): number | undefined {
  const value = values.raw(key);
  if (value === undefined || value === '') return undefined;
  const match = /^(\d+)\s*([bkmg]?)(?:i?b)?$/i.exec(String(value));
  if (!match) throw wrong(key, value, 'a size such as 64M');
  return Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
}

function resolveReloadable(values: Values): ReloadableConfig {
  const debug = values.bool('debug') ?? false;
  for (const label of values.list('labels')) {
    if (!/^[^=]+=./.test(label)) throw wrong('labels', label, 'key=value');
  }
  return {
    debug,
    logLevel: debug ? 'debug' : (values.oneOf('log-level', LOG_LEVELS) ?? DEFAULTS.logLevel),
    labels: values.list('labels'),
    liveRestore: values.bool('live-restore') ?? true,
    insecureRegistries: values.list('insecure-registries'),
    registryMirrors: values.list('registry-mirrors'),
    maxConcurrentDownloads: values.number('max-concurrent-downloads', { min: 0 }) || DEFAULTS.maxConcurrentDownloads,
    maxConcurrentUploads: values.number('max-concurrent-uploads', { min: 0 }) || DEFAULTS.maxConcurrentUploads,
    maxDownloadAttempts: values.number('max-download-attempts', { min: 0 }) || DEFAULTS.maxDownloadAttempts,
  };
}

function warningsOf(values: Values): string[] {
  return OPTIONS.filter((spec) => spec.meaning === 'ignored' && values.raw(nameOf(spec)) !== undefined).map(
    (spec) => `the option "${spec.flag ?? nameOf(spec)}" of dockerd has no meaning here and is ignored`,
  );
}
