// What the packet filter cannot do: carry connections between IPv6 addresses of the host and containers with IPv4 only (and
// the other way round), and from ::1, in a thread of this process and inside the kernel. Everything else is translated by the
// packet filter; nothing else may go through here.
export type { BoundDescriptor } from './endpoints.ts';
export { SplicingPortRelay, type SplicingPortRelayDeps } from './splicing-port-relay.ts';
