import { hostname } from 'node:os';
import { type Clock, conflict, type Id, type Log } from './base/index.ts';
import { type DiscardedLinks, OverlayDriver } from './drivers/index.ts';
import type { ClusterOptions } from './engine-cluster-options.ts';
import type { Rtnl } from './kernel/index.ts';
import type { NetworkDriver, Store } from './model/index.ts';
import { StoreCluster } from './services/cluster/index.ts';
import { CurrentEncryption, NodeEncryption } from './services/encryption/index.ts';
import { EtcdStore } from './store/index.ts';

export interface ClusterLinkDeps {
  readonly id: Id;
  /** Of this node alone. */
  readonly store: Store;
  readonly rtnl: Rtnl;
  readonly discarded: DiscardedLinks;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ClusterLinkOptions {
  /** Whether networks turn forwarding on. */
  readonly ipForward: boolean;
  /** UDP port of VXLAN. */
  readonly dataPort: number;
}

/** Frames of encrypted networks go by a UDP port of their own, by which the kernel tells them: the one after the data port. */
const ENCRYPTED_AFTER = 1;

interface Opened {
  readonly options: ClusterOptions;
  readonly cluster: StoreCluster;
  readonly parts: AsyncDisposableStack;
}

/**
 * What a daemon has while it is in a cluster: the connection to its store, this node's part in it, and keys. The driver of networks
 * between nodes is there always, since it takes away what an earlier daemon has left; without a cluster nobody gives it networks.
 */
export class ClusterLink {
  readonly driver: NetworkDriver;
  readonly #deps: ClusterLinkDeps;
  readonly #encryption: CurrentEncryption;
  #opened: Opened | undefined;

  constructor(deps: ClusterLinkDeps, { ipForward, dataPort }: ClusterLinkOptions) {
    this.#deps = deps;
    const { rtnl, discarded, log } = deps;
    this.#encryption = new CurrentEncryption({ log }, { port: dataPort + ENCRYPTED_AFTER });
    const underlay = () => this.#opened?.options.dataPath.address;
    this.driver = new OverlayDriver(
      { rtnl, discarded, underlay, encryption: this.#encryption, log },
      { dataPort, ipForward },
    );
  }

  /** Undefined: in none. */
  get cluster(): StoreCluster | undefined {
    return this.#opened?.cluster;
  }

  get options(): ClusterOptions | undefined {
    return this.#opened?.options;
  }

  /** Asks nobody yet. Undone by {@link close}. */
  async open(options: ClusterOptions): Promise<StoreCluster> {
    if (this.#opened !== undefined) throw conflict('cluster_exists', 'this node is in a cluster already');
    const { id, store: local, clock, log } = this.#deps;
    const { address } = options.dataPath;
    await using parts = new AsyncDisposableStack();
    const store = await EtcdStore.open(options.store, { clock, log });
    parts.defer(() => store.close());
    const cluster = new StoreCluster(
      { store, local, clock, log },
      {
        self: { id, name: hostname(), address },
        presenceSeconds: options.presenceSeconds,
        heartbeatSeconds: options.heartbeatSeconds,
      },
    );
    parts.defer(() => cluster.close());
    const encryption = new NodeEncryption(
      { store, self: { id, address: () => address }, claim: () => cluster.claim(), clock, log },
      { port: this.#encryption.port },
    );
    parts.defer(() => encryption.close());
    this.#encryption.begin(encryption);
    parts.defer(() => this.#encryption.end());
    this.#opened = { options, cluster, parts: parts.move() };
    return cluster;
  }

  /** Leaves what is in the kernel as it is. Repeatable. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.parts.disposeAsync();
  }
}
