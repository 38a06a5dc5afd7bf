// Ports of the host, held for containers by bound sockets that receive nothing: packets are translated before they arrive
// (or relayed, by whoever takes the socket over). Knows which port is whose, chooses free ones, speaks Docker's errors. It
// must not touch the packet filter.
export { type EphemeralPorts, type PortRange, readEphemeralPorts } from './ephemeral.ts';
export { bindFailed, type HostPort } from './errors.ts';
export { type BoundSocket, HostPortAllocator, type HostPortDeps, hostPortDeps } from './host-port-allocator.ts';
