/** Somebody outside of this process who has descriptors open, so that what is in pipes outlives us. */
export interface PipeKeeper {
  /** From now on until {@link forget}, or until the keeper itself is told to end. */
  keep(owner: string, descriptors: readonly number[]): void;
  /** Repeatable. */
  forget(owner: string): void;
}
