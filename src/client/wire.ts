/** What the Engine API sends and takes for networks, images, volumes and the daemon, as far as this client uses it. */
export interface IpamConfig {
  Subnet?: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

export interface NetworkSummary {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Scope: string;
  readonly Driver: string;
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6: boolean;
  readonly Internal: boolean;
  readonly Labels: Readonly<Record<string, string>> | null;
}

export interface CreateNetwork {
  readonly Name: string;
  readonly Driver: string;
  readonly Scope?: string;
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigOnly: boolean;
  readonly ConfigFrom?: { readonly Network: string };
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6?: boolean;
  readonly IPAM: {
    readonly Driver: string;
    readonly Options: Readonly<Record<string, string>>;
    readonly Config: readonly IpamConfig[];
  };
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

export interface ImageSummary {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize?: number;
  readonly Containers?: number;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

export interface ImageDeletion {
  readonly Untagged?: string;
  readonly Deleted?: string;
}

export interface HistoryEntry {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Tags: readonly string[] | null;
  readonly Size: number;
  readonly Comment: string;
}

/** One message of a stream of progress: pull, push, load, import. */
export interface Progress {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progress?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string; readonly code?: number };
  readonly aux?: unknown;
}

export interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly Scope: string;
  readonly CreatedAt?: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly UsageData?: { readonly Size: number; readonly RefCount: number } | null;
}

export interface CreateVolume {
  readonly Name?: string;
  readonly Driver: string;
  readonly DriverOpts: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

export interface EventMessage {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> | null };
  readonly scope?: string;
  readonly time: number;
  readonly timeNano: number;
}

export interface VersionInfo {
  readonly Platform?: { readonly Name: string };
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion?: string;
  readonly GitCommit?: string;
  readonly GoVersion?: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion?: string;
  readonly BuildTime?: string;
  readonly Experimental?: boolean;
  readonly Components?: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details?: Readonly<Record<string, string>> | null;
  }[];
}

export interface DiskUsage {
  readonly LayersSize?: number;
  readonly Images: readonly ImageSummary[] | null;
  readonly Containers:
    | readonly {
        readonly Id: string;
        readonly Names: readonly string[];
        readonly Image: string;
        readonly Command: string;
        readonly Created: number;
        readonly Status: string;
        readonly State: string;
        readonly SizeRw?: number;
        readonly Mounts?: readonly { readonly Type?: string }[] | null;
      }[]
    | null;
  readonly Volumes: readonly Volume[] | null;
  readonly BuildCache?: readonly { readonly Size?: number; readonly InUse?: boolean }[] | null;
}

export type Filters = Readonly<Record<string, readonly string[]>>;

/** One difference between what the daemon remembers and what the machine has. */
export interface Drift {
  readonly Kind: string;
  readonly Problem: 'missing' | 'different' | 'orphan';
  readonly Object: string;
  readonly Detail: string;
  readonly NetworkID: string;
  readonly EndpointID: string;
  readonly ContainerID: string;
}

export interface Reconciliation {
  readonly Done: readonly Drift[];
  readonly Failed: readonly (Drift & { readonly Reason: string })[];
}

/** A cluster as the daemon's host sees it. */
export interface ClusterInfo {
  readonly Kind: 'none' | 'external' | 'managed';
  readonly Endpoints: readonly string[];
  readonly AdvertiseAddr: string;
  readonly Manager: boolean;
  readonly Reachable: boolean;
  readonly Problem: string;
  readonly Members: readonly { readonly ID: string; readonly Name: string; readonly Endpoints: readonly string[] }[];
  readonly Nodes: readonly {
    readonly ID: string;
    readonly Name: string;
    readonly Address: string;
    readonly Alive: boolean;
    readonly Self: boolean;
    readonly Manager: boolean;
  }[];
}
