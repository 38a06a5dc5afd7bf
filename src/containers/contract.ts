import type { Readable, Writable } from 'node:stream';
import type { Id } from '../base/index.ts';
import type { EndpointRecord, EndpointRequest, PublishedPort, SandboxRecord } from '../model/index.ts';
import type { ConfiguredNetwork, ContainerSpec, ResourceOptions, RestartPolicy } from './options.ts';

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

export interface ContainerState {
  readonly status: ContainerStatus;
  /** 0 when not running. */
  readonly pid: number;
  readonly exitCode: number;
  readonly error: string;
  readonly oomKilled: boolean;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` for never. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly restartCount: number;
  readonly health?: HealthState;
}

export interface HealthState {
  readonly status: 'starting' | 'healthy' | 'unhealthy' | 'none';
  readonly failingStreak: number;
  readonly log: readonly {
    readonly start: string;
    readonly end: string;
    readonly exitCode: number;
    readonly output: string;
  }[];
}

/** A mount as it was made, for inspect. */
export interface MountPoint {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  readonly name?: string;
  readonly source: string;
  readonly destination: string;
  readonly driver?: string;
  readonly mode: string;
  readonly writable: boolean;
  readonly propagation: string;
  /** As in the option of the same name. */
  readonly nonRecursive?: boolean;
  readonly readOnlyBelow?: 'try' | 'must';
  readonly subpath?: string;
}

/** A container as the API shows it. */
export interface ContainerView {
  readonly id: Id;
  /** Without the leading slash. */
  readonly name: string;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly spec: ContainerSpec;
  readonly imageId: string;
  /** Resolved from spec and image. */
  readonly effective: {
    readonly entrypoint: readonly string[];
    readonly cmd: readonly string[];
    readonly env: readonly string[];
    readonly workdir: string;
    readonly user: string;
    readonly hostname: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly stopSignal?: string;
    readonly exposed: readonly { readonly protocol: string; readonly port: number }[];
    readonly volumes: readonly string[];
    readonly health?: ContainerSpec['health'];
  };
  readonly state: ContainerState;
  readonly networks: readonly ConfiguredNetwork[];
  /** Present while it runs (and for `container:` mode its own view of nothing). */
  readonly sandbox?: SandboxRecord;
  readonly endpoints: readonly EndpointRecord[];
  readonly published: readonly PublishedPort[];
  readonly mounts: readonly MountPoint[];
  readonly execIds: readonly string[];
  readonly paths: {
    readonly resolvConf: string;
    readonly hostname: string;
    readonly hosts: string;
    readonly log: string;
  };
  readonly size?: { readonly writable: number; readonly rootfs: number };
}

/** One attached client. `stdout`/`stderr` end when the container does; ending `stdin` closes the container's. */
export interface StreamSession {
  readonly tty: boolean;
  readonly stdin?: Writable;
  readonly stdout?: Readable;
  /** Absent with a tty. */
  readonly stderr?: Readable;
  /** Leaves without disturbing the container; repeatable. */
  detach(): void;
}

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replay what was logged so far. */
  readonly logs: boolean;
  /** Stay for what comes; without it only the replay. */
  readonly stream: boolean;
  /** Docker's syntax (`ctrl-p,ctrl-q`). */
  readonly detachKeys?: string;
}

export interface LogQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Nanoseconds since the epoch; inclusive. */
  readonly since?: bigint;
  readonly until?: bigint;
  /** Lines from the end; absent: all. */
  readonly tail?: number;
}

export interface LogLine {
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  /** With its newline, when it had one. */
  readonly data: Buffer;
  /** What the log options chose to keep of the container. */
  readonly attributes?: Readonly<Record<string, string>>;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface ContainerFilter {
  readonly all: boolean;
  readonly limit?: number;
  readonly size?: boolean;
  /** Docker's filter keys (`name`, `status`, `label`, `network`, `publish`, `health`, `exited`, `ancestor`, …) → values. */
  readonly filters: Readonly<Record<string, readonly string[]>>;
}

/** Container life cycle. Errors carry Docker's texts; a reference is an id, a name (with or without slash) or an id prefix. */
export interface Containers {
  create(request: {
    readonly name?: string;
    readonly spec: ContainerSpec;
    readonly networks: readonly ConfiguredNetwork[];
  }): Promise<{ readonly id: Id; readonly warnings: readonly string[] }>;
  list(filter: ContainerFilter): Promise<readonly ContainerView[]>;
  inspect(ref: string, options?: { readonly size?: boolean }): Promise<ContainerView>;
  /** Throws notModified when it already runs. */
  start(ref: string): Promise<void>;
  /** `timeout` in seconds, −1 waits for ever. Throws notModified when it does not run. */
  stop(ref: string, options?: { readonly signal?: string; readonly timeout?: number }): Promise<void>;
  restart(ref: string, options?: { readonly signal?: string; readonly timeout?: number }): Promise<void>;
  kill(ref: string, signal?: string): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  update(
    ref: string,
    change: { readonly resources?: Partial<ResourceOptions>; readonly restart?: RestartPolicy },
  ): Promise<readonly string[]>;
  remove(
    ref: string,
    options?: { readonly force?: boolean; readonly volumes?: boolean; readonly link?: boolean },
  ): Promise<void>;
  prune(keep: (view: ContainerView) => boolean): Promise<{ readonly removed: readonly Id[]; readonly space: number }>;
  /** Resolves the reference at once (so that headers can be flushed), then gives the promise of the exit. */
  wait(
    ref: string,
    condition: WaitCondition,
    signal?: AbortSignal,
  ): Promise<{ readonly exit: Promise<{ readonly exitCode: number; readonly error?: string }> }>;
  resize(ref: string, size: { readonly width: number; readonly height: number }): Promise<void>;
  attach(ref: string, options: AttachOptions): Promise<StreamSession>;
  /** Ends by itself, or with the container when following; `signal` ends it early. */
  logs(ref: string, query: LogQuery, signal?: AbortSignal): Promise<AsyncIterable<LogLine>>;
  top(
    ref: string,
    psArgs?: string,
  ): Promise<{ readonly titles: readonly string[]; readonly processes: readonly (readonly string[])[] }>;
  connect(ref: string, network: string, request: EndpointRequest): Promise<void>;
  disconnect(ref: string, network: string, options: { readonly force: boolean }): Promise<void>;
}

export interface ExecOptions {
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly privileged: boolean;
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly detachKeys?: string;
}

export interface ExecView {
  readonly id: string;
  readonly containerId: Id;
  readonly options: ExecOptions;
  readonly running: boolean;
  readonly exitCode?: number;
  readonly pid: number;
}

export interface Execs {
  create(container: string, options: ExecOptions): Promise<string>;
  /** Attached unless `detach`. */
  start(
    id: string,
    options: {
      readonly detach: boolean;
      readonly tty: boolean;
      readonly size?: { readonly width: number; readonly height: number };
      /** Called when the exec may run, before it does; from then on an attached caller is told of a failure in the output. */
      readonly onAccepted?: () => void;
    },
  ): Promise<StreamSession | undefined>;
  inspect(id: string): ExecView;
  resize(id: string, size: { readonly width: number; readonly height: number }): Promise<void>;
}

export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** Go's os.FileMode bits, as the `X-Docker-Container-Path-Stat` header carries. */
  readonly mode: number;
  readonly mtime: string;
  readonly linkTarget: string;
}

/** Files of a container: `docker cp`, `export`, `diff`, `commit`. */
export interface ContainerFiles {
  stat(ref: string, path: string): Promise<PathStat>;
  /** A tar archive of the path. */
  read(ref: string, path: string): Promise<{ readonly stat: PathStat; readonly archive: Readable }>;
  write(
    ref: string,
    path: string,
    archive: Readable,
    options: { readonly noOverwriteDirNonDir: boolean; readonly copyUidGid: boolean },
  ): Promise<void>;
  export(ref: string): Promise<Readable>;
  changes(ref: string): Promise<readonly { readonly path: string; readonly kind: 0 | 1 | 2 }[]>;
  /** Returns the new image's id. */
  commit(
    ref: string,
    options: {
      readonly repository?: string;
      readonly tag?: string;
      readonly comment: string;
      readonly author: string;
      readonly pause: boolean;
      readonly changes: readonly string[];
    },
  ): Promise<string>;
}

/** One sample of `docker stats`, in Docker's own units; absent members are not known on this cgroup version. */
export interface StatsSample {
  readonly readNanos: bigint;
  readonly pids: { readonly current: number; readonly limit?: number };
  readonly cpu: {
    readonly totalNanos: bigint;
    readonly userNanos: bigint;
    readonly kernelNanos: bigint;
    readonly perCpuNanos?: readonly bigint[];
    readonly systemNanos: bigint;
    readonly onlineCpus: number;
    readonly throttling: {
      readonly periods: bigint;
      readonly throttledPeriods: bigint;
      readonly throttledNanos: bigint;
    };
  };
  readonly memory: {
    readonly usage: bigint;
    readonly maxUsage?: bigint;
    readonly limit: bigint;
    readonly stats: Readonly<Record<string, bigint>>;
  };
  readonly blkio: readonly {
    readonly major: number;
    readonly minor: number;
    readonly op: string;
    readonly value: bigint;
  }[];
  readonly networks: Readonly<Record<string, InterfaceCounters>>;
}

export interface InterfaceCounters {
  readonly rxBytes: bigint;
  readonly rxPackets: bigint;
  readonly rxErrors: bigint;
  readonly rxDropped: bigint;
  readonly txBytes: bigint;
  readonly txPackets: bigint;
  readonly txErrors: bigint;
  readonly txDropped: bigint;
}

export interface ContainerStatistics {
  /** Absent when it does not run. */
  sample(ref: string): Promise<{ readonly view: ContainerView; readonly sample?: StatsSample }>;
}

export interface VolumeView {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
}

export interface Volumes {
  create(request: {
    readonly name?: string;
    readonly driver?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly options?: Readonly<Record<string, string>>;
  }): Promise<VolumeView>;
  list(): Promise<readonly VolumeView[]>;
  /** Throws notFound `get X: no such volume`. */
  inspect(name: string): Promise<VolumeView>;
  /** Container ids that use it, running or not. */
  usedBy(name: string): readonly Id[];
  remove(name: string, options?: { readonly force?: boolean }): Promise<void>;
  prune(
    keep: (volume: VolumeView) => boolean,
  ): Promise<{ readonly removed: readonly string[]; readonly space: number }>;
  /** Bytes on disk. */
  size(name: string): Promise<number>;
}
