// Orchestration of the Container Network Model: networks, sandboxes, endpoints, their life cycles, stored so that a restart
// finds them again. Drivers and services are passed in; nothing here knows containers, and nothing but `host/` meets the
// kernel. Everything is validated first, undone when it fails half-way, and journalled against a kill in between.
export type * from './contract.ts';
export { type DefaultRoute, type DefaultRoutes, KernelHost, type SandboxHost } from './host/index.ts';
export { createNetworking, type Networking, type NetworkingDeps, type NetworkingOptions } from './networking.ts';
export type { DefaultBridge } from './predefined.ts';
export type { Reconciler } from './reconcile/index.ts';
