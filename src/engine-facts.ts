import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { EngineFacts } from './api/index.ts';
import { type Cidr, cidrText, familyOf, type Id, rfc3339Nano } from './base/index.ts';
import type { Containerd } from './containers/containerd/index.ts';
import { limitWarnings, readLimitAbilities } from './containers/limits/index.ts';
import type { EngineOptions } from './engine.ts';
import type { ClusterOptions } from './engine-cluster-options.ts';
import { readSysctl } from './kernel/index.ts';
import type { NetworkDriver } from './model/index.ts';

export interface FactsSources {
  readonly id: Id;
  readonly containerd: Containerd;
  readonly pools: readonly { readonly base: Cidr; readonly size: number }[];
  readonly drivers: readonly NetworkDriver[];
  /** That this host is in now. */
  readonly cluster: ClusterOptions | undefined;
  /** What others' rules keep from containers. */
  readonly foreignRules: () => readonly string[];
}

/** What `docker info` and `docker version` tell of this daemon. */
export async function engineFacts(
  options: EngineOptions,
  { id, containerd, pools, drivers, cluster, foreignRules }: FactsSources,
): Promise<EngineFacts> {
  const cgroupVersion = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '2' : '1';
  const limits = readLimitAbilities();
  return {
    ...options.facts(),
    id,
    version: options.version,
    gitCommit: '',
    buildTime: rfc3339Nano(0n),
    dataRoot: options.dataRoot,
    storageDriver: containerd.snapshots.snapshotter,
    loggingDriver: options.containers.logDriver ?? 'json-file',
    cgroupDriver: 'cgroupfs',
    cgroupVersion,
    limits,
    networkDrivers: drivers.map(({ traits }) => traits.name).sort(),
    addressPools: pools.map(({ base, size }) => ({ base: cidrText(base), size })),
    ipv4Forwarding: readSysctl('net.ipv4.ip_forward') === '1',
    containerd: {
      address: containerd.socketPath,
      version: (await containerd.version()).version,
      namespace: containerd.namespace,
    },
    runcVersion: await runcVersion(),
    ...(cluster && { cluster: clusterFacts(cluster) }),
    securityOptions: ['name=seccomp,profile=builtin'],
    warnings: [...limitWarnings(limits, cgroupVersion), ...foreignRules().map((text) => `WARNING: ${text}`)],
  };
}

function clusterFacts({ url, advertise }: ClusterOptions): NonNullable<EngineFacts['cluster']> {
  const { address, port } = advertise;
  const host = familyOf(address) === 6 ? `[${address}]` : address;
  return { store: url, advertise: port === undefined ? address : `${host}:${port}` };
}

let known: Promise<string> | undefined;

/** Asked once; empty when there is no such program. */
function runcVersion(): Promise<string> {
  known ??= promisify(execFile)('runc', ['--version']).then(
    ({ stdout }) => /version (\S+)/.exec(stdout)?.[1] ?? '',
    () => '',
  );
  return known;
}
