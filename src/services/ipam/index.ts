// Addresses: which subnets networks get and which addresses endpoints get. All in memory, synchronous and atomic; the
// owner rebuilds it from its records. It must not look at the host: what to stay clear of is told by the caller.
export * from './defaults.ts';
export * from './interval-set.ts';
export * from './ipam.ts';
export { PoolAddresses, spanOf } from './pool.ts';
export * from './validate.ts';
