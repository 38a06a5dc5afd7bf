import type { Id } from '../base/index.ts';

/**
 * Encryption between the nodes of a cluster, for networks that ask for it: frames to {@link port} of another node leave as ESP
 * (AES-256-GCM) or not at all, and are taken from ESP alone. It speaks of hosts, not of networks: one pair of keys for each
 * two nodes and direction, from a ring in the cluster's store.
 */
export interface UnderlayEncryption {
  /** UDP port of the VXLAN links of encrypted networks, on every node; no other network's links are on it. */
  readonly port: number;
  /** What of the underlay's MTU it takes at most, beside what VXLAN takes. Bytes. */
  readonly overhead: number;
  /** Touches nothing. Throws an UnsupportedError that names what this kernel lacks. */
  requireSupport(): void;
  /**
   * Before the network's link is made. From now on nothing passes {@link port} in clear; resolves when other nodes can be told
   * from this one's keys. Repeatable. Throws an UnsupportedError, unavailable `store_unreachable`.
   */
  hold(networkId: Id): Promise<void>;
  /**
   * As {@link hold}, for a network that was there before the daemon started, or whose underlay address has changed: waits for
   * nothing, and what is in the kernel goes on working until the store is there.
   */
  restore(networkId: Id): void;
  /** After the network's link is gone; the last one takes everything away. Repeatable. */
  release(networkId: Id): Promise<void>;
  /** After a restart, when every network that is still there was restored: takes away what belongs to none. Repeatable. */
  sweep(): Promise<void>;
}
