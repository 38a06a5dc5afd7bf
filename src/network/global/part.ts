import type { Cluster } from '../../model/index.ts';
import type { GlobalNetworkList } from './networks.ts';
import type { RemoteEndpoints } from './remote-endpoints.ts';

/** What there is while this host is in a cluster. */
export interface ClusterPart {
  readonly cluster: Cluster;
  readonly networks: GlobalNetworkList;
  readonly remote: RemoteEndpoints;
}

/** This host's part in a cluster as it is now; a host goes in and out of one while its containers run. No I/O. */
export class OurPart {
  /** Undefined: this host is in no cluster. */
  now: ClusterPart | undefined;
  /** Nobody joins a network of the cluster any more. */
  leaving = false;

  get cluster(): Cluster | undefined {
    return this.now?.cluster;
  }
}
