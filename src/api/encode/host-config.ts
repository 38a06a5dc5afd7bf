import type { ContainerView } from '../../containers/contract.ts';
import type { BlockRate, ContainerSpec, MountOption } from '../../containers/options.ts';
import type { PortRequest } from '../../model/index.ts';

function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length > 0 ? list : null;
}

function bindingsOf(ports: readonly PortRequest[]) {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { containerPort, protocol, hostIp, hostPorts } of ports) {
    const key = `${containerPort}/${protocol}`;
    const range = !hostPorts
      ? ''
      : hostPorts.first === hostPorts.last
        ? String(hostPorts.first)
        : `${hostPorts.first}-${hostPorts.last}`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: hostIp ?? '', HostPort: range }];
  }
  return bindings;
}

function mountOf(mount: MountOption) {
  return {
    Type: mount.type,
    ...(mount.source === undefined ? {} : { Source: mount.source }),
    Target: mount.target,
    ...(mount.readOnly ? { ReadOnly: true } : {}),
    ...(mount.type === 'bind' && (mount.propagation || mount.nonRecursive)
      ? { BindOptions: bindOptionsOf(mount) }
      : {}),
    ...(mount.type === 'volume' ? { VolumeOptions: volumeOptionsOf(mount) } : {}),
    ...(mount.type === 'tmpfs' && (mount.tmpfsSize !== undefined || mount.tmpfsMode !== undefined)
      ? { TmpfsOptions: { SizeBytes: mount.tmpfsSize ?? 0, Mode: mount.tmpfsMode ?? 0 } }
      : {}),
  };
}

function bindOptionsOf(mount: MountOption) {
  return {
    ...(mount.propagation ? { Propagation: mount.propagation } : {}),
    ...(mount.nonRecursive ? { NonRecursive: true } : {}),
  };
}

function volumeOptionsOf(mount: MountOption) {
  return {
    ...(mount.noCopy ? { NoCopy: true } : {}),
    ...(mount.volumeLabels && Object.keys(mount.volumeLabels).length > 0 ? { Labels: mount.volumeLabels } : {}),
    ...(mount.subpath === undefined ? {} : { Subpath: mount.subpath }),
    ...(mount.volumeDriver
      ? { DriverConfig: { Name: mount.volumeDriver, Options: mount.volumeDriverOptions ?? {} } }
      : {}),
  };
}

function ratesOf(rates: readonly BlockRate[] = []) {
  return rates.map(({ path, rate }) => ({ Path: path, Rate: rate }));
}

function resourcesOf({ resources }: ContainerSpec) {
  return {
    CpuShares: resources.cpuShares,
    Memory: resources.memory,
    NanoCpus: resources.nanoCpus,
    CgroupParent: resources.cgroupParent,
    BlkioWeight: resources.blkioWeight,
    BlkioWeightDevice: (resources.blkioWeightDevices ?? []).map(({ path, weight }) => ({ Path: path, Weight: weight })),
    BlkioDeviceReadBps: ratesOf(resources.blkioReadBps),
    BlkioDeviceWriteBps: ratesOf(resources.blkioWriteBps),
    BlkioDeviceReadIOps: ratesOf(resources.blkioReadIops),
    BlkioDeviceWriteIOps: ratesOf(resources.blkioWriteIops),
    CpuPeriod: resources.cpuPeriod,
    CpuQuota: resources.cpuQuota,
    CpuRealtimePeriod: resources.cpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: resources.cpuRealtimeRuntime ?? 0,
    CpusetCpus: resources.cpusetCpus,
    CpusetMems: resources.cpusetMems,
    Devices: resources.devices.map((device) => ({
      PathOnHost: device.host,
      PathInContainer: device.container,
      CgroupPermissions: device.permissions,
    })),
    DeviceCgroupRules: orNull(resources.deviceCgroupRules),
    DeviceRequests: null,
    MemoryReservation: resources.memoryReservation,
    MemorySwap: resources.memorySwap,
    MemorySwappiness: resources.memorySwappiness ?? null,
    OomKillDisable: resources.oomKillDisable,
    PidsLimit: resources.pidsLimit ?? null,
    Ulimits: resources.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
  };
}

/** `HostConfig` of inspect: what create was asked, back in Docker's members. */
export function encodeHostConfig({ spec }: ContainerView, defaults: { readonly loggingDriver: string }) {
  const { network, mounts, security, process } = spec;
  const declared = mounts.mounts.slice(mounts.binds.length);
  return {
    Binds: orNull(mounts.binds),
    ContainerIDFile: '',
    LogConfig: { Type: spec.log.driver || defaults.loggingDriver, Config: spec.log.options },
    NetworkMode: network.mode,
    PortBindings: bindingsOf(network.ports),
    RestartPolicy: { Name: spec.restart.name, MaximumRetryCount: spec.restart.maximumRetryCount },
    AutoRemove: spec.autoRemove,
    VolumeDriver: mounts.volumeDriver ?? '',
    VolumesFrom: orNull(mounts.volumesFrom),
    ConsoleSize: [process.consoleSize?.height ?? 0, process.consoleSize?.width ?? 0],
    ...(Object.keys(spec.annotations).length > 0 ? { Annotations: spec.annotations } : {}),
    CapAdd: orNull(security.capAdd),
    CapDrop: orNull(security.capDrop),
    CgroupnsMode: security.cgroupnsMode || 'private',
    Dns: network.dns,
    DnsOptions: network.dnsOptions,
    DnsSearch: network.dnsSearch,
    ExtraHosts: orNull(network.extraHosts),
    GroupAdd: orNull(process.groupAdd),
    IpcMode: security.ipcMode || 'private',
    Cgroup: '',
    Links: orNull(network.links),
    OomScoreAdj: security.oomScoreAdj,
    PidMode: security.pidMode,
    Privileged: security.privileged,
    PublishAllPorts: network.publishAll,
    ReadonlyRootfs: security.readonlyRootfs,
    SecurityOpt: orNull(security.securityOpt),
    ...(Object.keys(mounts.tmpfs).length > 0 ? { Tmpfs: mounts.tmpfs } : {}),
    UTSMode: security.utsMode,
    UsernsMode: security.usernsMode,
    ShmSize: security.shmSize || 67_108_864,
    ...(Object.keys(security.sysctls).length > 0 ? { Sysctls: security.sysctls } : {}),
    Runtime: spec.runtime ?? 'runc',
    Isolation: '',
    ...resourcesOf(spec),
    ...(declared.length > 0 ? { Mounts: declared.map(mountOf) } : {}),
    MaskedPaths: security.maskedPaths ?? null,
    ReadonlyPaths: security.readonlyPaths ?? null,
    ...(process.init === undefined ? {} : { Init: process.init }),
  };
}
