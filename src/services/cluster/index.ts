// One node's part in a cluster: networks, addresses and endpoints of global scope as records of a store that the nodes share.
// It must not know what a network is in the kernel, and it decides nothing but by compare-and-swap. Time is passed in.
export { StoreCluster, type StoreClusterDeps, type StoreClusterOptions } from './cluster.ts';
export { DEFAULT_GLOBAL_POOLS } from './pools.ts';
