// Registries by the distribution protocol: pull, push, resolve, login. Writes what it brings into containerd through the
// image store's blobs and leaves naming and unpacking to it. Talks to a registry only when asked to.
export { parseChallenge, type RegistryCredentials } from './credentials.ts';
export { endpointsOf, type RegistryOptions } from './endpoints.ts';
export type { HttpClientOptions } from './http/index.ts';
export { Registry, type RegistryCall, type RegistryDeps, type RemoteDescription } from './registry.ts';
