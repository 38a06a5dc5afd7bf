// Versioned records by key: in memory, and in an SQLite file (the daemon's default). Every implementation passes
// test/conformance/store-conformance.ts. It must not know what the records mean: no networks, no containers here.
export * from './memory.ts';
export * from './sqlite.ts';
