import { statSync } from 'node:fs';
import { invalid } from '../../base/index.ts';
import type { BlockRate, BlockWeight, ResourceOptions } from '../options.ts';
import { deviceNumber } from './device-number.ts';

const CPU_PERIOD_MICROS = 100_000;

/** Of a container that nobody limits. */
export const NO_LIMITS: ResourceOptions = {
  memory: 0,
  memorySwap: 0,
  memoryReservation: 0,
  oomKillDisable: false,
  nanoCpus: 0,
  cpuShares: 0,
  cpuPeriod: 0,
  cpuQuota: 0,
  cpusetCpus: '',
  cpusetMems: '',
  blkioWeight: 0,
  ulimits: [],
  devices: [],
  deviceCgroupRules: [],
  cgroupParent: '',
};

/** OCI LinuxResources, as far as it is used. */
type LinuxResources = Record<string, Record<string, unknown>>;

/**
 * What is not limited is left out. runc translates them for whichever cgroup version there is.
 * Throws `invalid` for a block device that is not there.
 */
export function resourcesOf(options: ResourceOptions): LinuxResources {
  const parts = { memory: memoryOf(options), cpu: cpuOf(options), blockIO: blockIoOf(options) };
  const resources: LinuxResources = {};
  for (const [name, part] of Object.entries(parts)) if (Object.keys(part).length > 0) resources[name] = part;
  if (options.pidsLimit !== undefined && options.pidsLimit !== 0) {
    resources.pids = { limit: options.pidsLimit < 0 ? -1 : options.pidsLimit };
  }
  return resources;
}

function memoryOf(options: ResourceOptions): Record<string, unknown> {
  const memory: Record<string, unknown> = {};
  if (options.memory > 0) memory.limit = options.memory;
  if (options.memory > 0 && options.memorySwap === 0) memory.swap = options.memory * 2;
  if (options.memorySwap !== 0) memory.swap = options.memorySwap;
  if (options.memoryReservation > 0) memory.reservation = options.memoryReservation;
  if (options.memorySwappiness !== undefined && options.memorySwappiness >= 0) {
    memory.swappiness = options.memorySwappiness;
  }
  if (options.oomKillDisable) memory.disableOOMKiller = true;
  return memory;
}

function cpuOf(options: ResourceOptions): Record<string, unknown> {
  const cpu: Record<string, unknown> = {};
  if (options.cpuShares > 0) cpu.shares = options.cpuShares;
  if (options.nanoCpus > 0) {
    cpu.period = CPU_PERIOD_MICROS;
    cpu.quota = Math.round((options.nanoCpus * CPU_PERIOD_MICROS) / 1e9);
  } else {
    if (options.cpuPeriod > 0) cpu.period = options.cpuPeriod;
    if (options.cpuQuota !== 0) cpu.quota = options.cpuQuota;
  }
  if (options.cpuRealtimePeriod) cpu.realtimePeriod = options.cpuRealtimePeriod;
  if (options.cpuRealtimeRuntime) cpu.realtimeRuntime = options.cpuRealtimeRuntime;
  if (options.cpusetCpus !== '') cpu.cpus = options.cpusetCpus;
  if (options.cpusetMems !== '') cpu.mems = options.cpusetMems;
  return cpu;
}

function blockIoOf(options: ResourceOptions): Record<string, unknown> {
  const blockIo: Record<string, unknown> = {};
  if (options.blkioWeight > 0) blockIo.weight = options.blkioWeight;
  const put = (name: string, list: readonly (BlockRate | BlockWeight)[] | undefined): void => {
    if (list === undefined || list.length === 0) return;
    blockIo[name] = list.map(({ path, ...amount }) => ({ ...blockDevice(path), ...amount }));
  };
  put('weightDevice', options.blkioWeightDevices);
  put('throttleReadBpsDevice', options.blkioReadBps);
  put('throttleWriteBpsDevice', options.blkioWriteBps);
  put('throttleReadIOPSDevice', options.blkioReadIops);
  put('throttleWriteIOPSDevice', options.blkioWriteIops);
  return blockIo;
}

function blockDevice(path: string): { readonly major: number; readonly minor: number } {
  try {
    return deviceNumber(statSync(path).rdev);
  } catch (error) {
    throw invalid('no_such_device', `stat ${path}: no such file or directory`, error);
  }
}
