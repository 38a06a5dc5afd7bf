// Versioned records by key: in memory, in an SQLite file (the daemon's own), and in etcd (a cluster's). Every implementation
// passes test/conformance/store-conformance.ts. It must not know what the records mean: no networks, no containers here.
export * from './etcd/index.ts';
export * from './memory.ts';
export * from './memory-cluster.ts';
export * from './sqlite.ts';
