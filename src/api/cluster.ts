/** A cluster as its operator sees it. Plain data. */
export interface ClusterStatus {
  /** `external`: its store is somebody else's (`--cluster-store`); `managed`: its own (`fairway cluster`). */
  readonly kind: 'none' | 'external' | 'managed';
  /** `host:port` of the store's members. */
  readonly endpoints: readonly string[];
  /** Where other nodes reach this one; empty without a cluster. */
  readonly advertise: string;
  /** Whether this node runs a member of the store. */
  readonly manager: boolean;
  readonly reachable: boolean;
  /** Why the store is not reachable, or the cluster not usable; empty: it is. */
  readonly problem: string;
  readonly members: readonly { readonly id: string; readonly name: string; readonly endpoints: readonly string[] }[];
  readonly nodes: readonly ClusterNodeStatus[];
}

export interface ClusterNodeStatus {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly alive: boolean;
  readonly self: boolean;
  readonly manager: boolean;
}

/** What the API asks of the cluster of this node. */
export interface ApiCluster {
  status(): Promise<ClusterStatus>;
  /** `advertise`: an address or a link; absent: the only one of the host. Returns the token by which others join. */
  init(request: { readonly advertise?: string; readonly port?: number }): Promise<string>;
  join(request: {
    readonly token: string;
    readonly manager: boolean;
    readonly advertise?: string;
    readonly port?: number;
  }): Promise<void>;
  leave(options: { readonly force: boolean }): Promise<void>;
  token(): Promise<string>;
}
