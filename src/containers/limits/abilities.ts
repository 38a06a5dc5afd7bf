import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** Which limits the control groups of this machine can enforce. */
export interface LimitAbilities {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly memoryReservation: boolean;
  readonly memorySwappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly pids: boolean;
  readonly cpuShares: boolean;
  readonly cpuCfs: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  readonly blkioWeight: boolean;
  readonly blkioWeightDevice: boolean;
  readonly blkioReadBps: boolean;
  readonly blkioWriteBps: boolean;
  readonly blkioReadIops: boolean;
  readonly blkioWriteIops: boolean;
  /** As the kernel writes them: `0-3,8`. Empty without cpuset. */
  readonly cpus: string;
  readonly memoryNodes: string;
  readonly cpuCount: number;
}

/** The host as the probe sees it; tests bring a folder of their own. */
export interface LimitSources {
  readonly mountinfo: string;
  readonly ownCgroups: string;
  readonly unified: string;
}

const SOURCES: LimitSources = {
  mountinfo: '/proc/self/mountinfo',
  ownCgroups: '/proc/self/cgroup',
  unified: '/sys/fs/cgroup',
};

/** On a hybrid machine, whose controllers are v1, the v2 mount has none of them and is not asked. */
export function readLimitAbilities(sources: LimitSources = SOURCES): LimitAbilities {
  const controllers = readIfThere(join(sources.unified, 'cgroup.controllers'));
  return controllers === undefined ? abilitiesV1(sources) : abilitiesV2(controllers.split(/\s+/), sources);
}

function abilitiesV1(sources: LimitSources): LimitAbilities {
  const mounts = controllerMounts(readIfThere(sources.mountinfo) ?? '');
  const has = (controller: string, file: string): boolean => {
    const mount = mounts.get(controller);
    return mount !== undefined && existsSync(join(mount, file));
  };
  const listOf = (file: string): string => {
    const mount = mounts.get('cpuset');
    return mount === undefined ? '' : (readIfThere(join(mount, file)) ?? '');
  };
  return {
    memory: mounts.has('memory'),
    swap: has('memory', 'memory.memsw.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    memorySwappiness: has('memory', 'memory.swappiness'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    pids: mounts.has('pids'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuCfs: has('cpu', 'cpu.cfs_quota_us'),
    cpuRealtime: has('cpu', 'cpu.rt_period_us'),
    cpuset: mounts.has('cpuset'),
    blkioWeight: has('blkio', 'blkio.weight') || has('blkio', 'blkio.bfq.weight'),
    blkioWeightDevice: has('blkio', 'blkio.weight_device') || has('blkio', 'blkio.bfq.weight_device'),
    blkioReadBps: has('blkio', 'blkio.throttle.read_bps_device'),
    blkioWriteBps: has('blkio', 'blkio.throttle.write_bps_device'),
    blkioReadIops: has('blkio', 'blkio.throttle.read_iops_device'),
    blkioWriteIops: has('blkio', 'blkio.throttle.write_iops_device'),
    cpus: listOf('cpuset.cpus'),
    memoryNodes: listOf('cpuset.mems'),
    cpuCount: availableParallelism(),
  };
}

function abilitiesV2(controllers: readonly string[], sources: LimitSources): LimitAbilities {
  const has = (controller: string): boolean => controllers.includes(controller);
  const own = /^0::(.*)$/m.exec(readIfThere(sources.ownCgroups) ?? '')?.[1] ?? '/';
  const listOf = (file: string): string => readIfThere(join(sources.unified, file)) ?? '';
  return {
    memory: has('memory'),
    // The root group has no such file, so one asks one's own.
    swap: has('memory') && existsSync(join(sources.unified, own, 'memory.swap.max')),
    memoryReservation: has('memory'),
    memorySwappiness: false,
    oomKillDisable: false,
    pids: has('pids'),
    cpuShares: has('cpu'),
    cpuCfs: has('cpu'),
    cpuRealtime: false,
    cpuset: has('cpuset'),
    blkioWeight: has('io'),
    blkioWeightDevice: has('io'),
    blkioReadBps: has('io'),
    blkioWriteBps: has('io'),
    blkioReadIops: has('io'),
    blkioWriteIops: has('io'),
    cpus: listOf('cpuset.cpus.effective'),
    memoryNodes: listOf('cpuset.mems.effective'),
    cpuCount: availableParallelism(),
  };
}

/** v1 controllers → where they are mounted. `mountinfo`: id parent dev root point options … - type source superOptions */
function controllerMounts(mountinfo: string): ReadonlyMap<string, string> {
  const mounts = new Map<string, string>();
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [type, , superOptions = ''] = right.split(' ');
    const point = left.split(' ')[4];
    if (type !== 'cgroup' || point === undefined) continue;
    for (const option of superOptions.split(',')) if (!mounts.has(option)) mounts.set(option, point);
  }
  return mounts;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** What `docker info` says of limits that cannot be had, with Docker's texts. */
export function limitWarnings(can: LimitAbilities, cgroupVersion: '1' | '2'): string[] {
  const lacking: readonly (readonly [boolean, string])[] = [
    [can.memory, 'memory limit'],
    [can.swap, 'swap limit'],
    [can.oomKillDisable || cgroupVersion === '2', 'oom kill disable'],
    [can.cpuCfs, 'cpu cfs quota'],
    [can.cpuCfs, 'cpu cfs period'],
    [can.cpuShares, 'cpu shares'],
    [can.cpuset, 'cpuset'],
    [can.blkioReadBps, cgroupVersion === '2' ? 'io.max (rbps)' : 'blkio throttle.read_bps_device'],
    [can.blkioWriteBps, cgroupVersion === '2' ? 'io.max (wbps)' : 'blkio throttle.write_bps_device'],
    [can.blkioReadIops, cgroupVersion === '2' ? 'io.max (riops)' : 'blkio throttle.read_iops_device'],
    [can.blkioWriteIops, cgroupVersion === '2' ? 'io.max (wiops)' : 'blkio throttle.write_iops_device'],
  ];
  return lacking.flatMap(([present, name]) => (present ? [] : [`WARNING: No ${name} support`]));
}
