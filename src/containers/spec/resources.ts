import type { ResourceOptions } from '../options.ts';

const CPU_PERIOD_MICROS = 100_000;

type Mutable = Record<string, Record<string, unknown>>;

/** OCI LinuxResources; what is not limited is left out. runc translates them for whichever cgroup version there is. */
export function resourcesOf(options: ResourceOptions): Mutable {
  const memory: Record<string, unknown> = {};
  if (options.memory > 0) memory.limit = options.memory;
  if (options.memory > 0 && options.memorySwap === 0) memory.swap = options.memory * 2;
  if (options.memorySwap !== 0) memory.swap = options.memorySwap;
  if (options.memoryReservation > 0) memory.reservation = options.memoryReservation;
  if (options.memorySwappiness !== undefined && options.memorySwappiness >= 0) {
    memory.swappiness = options.memorySwappiness;
  }
  if (options.oomKillDisable) memory.disableOOMKiller = true;

  const cpu: Record<string, unknown> = {};
  if (options.cpuShares > 0) cpu.shares = options.cpuShares;
  if (options.nanoCpus > 0) {
    cpu.period = CPU_PERIOD_MICROS;
    cpu.quota = Math.round((options.nanoCpus * CPU_PERIOD_MICROS) / 1e9);
  } else {
    if (options.cpuPeriod > 0) cpu.period = options.cpuPeriod;
    if (options.cpuQuota !== 0) cpu.quota = options.cpuQuota;
  }
  if (options.cpusetCpus !== '') cpu.cpus = options.cpusetCpus;
  if (options.cpusetMems !== '') cpu.mems = options.cpusetMems;

  const resources: Mutable = {};
  if (Object.keys(memory).length > 0) resources.memory = memory;
  if (Object.keys(cpu).length > 0) resources.cpu = cpu;
  if (options.pidsLimit !== undefined && options.pidsLimit !== 0) {
    resources.pids = { limit: options.pidsLimit < 0 ? -1 : options.pidsLimit };
  }
  if (options.blkioWeight > 0) resources.blockIO = { weight: options.blkioWeight };
  return resources;
}
