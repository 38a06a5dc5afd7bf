// One class for each service of containerd that we use: typed requests and answers, in containerd's own words. They add
// no policy and keep no state; images and the lifecycle of containers are built on them elsewhere.
export * from './containers.ts';
export * from './content.ts';
export type { Descriptor } from './descriptor.ts';
export * from './diff.ts';
export * from './events.ts';
export * from './images.ts';
export * from './leases.ts';
export type { BlkioEntry, TaskMetrics } from './metrics.ts';
export type { Mount } from './mounts.ts';
export * from './namespaces.ts';
export type { RuncOptions } from './runc-options.ts';
export * from './snapshots.ts';
export * from './tasks.ts';
