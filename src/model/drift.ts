import type { Id } from '../base/index.ts';

/** What an object is, in the words of `ip` and `nft`. */
export type DriftKind =
  | 'namespace'
  | 'link'
  | 'address'
  | 'route'
  | 'neighbour'
  | 'forwarding'
  | 'sysctl'
  | 'rules'
  | 'port'
  | 'container'
  | 'files';

/**
 * One difference between what is remembered and what the machine has.
 *
 * `missing`: remembered and not there. `different`: there, but not as it was made. `orphan`: ours by its mark, and nothing
 * remembered belongs to it. The first two are for repair, the last is for garbage collection.
 */
export interface Drift {
  readonly kind: DriftKind;
  readonly problem: 'missing' | 'different' | 'orphan';
  /** By which it is found: `br-0123456789ab`, `172.18.0.1/16 on br-0123456789ab`. */
  readonly object: string;
  /** What is there and what should be, where the problem alone does not say it. */
  readonly detail?: string;
  readonly networkId?: Id;
  readonly endpointId?: Id;
  /** Container id. */
  readonly ownerId?: Id;
}

/** What a repair or a collection came to. */
export interface Reconciliation {
  readonly done: readonly Drift[];
  /** What was found and could not be made good, with the reason. */
  readonly failed: readonly (Drift & { readonly reason: string })[];
}

/** Something that knows what should be, and can make it so. All three may be called at any time, and again. */
export interface Reconciling {
  /** What is not as it should be; touches nothing. */
  verify(): Promise<readonly Drift[]>;
  /** Makes good what is missing or different, by difference; what works is not touched, and orphans stay. */
  repair(): Promise<Reconciliation>;
  /** Removes orphans. */
  collect(): Promise<Reconciliation>;
}
