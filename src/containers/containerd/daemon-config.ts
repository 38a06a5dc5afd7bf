export interface DaemonPaths {
  /** What survives a reboot: content, snapshots, metadata. */
  readonly root: string;
  /** What does not: bundles of running tasks. */
  readonly state: string;
  readonly socketPath: string;
}

/** A unix socket's path must fit into `sockaddr_un`, its end mark included. */
export const SOCKET_PATH_MAX = 107;

// Neither the CRI nor the snapshotters of other file systems are of use here; each would cost memory or log an error.
const DISABLED = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
];

/** A basic TOML string; JSON's escapes are a part of TOML's. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

/** The private daemon's config.toml. */
export function daemonConfig(paths: DaemonPaths): string {
  return [
    '# Written by fairwayd at every start; changes are lost.',
    'version = 2',
    `root = ${quoted(paths.root)}`,
    `state = ${quoted(paths.state)}`,
    `disabled_plugins = [${DISABLED.map(quoted).join(', ')}]`,
    '',
    '[grpc]',
    `  address = ${quoted(paths.socketPath)}`,
    '  uid = 0',
    '  gid = 0',
    '',
    '[ttrpc]',
    `  address = ${quoted(`${paths.socketPath}.ttrpc`)}`,
    '',
    '[debug]',
    '  level = "warn"',
    '',
  ].join('\n');
}
