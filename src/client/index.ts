// A typed client of the Engine API over a unix socket or TCP: calls, streams of JSON, and connections taken over for
// raw bytes. It agrees on the API's version with the daemon's first answer. It must not print, read the environment
// or know a terminal: that is cli's.
export { Client } from './client.ts';
export type { ClusterPlace } from './cluster.ts';
export {
  ConnectionError,
  FrameSplitter,
  type Hijacked,
  type HostAddress,
  isNotFound,
  parseHost,
  type Query,
  ResponseError,
  type StreamName,
} from './connection/index.ts';
export type { AttachContainer, CreatedContainer, ListContainers } from './containers.ts';
export { CLIENT_API_VERSION, type PingResult } from './session.ts';
export type * from './wire.ts';
export type * from './wire-containers.ts';
