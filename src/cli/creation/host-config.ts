import type { HostConfig, Resources } from '../../client/index.ts';
import type { Flags } from '../grammar/index.ts';
import {
  checkMac,
  parseBytes,
  parseCpus,
  parseDevice,
  parseDeviceBytes,
  parseDeviceCount,
  parseDeviceWeight,
  parseExtraHost,
  parseMount,
  parsePairs,
  parseRestart,
  parseSwap,
  parseTmpfs,
  parseUlimit,
} from '../values/index.ts';
import { securityOptions } from './security.ts';

/** What the host grants, ports, networks and binds apart. */
export function hostConfig(flags: Flags): HostConfig {
  const mac = flags.text('mac-address').trim();
  if (mac !== '') checkMac(mac);
  const restart = parseRestart(flags.text('restart') || 'no');
  if (flags.bool('rm') && restart.Name !== 'no' && restart.Name !== '') {
    throw new Error('conflicting options: cannot specify both --restart and --rm');
  }
  return {
    ...resources(flags),
    ...isolation(flags),
    ...files(flags),
    ContainerIDFile: flags.text('cidfile'),
    LogConfig: logConfig(flags),
    RestartPolicy: restart,
    AutoRemove: flags.bool('rm'),
    Annotations: parsePairs(flags.list('annotation')),
    Dns: flags.list('dns'),
    DnsOptions: [...flags.list('dns-option'), ...flags.list('dns-opt')],
    DnsSearch: flags.list('dns-search'),
    ExtraHosts: flags.list('add-host').map(parseExtraHost),
    GroupAdd: flags.list('group-add'),
    PublishAllPorts: flags.bool('publish-all'),
    ...(flags.given('init') ? { Init: flags.bool('init') } : {}),
    ...(flags.given('runtime') ? { Runtime: flags.text('runtime') } : {}),
  };
}

function logConfig(flags: Flags): { Type: string; Config: Record<string, string> } {
  const driver = flags.text('log-driver');
  const options = parsePairs(flags.list('log-opt'));
  if (driver === 'none' && Object.keys(options).length > 0) throw new Error('invalid logging opts for driver none');
  return { Type: driver, Config: options };
}

function files(flags: Flags): HostConfig {
  return {
    Mounts: flags.list('mount').map(parseMount),
    Tmpfs: parseTmpfs(flags.list('tmpfs')),
    VolumesFrom: flags.list('volumes-from'),
    VolumeDriver: flags.text('volume-driver'),
    ReadonlyRootfs: flags.bool('read-only'),
    ShmSize: flags.given('shm-size') ? parseBytes(flags.text('shm-size')) : 0,
    StorageOpt: parsePairs(flags.list('storage-opt')),
  };
}

function isolation(flags: Flags): HostConfig {
  return {
    Privileged: flags.bool('privileged'),
    CapAdd: flags.list('cap-add').map(capability),
    CapDrop: flags.list('cap-drop').map(capability),
    ...securityOptions(flags.list('security-opt')),
    Sysctls: parsePairs(flags.list('sysctl')),
    PidMode: flags.text('pid'),
    IpcMode: flags.text('ipc'),
    UTSMode: flags.text('uts'),
    UsernsMode: flags.text('userns'),
    CgroupnsMode: flags.text('cgroupns'),
    OomScoreAdj: flags.integer('oom-score-adj') ?? 0,
  };
}

function capability(name: string): string {
  const upper = name.toUpperCase();
  return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}

function resources(flags: Flags): Resources {
  const amount = (name: string): number => (flags.given(name) ? parseBytes(flags.text(name)) : 0);
  const number = (name: string): number => flags.integer(name) ?? 0;
  return {
    Memory: amount('memory'),
    MemoryReservation: amount('memory-reservation'),
    MemorySwap: flags.given('memory-swap') ? parseSwap(flags.text('memory-swap')) : 0,
    ...(number('memory-swappiness') >= 0 && flags.given('memory-swappiness')
      ? { MemorySwappiness: number('memory-swappiness') }
      : {}),
    NanoCpus: flags.given('cpus') ? parseCpus(flags.text('cpus')) : 0,
    CpuShares: number('cpu-shares'),
    CpuPeriod: number('cpu-period'),
    CpuQuota: number('cpu-quota'),
    CpuRealtimePeriod: number('cpu-rt-period'),
    CpuRealtimeRuntime: number('cpu-rt-runtime'),
    CpusetCpus: flags.text('cpuset-cpus'),
    CpusetMems: flags.text('cpuset-mems'),
    BlkioWeight: number('blkio-weight'),
    BlkioWeightDevice: flags.list('blkio-weight-device').map(parseDeviceWeight),
    BlkioDeviceReadBps: flags.list('device-read-bps').map(parseDeviceBytes),
    BlkioDeviceWriteBps: flags.list('device-write-bps').map(parseDeviceBytes),
    BlkioDeviceReadIOps: flags.list('device-read-iops').map(parseDeviceCount),
    BlkioDeviceWriteIOps: flags.list('device-write-iops').map(parseDeviceCount),
    CgroupParent: flags.text('cgroup-parent'),
    Devices: flags.list('device').map(parseDevice),
    DeviceCgroupRules: flags.list('device-cgroup-rule'),
    Ulimits: flags.list('ulimit').map(parseUlimit),
    ...(flags.given('oom-kill-disable') ? { OomKillDisable: flags.bool('oom-kill-disable') } : {}),
    ...(flags.given('pids-limit') ? { PidsLimit: number('pids-limit') } : {}),
  };
}
