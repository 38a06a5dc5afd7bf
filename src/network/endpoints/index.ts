// Endpoints of sandboxes: addresses, attaching and detaching, and what follows from all of them together (default routes,
// published ports, packet filter entries, names). The rules are pure functions; `Attacher` and `Wiring` carry them out and
// undo them. It must not order calls among each other: whoever calls holds the sandbox's turn.
export { AddressBook, type ReservedAddress } from './addresses.ts';
export { Attacher, type AttacherDeps, driverOf, namespaceName } from './attacher.ts';
export { defaultRoutes, gatewayOrder, selectGateways } from './gateways.ts';
export { guardsOf } from './guards.ts';
export { dhcpTimeoutSeconds, isLent, LentAddresses, type LentAddressesDeps, withLease } from './lent.ts';
export { flowsOf } from './stale-flows.ts';
export { dnsEndpoint, dnsView, sandboxResolvConf } from './views.ts';
export { WayOut } from './way-out.ts';
export { Wiring, type WiringDeps, withPorts } from './wiring.ts';
