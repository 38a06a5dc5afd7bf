// The slice of containerd that images stand on, and blobs written under a lease until a name holds them. Knows nothing
// of names, archives or registries.
export * from './engine.ts';
export { LeasedBlobs } from './leased.ts';
export * from './stale-leases.ts';
