import { type Schema, typeName, type WireAny } from '../wire/index.ts';

/** One sample of a task's cgroups. */
export interface TaskMetrics {
  readonly cgroup: 1 | 2;
  /** Nanoseconds since the epoch. */
  readonly readAt: bigint;
  readonly pids: { readonly current: bigint; readonly limit: bigint };
  readonly cpu: {
    readonly totalNanos: bigint;
    readonly userNanos: bigint;
    readonly systemNanos: bigint;
    /** Empty on cgroup v2, which does not count by processor. */
    readonly perCpuNanos: readonly bigint[];
    readonly periods: bigint;
    readonly throttledPeriods: bigint;
    readonly throttledNanos: bigint;
  };
  readonly memory: {
    readonly usage: bigint;
    /** Zero on cgroup v2. */
    readonly maxUsage: bigint;
    readonly limit: bigint;
    readonly failcnt: bigint;
    /** Docker subtracts it from the usage. */
    readonly inactiveFile: bigint;
    /** The kernel's own names and counts, for `stats`. */
    readonly stats: Readonly<Record<string, bigint>>;
  };
  readonly blkio: {
    readonly bytes: readonly BlkioEntry[];
    readonly operations: readonly BlkioEntry[];
  };
  readonly oomKills: bigint;
}

export interface BlkioEntry {
  readonly op: string;
  readonly major: number;
  readonly minor: number;
  readonly value: bigint;
}

type Counts<Key extends string> = Readonly<Record<Key, string>> | null;

interface MetricsV1 {
  readonly pids: Counts<'current' | 'limit'>;
  readonly cpu: {
    readonly usage: (Readonly<Record<'total' | 'kernel' | 'user', string>> & { readonly perCpu: string[] }) | null;
    readonly throttling: Counts<'periods' | 'throttledPeriods' | 'throttledTime'>;
  } | null;
  readonly memory: (Record<string, unknown> & { readonly usage: Counts<'limit' | 'usage' | 'max' | 'failcnt'> }) | null;
  readonly blkio: {
    readonly ioServiceBytesRecursive: BlkioV1[];
    readonly ioServicedRecursive: BlkioV1[];
  } | null;
  readonly memoryOomControl: Counts<'oomKill'>;
}

interface BlkioV1 {
  readonly op: string;
  readonly major: string;
  readonly minor: string;
  readonly value: string;
}

interface MetricsV2 {
  readonly pids: Counts<'current' | 'limit'>;
  readonly cpu: Counts<'usageUsec' | 'userUsec' | 'systemUsec' | 'nrPeriods' | 'nrThrottled' | 'throttledUsec'>;
  readonly memory: Readonly<Record<string, unknown>> | null;
  readonly io: { readonly usage: Record<'major' | 'minor' | 'rbytes' | 'wbytes' | 'rios' | 'wios', string>[] } | null;
  readonly memoryEvents: Counts<'oomKill'>;
}

function count(value: unknown): bigint {
  return typeof value === 'string' ? BigInt(value) : 0n;
}

/** `inactiveFile` → `inactive_file`, for the plain counts of a message. */
function kernelNames(message: Readonly<Record<string, unknown>> | null): Record<string, bigint> {
  const stats: Record<string, bigint> = {};
  for (const [key, value] of Object.entries(message ?? {})) {
    if (typeof value === 'string') stats[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = BigInt(value);
  }
  return stats;
}

/** Null for metrics of a runtime that is not runc's. */
export function decodeMetrics(schema: Schema, any: WireAny, readAt: bigint): TaskMetrics | null {
  switch (typeName(any.typeUrl)) {
    case 'io.containerd.cgroups.v1.Metrics':
      return fromV1(schema.decode('cgroups.MetricsV1', any.value) as MetricsV1, readAt);
    case 'io.containerd.cgroups.v2.Metrics':
      return fromV2(schema.decode('cgroups.MetricsV2', any.value) as MetricsV2, readAt);
    default:
      return null;
  }
}

function fromV1(wire: MetricsV1, readAt: bigint): TaskMetrics {
  const { cpu, memory } = wire;
  const entry = ({ op, major, minor, value }: BlkioV1): BlkioEntry => ({
    op,
    major: Number(major),
    minor: Number(minor),
    value: BigInt(value),
  });
  return {
    cgroup: 1,
    readAt,
    pids: { current: count(wire.pids?.current), limit: count(wire.pids?.limit) },
    cpu: {
      totalNanos: count(cpu?.usage?.total),
      userNanos: count(cpu?.usage?.user),
      systemNanos: count(cpu?.usage?.kernel),
      perCpuNanos: (cpu?.usage?.perCpu ?? []).map(BigInt),
      periods: count(cpu?.throttling?.periods),
      throttledPeriods: count(cpu?.throttling?.throttledPeriods),
      throttledNanos: count(cpu?.throttling?.throttledTime),
    },
    memory: {
      usage: count(memory?.usage?.usage),
      maxUsage: count(memory?.usage?.max),
      limit: count(memory?.usage?.limit),
      failcnt: count(memory?.usage?.failcnt),
      inactiveFile: count(memory?.totalInactiveFile),
      stats: kernelNames(memory),
    },
    blkio: {
      bytes: (wire.blkio?.ioServiceBytesRecursive ?? []).map(entry),
      operations: (wire.blkio?.ioServicedRecursive ?? []).map(entry),
    },
    oomKills: count(wire.memoryOomControl?.oomKill),
  };
}

function fromV2(wire: MetricsV2, readAt: bigint): TaskMetrics {
  const { cpu, memory } = wire;
  const devices = wire.io?.usage ?? [];
  const entries = (read: 'rbytes' | 'rios', write: 'wbytes' | 'wios'): BlkioEntry[] =>
    devices.flatMap((device) => {
      const place = { major: Number(device.major), minor: Number(device.minor) };
      return [
        { op: 'read', ...place, value: BigInt(device[read]) },
        { op: 'write', ...place, value: BigInt(device[write]) },
      ];
    });
  return {
    cgroup: 2,
    readAt,
    pids: { current: count(wire.pids?.current), limit: count(wire.pids?.limit) },
    cpu: {
      totalNanos: count(cpu?.usageUsec) * 1000n,
      userNanos: count(cpu?.userUsec) * 1000n,
      systemNanos: count(cpu?.systemUsec) * 1000n,
      perCpuNanos: [],
      periods: count(cpu?.nrPeriods),
      throttledPeriods: count(cpu?.nrThrottled),
      throttledNanos: count(cpu?.throttledUsec) * 1000n,
    },
    memory: {
      usage: count(memory?.usage),
      maxUsage: 0n,
      limit: count(memory?.usageLimit),
      failcnt: 0n,
      inactiveFile: count(memory?.inactiveFile),
      stats: kernelNames(memory),
    },
    blkio: { bytes: entries('rbytes', 'wbytes'), operations: entries('rios', 'wios') },
    oomKills: count(wire.memoryEvents?.oomKill),
  };
}
