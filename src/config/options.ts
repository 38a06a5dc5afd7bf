/**
 * Every option dockerd has, by its names on the command line and in daemon.json.
 *
 * `used`: means here what it means there. `ignored`: accepted with a warning, so that whatever starts dockerd can start
 * us. `quiet`: accepted in silence, because what it asks for is how things are here anyway.
 */
export interface OptionSpec {
  /** Long name without dashes; absent: only in the file. */
  readonly flag?: string;
  readonly short?: string;
  /** Key in daemon.json; absent: only on the command line. */
  readonly key?: string;
  readonly kind: OptionKind;
  readonly meaning: 'used' | 'quiet' | 'ignored';
}

/** `map`: `k=v`, may be repeated; `fields`: `a=b,c=d`, may be repeated; `json`: only in the file, any shape. */
export type OptionKind = 'flag' | 'text' | 'number' | 'list' | 'map' | 'fields' | 'json';

type Row = readonly [flag: string, kind: OptionKind, meaning: OptionSpec['meaning'], key?: string, short?: string];

/** Where the key is left out, it is the flag's name. `-` says that the file has none. */
const ROWS: readonly Row[] = [
  ['host', 'list', 'used', 'hosts', 'H'],
  ['config-file', 'text', 'used', '-'],
  ['validate', 'flag', 'used', '-'],
  ['help', 'flag', 'used', '-', 'h'],
  ['version', 'flag', 'used', '-', 'v'],
  ['data-root', 'text', 'used'],
  ['exec-root', 'text', 'used'],
  ['pidfile', 'text', 'used', 'pidfile', 'p'],
  ['group', 'text', 'used', 'group', 'G'],
  ['debug', 'flag', 'used', 'debug', 'D'],
  ['log-level', 'text', 'used', 'log-level', 'l'],
  ['log-format', 'text', 'ignored'],
  ['raw-logs', 'flag', 'ignored'],
  ['log-driver', 'text', 'used'],
  ['log-opt', 'map', 'used', 'log-opts'],
  ['containerd', 'text', 'used'],
  ['containerd-namespace', 'text', 'used'],
  ['containerd-plugins-namespace', 'text', 'quiet'],
  ['bridge', 'text', 'used', 'bridge', 'b'],
  ['bip', 'text', 'used'],
  ['bip6', 'text', 'used'],
  ['fixed-cidr', 'text', 'used'],
  ['fixed-cidr-v6', 'text', 'used'],
  ['default-gateway', 'text', 'used'],
  ['default-gateway-v6', 'text', 'used'],
  ['default-address-pool', 'fields', 'used', 'default-address-pools'],
  ['default-network-opt', 'json', 'ignored', 'default-network-opts'],
  ['dns', 'list', 'used'],
  ['dns-opt', 'list', 'used', 'dns-opts'],
  ['dns-search', 'list', 'used'],
  ['mtu', 'number', 'used'],
  ['icc', 'flag', 'used'],
  ['ipv6', 'flag', 'used'],
  ['ip', 'text', 'used'],
  ['ip-forward', 'flag', 'used'],
  ['ip-forward-no-drop', 'flag', 'quiet'],
  ['ip-masq', 'flag', 'used'],
  ['iptables', 'flag', 'used'],
  ['ip6tables', 'flag', 'used'],
  ['allow-direct-routing', 'flag', 'ignored'],
  ['firewall-backend', 'text', 'ignored'],
  ['userland-proxy', 'flag', 'used'],
  ['published-ports', 'text', 'used'],
  ['userland-proxy-path', 'text', 'ignored'],
  ['host-gateway-ip', 'list', 'used', 'host-gateway-ips'],
  ['cluster-store', 'text', 'used'],
  ['cluster-store-opt', 'map', 'used', 'cluster-store-opts'],
  ['cluster-advertise', 'text', 'used'],
  ['cluster-data-path-addr', 'text', 'used'],
  ['cluster-data-path-port', 'number', 'used'],
  ['live-restore', 'flag', 'used'],
  ['shutdown-timeout', 'number', 'used'],
  ['storage-driver', 'text', 'used', 'storage-driver', 's'],
  ['storage-opt', 'list', 'ignored', 'storage-opts'],
  ['exec-opt', 'list', 'used', 'exec-opts'],
  ['cgroup-parent', 'text', 'used'],
  ['init', 'flag', 'used'],
  ['init-path', 'text', 'used'],
  ['seccomp-profile', 'text', 'used'],
  ['no-new-privileges', 'flag', 'used'],
  ['selinux-enabled', 'flag', 'ignored'],
  ['userns-remap', 'text', 'ignored'],
  ['default-ulimit', 'map', 'used', 'default-ulimits'],
  ['default-shm-size', 'text', 'used'],
  ['default-ipc-mode', 'text', 'used'],
  ['default-cgroupns-mode', 'text', 'used'],
  ['default-runtime', 'text', 'ignored'],
  ['add-runtime', 'json', 'ignored', 'runtimes'],
  ['label', 'list', 'used', 'labels'],
  ['insecure-registry', 'list', 'used', 'insecure-registries'],
  ['registry-mirror', 'list', 'used', 'registry-mirrors'],
  ['allow-nondistributable-artifacts', 'list', 'ignored'],
  ['max-concurrent-downloads', 'number', 'used'],
  ['max-concurrent-uploads', 'number', 'used'],
  ['max-download-attempts', 'number', 'used'],
  ['experimental', 'flag', 'used'],
  ['feature', 'json', 'ignored', 'features'],
  ['oom-score-adjust', 'number', 'ignored'],
  ['cpu-rt-period', 'number', 'ignored'],
  ['cpu-rt-runtime', 'number', 'ignored'],
  ['network-control-plane-mtu', 'number', 'ignored'],
  ['swarm-default-advertise-addr', 'text', 'ignored'],
  ['node-generic-resource', 'list', 'ignored', 'node-generic-resources'],
  ['metrics-addr', 'text', 'ignored'],
  ['authorization-plugin', 'list', 'ignored', 'authorization-plugins'],
  ['cdi-spec-dir', 'list', 'ignored', 'cdi-spec-dirs'],
  ['cri-containerd', 'flag', 'ignored'],
  ['http-proxy', 'text', 'used', '-'],
  ['https-proxy', 'text', 'used', '-'],
  ['no-proxy', 'text', 'used', '-'],
  ['tls', 'flag', 'used'],
  ['tlsverify', 'flag', 'used'],
  ['tlscacert', 'text', 'used'],
  ['tlscert', 'text', 'used'],
  ['tlskey', 'text', 'used'],
  ['insecure-tcp', 'flag', 'used'],
  ['rootless', 'flag', 'ignored'],
];

/** In daemon.json only. */
const FILE_ONLY: readonly string[] = ['builder', 'deprecated-key-path', 'min-api-version'];

export const OPTIONS: readonly OptionSpec[] = [
  ...ROWS.map(
    ([flag, kind, meaning, key = flag, short]): OptionSpec => ({
      flag,
      kind,
      meaning,
      ...(key === '-' ? {} : { key }),
      ...(short === undefined ? {} : { short }),
    }),
  ),
  { key: 'proxies', kind: 'json', meaning: 'used' },
  ...FILE_ONLY.map((key): OptionSpec => ({ key, kind: 'json', meaning: 'ignored' })),
];

/** The name by which an option's value is kept after reading. */
export function nameOf(spec: OptionSpec): string {
  return spec.key ?? spec.flag ?? '';
}
