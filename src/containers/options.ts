import type { Id, Ip, Mac } from '../base/index.ts';
import type { EndpointRequest, PortRequest, Protocol } from '../model/index.ts';

/** What runs, and how it is connected to whoever attaches. `undefined` members fall to the image. */
export interface ProcessOptions {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** `KEY=value`, over the image's. */
  readonly env: readonly string[];
  readonly workdir?: string;
  /** `user[:group]`, names or numbers. */
  readonly user?: string;
  readonly groupAdd: readonly string[];
  readonly tty: boolean;
  /** Of the terminal at the start, in characters. */
  readonly consoleSize?: { readonly width: number; readonly height: number };
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly stopSignal?: string;
  /** Seconds. */
  readonly stopTimeout?: number;
  /** `--init` */
  readonly init?: boolean;
}

export interface HealthOptions {
  /** `['NONE']`, `['CMD', …]`, `['CMD-SHELL', text]`; absent: the image's. */
  readonly test?: readonly string[];
  /** Nanoseconds; 0 or absent: inherited or default. */
  readonly interval?: number;
  readonly timeout?: number;
  readonly startPeriod?: number;
  readonly startInterval?: number;
  readonly retries?: number;
}

/** Name resolution, names and ports; which networks is {@link ContainerNetworking}. */
export interface NetworkOptions {
  readonly hostname?: string;
  readonly domainname?: string;
  /** What NetworkMode said after normalization: `bridge`, `host`, `none`, `container:<ref>` or a network. */
  readonly mode: string;
  readonly disabled: boolean;
  readonly ports: readonly PortRequest[];
  readonly exposed: readonly { readonly protocol: Protocol; readonly port: number }[];
  readonly publishAll: boolean;
  readonly dns: readonly Ip[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** `host:ip` or `host:host-gateway`. */
  readonly extraHosts: readonly string[];
  /** Legacy links on the default bridge: `container[:alias]`. */
  readonly links: readonly string[];
  readonly mac?: Mac;
}

/** `Config.Volumes`, `-v`, `--mount`, `--tmpfs`, `--volumes-from`, already parsed. */
export interface MountOptions {
  /** `source:target[:mode]` verbatim, for inspect. */
  readonly binds: readonly string[];
  readonly mounts: readonly MountOption[];
  readonly tmpfs: Readonly<Record<string, string>>;
  readonly volumesFrom: readonly string[];
  /** Anonymous volumes of the create call (`-v /data`). */
  readonly anonymous: readonly string[];
  /** For volumes that name none of their own. */
  readonly volumeDriver?: string;
}

export interface MountOption {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  /** Host path, volume name; absent for tmpfs and anonymous volumes. */
  readonly source?: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation?: string;
  readonly createMountpoint?: boolean;
  /** Without what is mounted below the source. */
  readonly nonRecursive?: boolean;
  /** A read-only mount makes what is mounted below it read-only, where kernel and runtime can. */
  readonly readOnlyBelow?: 'try' | 'must';
  readonly noCopy?: boolean;
  /** A folder of the volume instead of the whole. */
  readonly subpath?: string;
  readonly volumeLabels?: Readonly<Record<string, string>>;
  readonly volumeDriver?: string;
  readonly volumeDriverOptions?: Readonly<Record<string, string>>;
  /** Bytes. */
  readonly tmpfsSize?: number;
  readonly tmpfsMode?: number;
  /** `exec`, `noexec`. */
  readonly tmpfsOptions?: readonly string[];
}

/** A host path of a block device, and how much of it. */
export interface BlockRate {
  readonly path: string;
  /** Bytes or operations a second. */
  readonly rate: number;
}

export interface BlockWeight {
  readonly path: string;
  readonly weight: number;
}

export interface ResourceOptions {
  /** Bytes; 0: no limit. */
  readonly memory: number;
  readonly memorySwap: number;
  readonly memoryReservation: number;
  readonly memorySwappiness?: number;
  readonly oomKillDisable: boolean;
  readonly nanoCpus: number;
  readonly cpuShares: number;
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly pidsLimit?: number;
  /** Microseconds. */
  readonly cpuRealtimePeriod?: number;
  readonly cpuRealtimeRuntime?: number;
  readonly blkioWeight: number;
  readonly blkioWeightDevices?: readonly BlockWeight[];
  readonly blkioReadBps?: readonly BlockRate[];
  readonly blkioWriteBps?: readonly BlockRate[];
  readonly blkioReadIops?: readonly BlockRate[];
  readonly blkioWriteIops?: readonly BlockRate[];
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly devices: readonly { readonly host: string; readonly container: string; readonly permissions: string }[];
  readonly deviceCgroupRules: readonly string[];
  readonly cgroupParent: string;
}

export interface SecurityOptions {
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  /** `seccomp=…`, `no-new-privileges`, `apparmor=…`, `label=…` as given. */
  readonly securityOpt: readonly string[];
  readonly readonlyRootfs: boolean;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  /** `''`, `host`, `container:<ref>`, … */
  readonly pidMode: string;
  readonly ipcMode: string;
  readonly utsMode: string;
  readonly usernsMode: string;
  readonly cgroupnsMode: string;
  readonly sysctls: Readonly<Record<string, string>>;
  /** Bytes; 0: 64 MiB. */
  readonly shmSize: number;
  readonly oomScoreAdj: number;
}

export interface RestartPolicy {
  readonly name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  readonly maximumRetryCount: number;
}

export interface LogOptions {
  /** `json-file`, `local`, `none`; empty: the daemon's default. */
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

/** All that `POST /containers/create` says about the container itself. Plain JSON data: it is stored as it is. */
export interface ContainerSpec {
  /** The image as the user wrote it. */
  readonly image: string;
  readonly platform?: string;
  readonly process: ProcessOptions;
  readonly health?: HealthOptions;
  readonly network: NetworkOptions;
  readonly mounts: MountOptions;
  readonly resources: ResourceOptions;
  readonly security: SecurityOptions;
  readonly restart: RestartPolicy;
  readonly log: LogOptions;
  readonly autoRemove: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly runtime?: string;
}

/** One network the container is configured for, running or not. */
export interface ConfiguredNetwork {
  /** The name it was asked by (key of `EndpointsConfig` and of `NetworkSettings.Networks`). */
  readonly name: string;
  /** Known once it has been resolved. */
  readonly networkId?: Id;
  readonly request: EndpointRequest;
}
