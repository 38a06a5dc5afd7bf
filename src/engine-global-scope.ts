import { hostname } from 'node:os';
import type { Clock, Id, Log } from './base/index.ts';
import { type DiscardedLinks, OverlayDriver } from './drivers/index.ts';
import type { ClusterOptions } from './engine-cluster-options.ts';
import type { Rtnl } from './kernel/index.ts';
import type { Cluster, NetworkDriver, Store } from './model/index.ts';
import { StoreCluster } from './services/cluster/index.ts';
import { NodeEncryption } from './services/encryption/index.ts';
import { EtcdStore } from './store/index.ts';

export interface GlobalScopeDeps {
  readonly id: Id;
  /** Of this node alone. */
  readonly store: Store;
  readonly rtnl: Rtnl;
  readonly discarded: DiscardedLinks;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether networks turn forwarding on. */
  readonly ipForward: boolean;
}

/** What a daemon has more when it is in a cluster. */
export interface GlobalScope {
  readonly cluster: Cluster;
  readonly drivers: readonly NetworkDriver[];
}

/** Frames of encrypted networks go by a UDP port of their own, by which the kernel tells them: the one after the data port. */
const ENCRYPTED_AFTER = 1;

/** The cluster's store, this node's part in it, and the driver of networks between nodes. Asks nobody yet. */
export async function openGlobalScope(
  options: ClusterOptions,
  { id, store: local, rtnl, discarded, clock, log, ipForward }: GlobalScopeDeps,
  undo: AsyncDisposableStack,
): Promise<GlobalScope> {
  const { address, port } = options.dataPath;
  const store = await EtcdStore.open(options.store, { clock, log });
  undo.defer(() => store.close());
  const cluster = new StoreCluster(
    { store, local, clock, log },
    {
      self: { id, name: hostname(), address },
      presenceSeconds: options.presenceSeconds,
      heartbeatSeconds: options.heartbeatSeconds,
    },
  );
  undo.defer(() => cluster.close());
  const encryption = new NodeEncryption(
    { store, self: { id, address: () => address }, claim: () => cluster.claim(), clock, log },
    { port: port + ENCRYPTED_AFTER },
  );
  undo.defer(() => encryption.close());
  const overlay = new OverlayDriver(
    { rtnl, discarded, underlay: () => address, encryption, log },
    { dataPort: port, ipForward },
  );
  return { cluster, drivers: [overlay] };
}
