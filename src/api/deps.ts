import type { Clock, Log } from '../base/index.ts';
import type { ContainerFiles, ContainerStatistics, Containers, Execs, Volumes } from '../containers/contract.ts';
import type { ImageStore, Progress } from '../containers/images/index.ts';
import type { EngineEvent, Reconciling } from '../model/index.ts';
import type { Networks } from '../network/contract.ts';
import type { ApiCluster } from './cluster.ts';

/** What the API asks of images on this machine; {@link ImageStore} gives it. */
export type ApiImages = Pick<
  ImageStore,
  'inspect' | 'list' | 'history' | 'load' | 'import' | 'save' | 'tag' | 'remove' | 'prune'
>;

export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly serverAddress?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

/** Images of other machines. Absent: pulling and pushing answer with a clear error. */
export interface ApiRegistry {
  /** `reference` with its tag or digest, or without for all tags. What `docker pull` prints goes to `progress`. */
  pull(
    reference: string,
    options: {
      readonly platform?: string;
      readonly allTags?: boolean;
      readonly auth?: RegistryAuth;
      readonly progress: Progress;
      readonly signal: AbortSignal;
    },
  ): Promise<void>;
  push?(
    reference: string,
    options: {
      readonly platform?: string;
      readonly auth?: RegistryAuth;
      readonly progress: Progress;
      readonly signal: AbortSignal;
    },
  ): Promise<void>;
  /** Checks credentials; resolves to the status text. */
  login?(auth: RegistryAuth): Promise<string>;
  /** The manifest's descriptor and platforms, for `GET /distribution/{name}/json`. */
  describe?(
    reference: string,
    auth?: RegistryAuth,
  ): Promise<{
    readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
    readonly platforms: readonly { readonly os: string; readonly architecture: string; readonly variant?: string }[];
  }>;
}

/** The last events and those to come. */
export interface ApiEvents {
  /** Remembered events, oldest first, both ends inclusive. */
  between(since: bigint | undefined, until: bigint | undefined): readonly EngineEvent[];
  /** Every event from now on. Returns the unsubscription. */
  subscribe(listener: (event: EngineEvent) => void): () => void;
}

/** What `/info` and `/version` tell of the daemon; asked anew for every request, so a reload shows. */
export interface EngineFacts {
  readonly id: string;
  readonly version: string;
  readonly gitCommit: string;
  /** RFC 3339. */
  readonly buildTime: string;
  readonly dataRoot: string;
  readonly storageDriver: string;
  readonly loggingDriver: string;
  readonly cgroupDriver: string;
  readonly cgroupVersion: '1' | '2';
  /** What its control groups can enforce. */
  readonly limits: {
    readonly memory: boolean;
    readonly swap: boolean;
    readonly oomKillDisable: boolean;
    readonly pids: boolean;
    readonly cpuShares: boolean;
    readonly cpuCfs: boolean;
    readonly cpuset: boolean;
  };
  readonly debug: boolean;
  readonly experimental: boolean;
  readonly liveRestore: boolean;
  readonly labels: readonly string[];
  readonly networkDrivers: readonly string[];
  readonly addressPools: readonly { readonly base: string; readonly size: number }[];
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly proxies: { readonly http?: string; readonly https?: string; readonly none?: string };
  readonly ipv4Forwarding: boolean;
  readonly containerd: { readonly address: string; readonly version: string; readonly namespace: string };
  /** Where networks of several hosts are kept, and where others reach this one. */
  readonly cluster?: { readonly store: string; readonly advertise: string };
  readonly runcVersion: string;
  readonly securityOptions: readonly string[];
  readonly warnings: readonly string[];
}

/** The slices of the engine that the API serves. */
export interface ApiDeps {
  readonly networks: Networks;
  readonly containers: Containers;
  readonly execs: Execs;
  readonly files: ContainerFiles;
  readonly statistics: ContainerStatistics;
  readonly volumes: Volumes;
  readonly images: ApiImages;
  readonly registry?: ApiRegistry;
  readonly events: ApiEvents;
  readonly reconciling: Reconciling;
  /** Absent: this engine knows no clusters. */
  readonly cluster?: ApiCluster;
  readonly facts: () => EngineFacts | Promise<EngineFacts>;
  readonly clock?: Clock;
  readonly log?: Log;
}
