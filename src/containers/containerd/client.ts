import { isKind, type Log, silentLog } from '../../base/index.ts';
import {
  ContainersService,
  ContentService,
  DiffService,
  EventsService,
  ImagesService,
  LeasesService,
  NamespacesService,
  SnapshotsService,
  TasksService,
} from './services/index.ts';
import { type CallOptions, Channel } from './wire/index.ts';

export interface ContainerdOptions {
  readonly socketPath: string;
  /** containerd's own namespaces: what one makes, the others do not see. Made on connecting. */
  readonly namespace: string;
  /** When absent: overlayfs, or native (whole copies) where the kernel or file system has no overlays. */
  readonly snapshotter?: string;
  readonly log?: Log;
  /** How long to wait for the first answer. */
  readonly connectMs?: number;
}

/** One connection to containerd, in one of its namespaces. */
export class Containerd implements Disposable {
  readonly containers: ContainersService;
  readonly tasks: TasksService;
  readonly snapshots: SnapshotsService;
  readonly content: ContentService;
  readonly images: ImagesService;
  readonly leases: LeasesService;
  readonly diff: DiffService;
  readonly events: EventsService;
  readonly namespaces: NamespacesService;
  readonly #channel: Channel;

  private constructor(channel: Channel, snapshotter: string) {
    this.#channel = channel;
    this.containers = new ContainersService(channel);
    this.tasks = new TasksService(channel);
    this.snapshots = new SnapshotsService(channel, snapshotter);
    this.content = new ContentService(channel);
    this.images = new ImagesService(channel);
    this.leases = new LeasesService(channel);
    this.diff = new DiffService(channel);
    this.events = new EventsService(channel);
    this.namespaces = new NamespacesService(channel);
  }

  /** Throws `unavailable`, naming the socket, when nobody answers there. Later breaks heal by themselves. */
  static async connect(options: ContainerdOptions): Promise<Containerd> {
    const log = options.log ?? silentLog;
    const channel = await Channel.open(options.socketPath, options.namespace);
    try {
      const { version } = await versionOf(channel, { deadlineMs: options.connectMs, graceMs: 0 });
      await new NamespacesService(channel).ensure(options.namespace);
      const snapshotter = options.snapshotter ?? (await usableSnapshotter(channel));
      const { socketPath: socket, namespace } = options;
      log.debug({ socket, namespace, version, snapshotter }, 'connected to containerd');
      return new Containerd(channel, snapshotter);
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  /** Resolves when somebody answers there, and throws as {@link connect} does. */
  static async ping(socketPath: string, deadlineMs: number): Promise<void> {
    const channel = await Channel.open(socketPath, 'default');
    try {
      await versionOf(channel, { deadlineMs, graceMs: 0 });
    } finally {
      channel.close();
    }
  }

  get socketPath(): string {
    return this.#channel.socketPath;
  }

  get namespace(): string {
    return this.#channel.namespace;
  }

  version(deadlineMs?: number): Promise<{ version: string; revision: string }> {
    return versionOf(this.#channel, { deadlineMs });
  }

  close(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function versionOf(channel: Channel, options: CallOptions): Promise<{ version: string; revision: string }> {
  const call = { service: 'version.v1.Version', method: 'Version', what: 'ask containerd for its version' };
  return channel.unary(call, {}, options);
}

/** containerd tries an overlay mount when it starts and does not offer the snapshotter when that fails. */
async function usableSnapshotter(channel: Channel): Promise<string> {
  try {
    await new SnapshotsService(channel, 'overlayfs').list(['name=="none"']);
    return 'overlayfs';
  } catch (error) {
    if (isKind(error, 'unavailable')) throw error;
    return 'native';
  }
}
