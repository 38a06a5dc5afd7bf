import { rfc3339Nano } from '../../base/index.ts';
import type { ContainerView, InterfaceCounters, StatsSample } from '../../containers/contract.ts';
import { NEVER } from './human.ts';

function cpuOf(cpu: StatsSample['cpu']) {
  return {
    cpu_usage: {
      total_usage: Number(cpu.totalNanos),
      usage_in_kernelmode: Number(cpu.kernelNanos),
      usage_in_usermode: Number(cpu.userNanos),
      ...(cpu.perCpuNanos ? { percpu_usage: cpu.perCpuNanos.map(Number) } : {}),
    },
    system_cpu_usage: Number(cpu.systemNanos),
    online_cpus: cpu.onlineCpus,
    throttling_data: {
      periods: Number(cpu.throttling.periods),
      throttled_periods: Number(cpu.throttling.throttledPeriods),
      throttled_time: Number(cpu.throttling.throttledNanos),
    },
  };
}

const NO_CPU = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

function interfaceOf(counters: InterfaceCounters) {
  return {
    rx_bytes: Number(counters.rxBytes),
    rx_packets: Number(counters.rxPackets),
    rx_errors: Number(counters.rxErrors),
    rx_dropped: Number(counters.rxDropped),
    tx_bytes: Number(counters.txBytes),
    tx_packets: Number(counters.txPackets),
    tx_errors: Number(counters.txErrors),
    tx_dropped: Number(counters.txDropped),
  };
}

function memoryOf(memory: StatsSample['memory']) {
  return {
    usage: Number(memory.usage),
    ...(memory.maxUsage === undefined ? {} : { max_usage: Number(memory.maxUsage) }),
    limit: Number(memory.limit),
    stats: Object.fromEntries(Object.entries(memory.stats).map(([key, value]) => [key, Number(value)])),
  };
}

/** One sample of `GET /containers/{id}/stats`. Without one the container does not run and all is zero. */
export function encodeStats(view: ContainerView, sample?: StatsSample, previous?: StatsSample) {
  const blkio =
    sample?.blkio.map(({ major, minor, op, value }) => ({ major, minor, op, value: Number(value) })) ?? null;
  return {
    name: `/${view.name}`,
    id: view.id,
    read: sample ? rfc3339Nano(sample.readNanos) : NEVER,
    preread: previous ? rfc3339Nano(previous.readNanos) : NEVER,
    pids_stats: sample
      ? {
          current: sample.pids.current,
          ...(sample.pids.limit === undefined ? {} : { limit: sample.pids.limit }),
        }
      : {},
    blkio_stats: {
      io_service_bytes_recursive: blkio,
      io_serviced_recursive: null,
      io_queue_recursive: null,
      io_service_time_recursive: null,
      io_wait_time_recursive: null,
      io_merged_recursive: null,
      io_time_recursive: null,
      sectors_recursive: null,
    },
    num_procs: 0,
    storage_stats: {},
    cpu_stats: sample ? cpuOf(sample.cpu) : NO_CPU,
    precpu_stats: previous ? cpuOf(previous.cpu) : NO_CPU,
    memory_stats: sample ? memoryOf(sample.memory) : {},
    ...(sample && Object.keys(sample.networks).length > 0
      ? {
          networks: Object.fromEntries(
            Object.entries(sample.networks).map(([name, counters]) => [name, interfaceOf(counters)]),
          ),
        }
      : {}),
  };
}
