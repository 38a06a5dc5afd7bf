import { readFileSync } from 'node:fs';
import type { TaskMetrics } from '../containerd/index.ts';
import type { ContainerStatistics, ContainerView, InterfaceCounters, StatsSample } from '../contract.ts';
import type { ContainerEngine } from '../engine.ts';
import type { Container, Registry } from '../records/index.ts';

export interface SamplerDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  readonly registry: Registry;
  readonly view: (container: Container) => ContainerView;
}

/** USER_HZ, which is 100 on every architecture that Linux tells user space about. */
const NANOS_PER_TICK = 10_000_000n;

/** Samples for `docker stats`: cgroups through containerd, interfaces from /proc of the container's process. */
export class StatisticsSampler implements ContainerStatistics {
  readonly #deps: SamplerDeps;

  constructor(deps: SamplerDeps) {
    this.#deps = deps;
  }

  async sample(ref: string): Promise<{ readonly view: ContainerView; readonly sample?: StatsSample }> {
    const container = this.#deps.registry.get(ref);
    const view = this.#deps.view(container);
    if (!container.running) return { view };
    const metrics = await this.#deps.containerd.tasks.metrics(container.id).catch(() => null);
    if (!metrics) return { view };
    const { pid, status } = container.record.state;
    const ownNetwork = container.record.spec.network.mode !== 'host' && status !== 'exited';
    return { view, sample: sampleOf(metrics, ownNetwork ? interfaceCounters(pid) : {}) };
  }
}

export function sampleOf(metrics: TaskMetrics, networks: Readonly<Record<string, InterfaceCounters>>): StatsSample {
  const { cpu, memory, pids, blkio } = metrics;
  const system = systemCpu(readFileSync('/proc/stat', 'utf8'));
  const total = BigInt(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024n;
  const unlimited = memory.limit === 0n || memory.limit > total;
  return {
    readNanos: metrics.readAt,
    pids: {
      current: Number(pids.current),
      ...(pids.limit > 0n && pids.limit < 1n << 53n && { limit: Number(pids.limit) }),
    },
    cpu: {
      totalNanos: cpu.totalNanos,
      userNanos: cpu.userNanos,
      kernelNanos: cpu.systemNanos,
      ...(cpu.perCpuNanos.length > 0 && { perCpuNanos: cpu.perCpuNanos }),
      systemNanos: system.nanos,
      onlineCpus: system.cpus,
      throttling: {
        periods: cpu.periods,
        throttledPeriods: cpu.throttledPeriods,
        throttledNanos: cpu.throttledNanos,
      },
    },
    memory: {
      usage: memory.usage,
      ...(metrics.cgroup === 1 && { maxUsage: memory.maxUsage }),
      limit: unlimited ? total : memory.limit,
      stats: memory.stats,
    },
    blkio: blkio.bytes,
    networks,
  };
}

/** The first line of /proc/stat: what all processors have counted, and how many of them there are. */
export function systemCpu(stat: string): { readonly nanos: bigint; readonly cpus: number } {
  const fields = /^cpu\s+(.*)$/m.exec(stat)?.[1]?.split(' ') ?? [];
  // Guest time is counted in user time already.
  const ticks = fields.slice(0, 8).reduce((sum, field) => sum + BigInt(field), 0n);
  return { nanos: ticks * NANOS_PER_TICK, cpus: stat.match(/^cpu\d+ /gm)?.length ?? 1 };
}

function interfaceCounters(pid: number): Record<string, InterfaceCounters> {
  try {
    return parseNetDev(readFileSync(`/proc/${pid}/net/dev`, 'utf8'));
  } catch {
    // It has just ended.
    return {};
  }
}

/** /proc/net/dev of a namespace, without its loopback. */
export function parseNetDev(text: string): Record<string, InterfaceCounters> {
  const counters: Record<string, InterfaceCounters> = {};
  for (const line of text.split('\n')) {
    const [, name, rest] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined || name === 'lo') continue;
    const fields = rest.trim().split(/\s+/);
    const field = (index: number): bigint => BigInt(fields[index] ?? 0);
    counters[name] = {
      rxBytes: field(0),
      rxPackets: field(1),
      rxErrors: field(2),
      rxDropped: field(3),
      txBytes: field(8),
      txPackets: field(9),
      txErrors: field(10),
      txDropped: field(11),
    };
  }
  return counters;
}
