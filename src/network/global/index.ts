// Networks of global scope on this host: the cluster's list of them, claims of addresses, making one in the kernel for as long
// as endpoints of this host are on it, and what is told of other hosts' endpoints; all of it begins and ends while the rest goes on
// (`ClusterScope`). It must not know how the cluster agrees.
export { clusterEndpoint, GlobalEndpoints, type GlobalJoin } from './endpoints.ts';
export { KnownNodes } from './nodes.ts';
export { OurPart } from './part.ts';
export { Presence, withState } from './presence.ts';
export { ClusterScope } from './scope.ts';
