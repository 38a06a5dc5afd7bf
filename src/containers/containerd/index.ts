// containerd as we use it: a typed client of its gRPC services, and a private daemon of our own for machines where none
// is configured. Speaks containerd's words (task, snapshot, content, lease); must not know Docker's, nor networks.
export * from './client.ts';
export { ContainerdDaemon, type ContainerdDaemonOptions } from './daemon.ts';
export * from './services/index.ts';
export { endForgottenShims, type ForgottenShimOptions } from './shims.ts';
export { ContainerdError } from './wire/index.ts';
