// For tests only: image archives made in memory, and an engine without containerd. Nothing outside tests imports it.
export * from './archives.ts';
export * from './fake-engine.ts';
