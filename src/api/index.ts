// Docker's Engine API, 1.24 to 1.51: HTTP in, one call into the engine, JSON out. Texts and statuses that clients match are
// made here and nowhere else; the rules of networks and containers are not here.
export type * from './cluster.ts';
export * from './deps.ts';
export type {
  ContainerSummaryWire,
  ContainerWire,
  ImageSummaryWire,
  ImageWire,
  NetworkWire,
  VolumeWire,
} from './encode/index.ts';
export { HttpApi, MAX_VERSION, MIN_VERSION, versionText } from './http/index.ts';
export { type ApiServerOptions, apiRoutes, createApiServer } from './server.ts';
