// Versioned records that several nodes share, in etcd by its v3 protocol (gRPC): the ClusterStore of a daemon in a cluster.
// Knows nothing of what the records mean; nothing outside this folder speaks to etcd.

export { EtcdAdmin, type EtcdMemberInfo } from './admin.ts';
export type * from './options.ts';
export { EtcdStore, type EtcdStoreDeps } from './store.ts';
