// An etcd of the cluster's own: its authority and certificates, the member that this node runs, the token by which others
// join, and what of that is remembered. It must not know what the store is used for.
export { type Credentials, issue, makeAuthority } from './certificates.ts';
export {
  type InitRequest,
  type JoinClusterRequest,
  ManagedCluster,
  type ManagedClusterOptions,
  type ManagedStatus,
} from './managed-cluster.ts';
