import type { Clock, Log } from '../base/index.ts';
import type { EventSink, Store } from '../model/index.ts';
import type { Networks, Sandboxes } from '../network/contract.ts';
import type {
  ContainersService,
  DiffService,
  EventsService,
  LeasesService,
  SnapshotsService,
  TasksService,
} from './containerd/index.ts';
import type { ImageStore } from './images/index.ts';
import type { PipeKeeper } from './io/pipe-keeper.ts';
import type { LimitAbilities } from './limits/index.ts';

/** What containers need of containerd. A `Containerd` is one; tests bring their own. */
export interface ContainerEngine {
  readonly containers: Pick<ContainersService, 'create' | 'update' | 'delete' | 'list'>;
  readonly tasks: Pick<
    TasksService,
    | 'create'
    | 'start'
    | 'exec'
    | 'kill'
    | 'wait'
    | 'delete'
    | 'deleteProcess'
    | 'get'
    | 'list'
    | 'resizePty'
    | 'closeStdin'
    | 'pause'
    | 'resume'
    | 'pids'
    | 'update'
    | 'metrics'
  >;
  readonly events: Pick<EventsService, 'subscribe'>;
  readonly snapshots: Pick<SnapshotsService, 'snapshotter' | 'stat' | 'view' | 'remove' | 'mounts'>;
  readonly diff: Pick<DiffService, 'diff'>;
  readonly leases: Pick<LeasesService, 'create' | 'delete'>;
}

/** What containers need of images. */
export type ContainerImages = Pick<
  ImageStore,
  'get' | 'inspect' | 'commit' | 'prepareRootfs' | 'removeRootfs' | 'mountsOf' | 'rootfsSize'
>;

export interface ContainersDeps {
  readonly containerd: ContainerEngine;
  readonly images: ContainerImages;
  readonly networks: Networks;
  readonly sandboxes: Sandboxes;
  readonly store: Store;
  readonly events: EventSink;
  /** Keeps pipes open should we be killed; absent: what is in them then goes with us. */
  readonly keeper?: PipeKeeper;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ContainersOptions {
  /** Logs, `/etc` files and volumes live below it. */
  readonly dataRoot: string;
  /** Named pipes live below it. */
  readonly execRoot: string;
  /** cgroup under which containers are made; `/docker` in Docker's words. */
  readonly cgroupParent?: string;
  /** `json-file` when absent. */
  readonly logDriver?: string;
  /** Options for containers that name no driver of their own. */
  readonly logOptions?: Readonly<Record<string, string>>;
  /** Seconds a stop waits when nobody says otherwise. */
  readonly stopTimeout?: number;
  /** Addresses behind `host-gateway`; absent: the gateways of the network `bridge`. */
  readonly hostGatewayIps?: readonly string[];
  /** The OCI runtime's program and where it keeps its state. */
  readonly runtime?: { readonly program?: string; readonly root?: string };
  /** Bytes of /dev/shm for containers that say nothing. */
  readonly shmSize?: number;
  readonly ipcMode?: string;
  readonly cgroupnsMode?: string;
  /** A file of JSON, `builtin` or `unconfined`. */
  readonly seccompProfile?: string;
  readonly noNewPrivileges?: boolean;
  /** `--init` for containers that say nothing. */
  readonly init?: boolean;
  /** What the control groups can do; absent: the machine is asked. */
  readonly limits?: LimitAbilities;
  /** The program for it; absent: the first known one. */
  readonly initPath?: string;
  readonly defaultUlimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
}

/** Where the files of one container are. */
export function containerFolder(options: Pick<ContainersOptions, 'dataRoot'>, id: string): string {
  return `${options.dataRoot}/containers/${id}`;
}

export function pipeFolder(options: Pick<ContainersOptions, 'execRoot'>, id: string): string {
  return `${options.execRoot}/containers/${id}`;
}

export function logPath(options: Pick<ContainersOptions, 'dataRoot'>, id: string, driver: string): string {
  const folder = containerFolder(options, id);
  return driver === 'local' ? `${folder}/local-logs/container.log` : `${folder}/${id}-json.log`;
}
