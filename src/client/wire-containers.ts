/** What the Engine API sends and takes for containers, as far as this client reads or writes it. */
export interface Port {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  readonly Created: number;
  readonly State: string;
  readonly Status: string;
  readonly Ports: readonly Port[] | null;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Mounts?: readonly { readonly Type?: string; readonly Name?: string; readonly Source?: string }[] | null;
  readonly NetworkSettings?: { readonly Networks?: Readonly<Record<string, unknown>> | null } | null;
}

export interface PortBinding {
  readonly HostIp: string;
  readonly HostPort: string;
}

export type PortMap = Readonly<Record<string, readonly PortBinding[] | null>>;

export interface ContainerDetails {
  readonly Id: string;
  readonly Name: string;
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean };
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Paused: boolean;
    readonly Restarting: boolean;
    readonly ExitCode: number;
  };
  readonly HostConfig?: { readonly LogConfig?: { readonly Type: string } };
  readonly NetworkSettings?: { readonly Ports?: PortMap | null };
}

export interface HealthConfig {
  Test?: readonly string[];
  /** Nanoseconds, as all durations of the API. */
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

export interface ContainerConfig {
  Hostname?: string;
  Domainname?: string;
  User?: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  Env: readonly string[] | null;
  Cmd: readonly string[] | null;
  Healthcheck?: HealthConfig;
  Image: string;
  Volumes: Readonly<Record<string, object>> | null;
  WorkingDir?: string;
  Entrypoint: readonly string[] | null;
  Labels: Readonly<Record<string, string>>;
  ExposedPorts?: Readonly<Record<string, object>>;
  StopSignal?: string;
  StopTimeout?: number;
  MacAddress?: string;
}

export interface MountSpec {
  Type: string;
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: Record<string, unknown>;
  VolumeOptions?: Record<string, unknown>;
  TmpfsOptions?: Record<string, unknown>;
  ImageOptions?: Record<string, unknown>;
}

export interface DeviceSpec {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

export interface UlimitSpec {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

export interface RestartPolicySpec {
  readonly Name: string;
  readonly MaximumRetryCount: number;
}

export interface BlockDeviceWeight {
  readonly Path: string;
  readonly Weight: number;
}

export interface BlockDeviceRate {
  readonly Path: string;
  readonly Rate: number;
}

export interface Resources {
  BlkioWeightDevice?: readonly BlockDeviceWeight[];
  BlkioDeviceReadBps?: readonly BlockDeviceRate[];
  BlkioDeviceWriteBps?: readonly BlockDeviceRate[];
  BlkioDeviceReadIOps?: readonly BlockDeviceRate[];
  BlkioDeviceWriteIOps?: readonly BlockDeviceRate[];
  CpuShares?: number;
  Memory?: number;
  NanoCpus?: number;
  CgroupParent?: string;
  BlkioWeight?: number;
  CpuPeriod?: number;
  CpuQuota?: number;
  CpuRealtimePeriod?: number;
  CpuRealtimeRuntime?: number;
  CpusetCpus?: string;
  CpusetMems?: string;
  Devices?: readonly DeviceSpec[];
  DeviceCgroupRules?: readonly string[];
  MemoryReservation?: number;
  MemorySwap?: number;
  MemorySwappiness?: number;
  OomKillDisable?: boolean;
  PidsLimit?: number;
  Ulimits?: readonly UlimitSpec[];
}

export interface HostConfig extends Resources {
  Binds?: readonly string[];
  ContainerIDFile?: string;
  LogConfig?: { Type: string; Config: Readonly<Record<string, string>> };
  NetworkMode?: string;
  PortBindings?: PortMap;
  RestartPolicy?: RestartPolicySpec;
  AutoRemove?: boolean;
  VolumeDriver?: string;
  VolumesFrom?: readonly string[];
  ConsoleSize?: readonly [number, number];
  Annotations?: Readonly<Record<string, string>>;
  CapAdd?: readonly string[];
  CapDrop?: readonly string[];
  CgroupnsMode?: string;
  Dns?: readonly string[];
  DnsOptions?: readonly string[];
  DnsSearch?: readonly string[];
  ExtraHosts?: readonly string[];
  GroupAdd?: readonly string[];
  IpcMode?: string;
  Links?: readonly string[];
  OomScoreAdj?: number;
  PidMode?: string;
  Privileged?: boolean;
  PublishAllPorts?: boolean;
  ReadonlyRootfs?: boolean;
  SecurityOpt?: readonly string[];
  StorageOpt?: Readonly<Record<string, string>>;
  Tmpfs?: Readonly<Record<string, string>>;
  UTSMode?: string;
  UsernsMode?: string;
  ShmSize?: number;
  Sysctls?: Readonly<Record<string, string>>;
  Runtime?: string;
  Init?: boolean;
  Mounts?: readonly MountSpec[];
}

export interface EndpointConfig {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: readonly string[] };
  Links?: readonly string[];
  Aliases?: readonly string[];
  DriverOpts?: Readonly<Record<string, string>>;
  MacAddress?: string;
  GwPriority?: number;
}

export interface CreateContainer extends ContainerConfig {
  HostConfig: HostConfig;
  NetworkingConfig: { EndpointsConfig: Readonly<Record<string, EndpointConfig>> };
}

export interface CreateExec {
  readonly User?: string;
  readonly Privileged?: boolean;
  readonly Tty?: boolean;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly DetachKeys?: string;
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly Cmd: readonly string[];
}

export interface WaitResult {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}

export interface TopResult {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[] | null;
}

export interface PathStat {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  readonly mtime: string;
  readonly linkTarget: string;
}

export interface StatsSample {
  readonly id?: string;
  readonly name?: string;
  readonly read: string;
  readonly cpu_stats: CpuStats;
  readonly precpu_stats: CpuStats;
  readonly memory_stats: { readonly usage?: number; readonly limit?: number; readonly stats?: Record<string, number> };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
  readonly blkio_stats?: {
    readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null;
  };
  readonly pids_stats?: { readonly current?: number };
}

export interface CpuStats {
  readonly cpu_usage: { readonly total_usage: number; readonly percpu_usage?: readonly number[] | null };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}
