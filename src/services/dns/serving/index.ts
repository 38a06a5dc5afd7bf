// The half of the resolver that runs in a process of its own: zone, servers, hand-over. The daemon's half starts main.ts by
// its path and knows only what both say to each other. It must not load the store or anything above services.
export * from './lines.ts';
export * from './protocol.ts';
