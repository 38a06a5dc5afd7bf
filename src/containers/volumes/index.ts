// Volumes and mounts of containers on the host side: the `local` driver, anonymous volumes, filling from the image, the
// order of sources. Never mounts anything inside a container; runc does that.
export * from './mount-options.ts';
export * from './mounter.ts';
export * from './plan.ts';
export * from './populate.ts';
export * from './shared-memory.ts';
export { Subpaths } from './subpaths.ts';
export * from './volumes.ts';
