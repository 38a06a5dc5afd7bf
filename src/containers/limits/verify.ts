import { invalid, messageOf } from '../../base/index.ts';
import type { ResourceOptions } from '../options.ts';
import type { LimitAbilities } from './abilities.ts';
import { listIsAvailable } from './cpu-list.ts';

export interface VerifiedResources {
  readonly resources: ResourceOptions;
  /** One for each limit that this machine cannot enforce and that was therefore dropped. */
  readonly warnings: readonly string[];
}

type Mutable = { -readonly [key in keyof ResourceOptions]: ResourceOptions[key] };

interface Job {
  readonly asked: Mutable;
  readonly can: LimitAbilities;
  readonly update: boolean;
  readonly warnings: string[];
}

const SIX_MIB = 6 * 1024 * 1024;

function refuse(message: string): never {
  throw invalid('invalid_resources', message);
}

/**
 * Docker's rules for limits, with its texts: what contradicts itself is refused, what this kernel cannot do is dropped
 * with a warning. `update`: a change of a container that has limits already.
 */
export function verifyResources(
  resources: ResourceOptions,
  options: { readonly abilities: LimitAbilities; readonly update: boolean },
): VerifiedResources {
  const job: Job = { asked: { ...resources }, can: options.abilities, update: options.update, warnings: [] };
  verifyMemory(job);
  verifyMemoryBehaviour(job);
  verifyPids(job);
  verifyCpu(job);
  verifyRealtime(job);
  verifyCpuset(job);
  verifyBlockIo(job);
  return { resources: job.asked, warnings: job.warnings };
}

function verifyMemory({ asked, can, update, warnings }: Job): void {
  if (asked.memory !== 0 && asked.memory < SIX_MIB) refuse('Minimum memory limit allowed is 6MB');
  if (asked.memory > 0 && !can.memory) {
    warnings.push(
      'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
    );
    asked.memory = 0;
    asked.memorySwap = -1;
  }
  if (asked.memory > 0 && asked.memorySwap !== -1 && !can.swap) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
    asked.memorySwap = -1;
  }
  if (asked.memory > 0 && asked.memorySwap > 0 && asked.memorySwap < asked.memory) {
    refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (asked.memory === 0 && asked.memorySwap > 0 && !update) {
    refuse('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  // Unless said otherwise, as much swap as memory.
  if (!update && asked.memory > 0 && asked.memorySwap === 0) asked.memorySwap = asked.memory * 2;
}

function verifyMemoryBehaviour({ asked, can, warnings }: Job): void {
  if (asked.memorySwappiness !== undefined && !can.memorySwappiness) {
    warnings.push(
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    );
    delete asked.memorySwappiness;
  }
  const { memorySwappiness: swappiness } = asked;
  if (swappiness !== undefined && (swappiness < 0 || swappiness > 100)) {
    refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (asked.memoryReservation > 0 && !can.memoryReservation) {
    warnings.push(
      'Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.',
    );
    asked.memoryReservation = 0;
  }
  if (asked.memoryReservation > 0 && asked.memoryReservation < SIX_MIB) {
    refuse('Minimum memory reservation allowed is 6MB');
  }
  if (asked.memory > 0 && asked.memoryReservation > asked.memory) {
    refuse('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (asked.oomKillDisable && !can.oomKillDisable) {
    warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
    asked.oomKillDisable = false;
  }
  if (asked.oomKillDisable && asked.memory === 0) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
}

function verifyPids({ asked, can, warnings }: Job): void {
  if (asked.pidsLimit === undefined || can.pids) return;
  if (asked.pidsLimit > 0) {
    warnings.push(
      'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
    );
  }
  delete asked.pidsLimit;
}

function verifyCpu({ asked, can, warnings }: Job): void {
  if (asked.nanoCpus > 0 && asked.cpuPeriod > 0) {
    refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  }
  if (asked.nanoCpus > 0 && asked.cpuQuota > 0) {
    refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  }
  if (asked.nanoCpus > 0 && !can.cpuCfs) {
    refuse('NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted');
  }
  if (asked.nanoCpus < 0 || asked.nanoCpus > can.cpuCount * 1e9) {
    refuse(`range of CPUs is from 0.01 to ${can.cpuCount}.00, as there are only ${can.cpuCount} CPUs available`);
  }
  if (asked.cpuShares < 0) refuse(`invalid CPU shares (${asked.cpuShares}): value must be a positive integer`);
  if (asked.cpuShares > 0 && !can.cpuShares) {
    warnings.push('Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.');
    asked.cpuShares = 0;
  }
  if ((asked.cpuPeriod !== 0 || asked.cpuQuota !== 0) && !can.cpuCfs) {
    warnings.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    asked.cpuPeriod = 0;
    asked.cpuQuota = 0;
  }
  if (asked.cpuPeriod !== 0 && (asked.cpuPeriod < 1000 || asked.cpuPeriod > 1_000_000)) {
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (asked.cpuQuota > 0 && asked.cpuQuota < 1000) refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
}

function verifyRealtime({ asked, can }: Job): void {
  const { cpuRealtimePeriod: period = 0, cpuRealtimeRuntime: runtime = 0 } = asked;
  if ((period !== 0 || runtime !== 0) && !can.cpuRealtime) refuse('kernel does not support CPU real-time scheduler');
  if (period !== 0 && runtime > period) refuse('cpu real-time runtime cannot be higher than cpu real-time period');
}

function verifyCpuset({ asked, can, warnings }: Job): void {
  if ((asked.cpusetCpus !== '' || asked.cpusetMems !== '') && !can.cpuset) {
    warnings.push('Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.');
    asked.cpusetCpus = '';
    asked.cpusetMems = '';
  }
  const check = (what: string, wanted: string, available: string): boolean => {
    try {
      return listIsAvailable(wanted, available);
    } catch (error) {
      return refuse(`Invalid value ${wanted} for cpuset ${what}: ${messageOf(error)}`);
    }
  };
  if (!check('cpus', asked.cpusetCpus, can.cpus)) {
    refuse(`Requested CPUs are not available - requested ${asked.cpusetCpus}, available: ${can.cpus}`);
  }
  if (!check('mems', asked.cpusetMems, can.memoryNodes)) {
    refuse(`Requested memory nodes are not available - requested ${asked.cpusetMems}, available: ${can.memoryNodes}`);
  }
}

const THROTTLES = [
  ['blkioReadBps', 'BPS Block I/O read limit', 'Block I/O BPS read limit'],
  ['blkioWriteBps', 'BPS Block I/O write limit', 'Block I/O BPS write limit'],
  ['blkioReadIops', 'IOPS Block read limit', 'Block I/O IOPS read limit'],
  ['blkioWriteIops', 'IOPS Block write limit', 'Block I/O IOPS write limit'],
] as const;

function verifyBlockIo({ asked, can, warnings }: Job): void {
  if (asked.blkioWeight > 0 && !can.blkioWeight) {
    warnings.push('Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.');
    asked.blkioWeight = 0;
  }
  if (asked.blkioWeight !== 0 && (asked.blkioWeight < 10 || asked.blkioWeight > 1000)) {
    refuse('Range of blkio weight is from 10 to 1000');
  }
  if (asked.blkioWeightDevices?.length && !can.blkioWeightDevice) {
    warnings.push(
      'Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.',
    );
    delete asked.blkioWeightDevices;
  }
  for (const [name, lacking, dropped] of THROTTLES) {
    if (!asked[name]?.length || can[name]) continue;
    warnings.push(`Your kernel does not support ${lacking} or the cgroup is not mounted. ${dropped} discarded.`);
    delete asked[name];
  }
}
