import * as v from 'valibot';
import {
  count,
  flag,
  optionalCount,
  optionalFlag,
  optionalText,
  text,
  textMap,
  textSet,
  texts,
  words,
} from './fields.ts';

export const HealthcheckBody = v.object({
  Test: texts,
  Interval: count,
  Timeout: count,
  StartPeriod: count,
  StartInterval: count,
  Retries: count,
});

export const EndpointBody = v.object({
  IPAMConfig: v.nullish(v.object({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: texts })),
  Links: texts,
  Aliases: texts,
  DriverOpts: textMap,
  GwPriority: count,
  MacAddress: text,
});
export type EndpointBody = v.InferOutput<typeof EndpointBody>;

export const MountBody = v.object({
  Type: text,
  Source: text,
  Target: text,
  ReadOnly: flag,
  Consistency: text,
  BindOptions: v.nullish(
    v.object({
      Propagation: text,
      CreateMountpoint: flag,
      NonRecursive: flag,
      ReadOnlyNonRecursive: flag,
      ReadOnlyForceRecursive: flag,
    }),
  ),
  VolumeOptions: v.nullish(
    v.object({
      NoCopy: flag,
      Labels: textMap,
      Subpath: text,
      DriverConfig: v.nullish(v.object({ Name: text, Options: textMap })),
    }),
  ),
  TmpfsOptions: v.nullish(
    v.object({ SizeBytes: optionalCount, Mode: optionalCount, Options: v.nullish(v.array(v.array(v.string())), []) }),
  ),
});
export type MountBody = v.InferOutput<typeof MountBody>;

export const RestartPolicyBody = v.object({ Name: text, MaximumRetryCount: count });

const rates = v.nullish(v.array(v.object({ Path: text, Rate: count })), []);

/** The members that `POST /containers/{id}/update` takes too. */
const resources = {
  Memory: count,
  MemorySwap: count,
  MemoryReservation: count,
  MemorySwappiness: optionalCount,
  OomKillDisable: optionalFlag,
  NanoCpus: count,
  CpuShares: count,
  CpuPeriod: count,
  CpuQuota: count,
  CpusetCpus: text,
  CpusetMems: text,
  PidsLimit: optionalCount,
  CpuRealtimePeriod: count,
  CpuRealtimeRuntime: count,
  CpuPercent: count,
  KernelMemory: count,
  BlkioWeight: count,
  BlkioWeightDevice: v.nullish(v.array(v.object({ Path: text, Weight: count })), []),
  BlkioDeviceReadBps: rates,
  BlkioDeviceWriteBps: rates,
  BlkioDeviceReadIOps: rates,
  BlkioDeviceWriteIOps: rates,
  IOMaximumBandwidth: count,
  IOMaximumIOps: count,
  Ulimits: v.nullish(v.array(v.object({ Name: v.string(), Soft: count, Hard: count })), []),
  Devices: v.nullish(v.array(v.object({ PathOnHost: text, PathInContainer: text, CgroupPermissions: text })), []),
  DeviceCgroupRules: texts,
  DeviceRequests: v.nullish(
    v.array(v.object({ Driver: text, Count: count, Capabilities: v.nullish(v.array(texts), []) })),
    [],
  ),
  CgroupParent: text,
};

export const HostConfigBody = v.object({
  ...resources,
  Binds: texts,
  LogConfig: v.nullish(v.object({ Type: text, Config: textMap })),
  NetworkMode: text,
  PortBindings: v.nullish(v.record(v.string(), v.nullish(v.array(v.object({ HostIp: text, HostPort: text })), [])), {}),
  RestartPolicy: v.nullish(RestartPolicyBody),
  AutoRemove: flag,
  VolumeDriver: text,
  VolumesFrom: texts,
  Mounts: v.nullish(v.array(MountBody), []),
  Annotations: textMap,
  CapAdd: words,
  CapDrop: words,
  CgroupnsMode: text,
  Dns: texts,
  DnsOptions: texts,
  DnsSearch: texts,
  ExtraHosts: texts,
  GroupAdd: texts,
  IpcMode: text,
  Links: texts,
  OomScoreAdj: count,
  PidMode: text,
  Privileged: flag,
  PublishAllPorts: flag,
  ReadonlyRootfs: flag,
  SecurityOpt: texts,
  Tmpfs: textMap,
  UTSMode: text,
  UsernsMode: text,
  ShmSize: count,
  StorageOpt: textMap,
  Isolation: text,
  Sysctls: textMap,
  Runtime: text,
  Init: optionalFlag,
  /** Height, then width. */
  ConsoleSize: v.nullish(v.tuple([v.number(), v.number()])),
  MaskedPaths: v.nullish(v.array(v.string())),
  ReadonlyPaths: v.nullish(v.array(v.string())),
});
export type HostConfigBody = v.InferOutput<typeof HostConfigBody>;

export const NetworkingBody = v.object({
  EndpointsConfig: v.nullish(v.record(v.string(), v.nullish(EndpointBody)), {}),
});

export const CreateBody = v.object({
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ExposedPorts: textSet,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  Env: texts,
  Cmd: words,
  Healthcheck: v.nullish(HealthcheckBody),
  Image: text,
  Volumes: textSet,
  WorkingDir: text,
  Entrypoint: words,
  NetworkDisabled: flag,
  MacAddress: text,
  Labels: textMap,
  StopSignal: text,
  StopTimeout: optionalCount,
  HostConfig: v.nullish(HostConfigBody),
  NetworkingConfig: v.nullish(NetworkingBody),
});
export type CreateBody = v.InferOutput<typeof CreateBody>;

export const UpdateBody = v.object({
  ...v.partial(v.object(resources)).entries,
  RestartPolicy: v.nullish(RestartPolicyBody),
});
export type UpdateBody = v.InferOutput<typeof UpdateBody>;

export const ExecBody = v.object({
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  DetachKeys: optionalText,
  Tty: flag,
  Env: texts,
  Cmd: words,
  Privileged: flag,
  User: text,
  WorkingDir: text,
});

export const ExecStartBody = v.object({
  Detach: flag,
  Tty: flag,
  ConsoleSize: v.nullish(v.tuple([v.number(), v.number()])),
});
