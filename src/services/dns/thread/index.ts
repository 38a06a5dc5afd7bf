// The half of the resolver that runs in the worker thread: wire format, zone, servers, forwarding. Only types are for the
// other half, which starts worker.ts by its path. It must not load the kernel layer or the store.
export type * from './protocol.ts';
export type { Transport } from './responder.ts';
