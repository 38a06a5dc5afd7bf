// The nouns of the Container Network Model and the contracts that layers meet at: drivers, address management, store,
// firewall, resolver. Pure data and pure rules; no I/O, no kernel words. The contract here is the documentation.
export * from './cluster.ts';
export * from './cluster-store.ts';
export * from './drift.ts';
export * from './driver.ts';
export * from './encryption.ts';
export * from './endpoint.ts';
export * from './event.ts';
export * from './firewall.ts';
export * from './lease.ts';
export * from './marks.ts';
export * from './network.ts';
export * from './services.ts';
export * from './store.ts';
