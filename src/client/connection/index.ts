// HTTP to one daemon: requests, streams of JSON lines, multiplexed output, connections taken over for raw bytes, and
// failures as typed errors. It knows no path of the API and no version: what a call means is the business of the
// folder above.
export { ConnectionError, isNotFound, ResponseError } from './errors.ts';
export { FrameSplitter, type StreamName } from './frames.ts';
export { type HostAddress, parseHost } from './host.ts';
export { jsonLines } from './json-stream.ts';
export { bodyText, type CallOptions, type Hijacked, type Query, queryText, Transport } from './transport.ts';
