// Containers, as Docker's users know them: images, life cycle, streams, logs, exec, volumes, on containerd and runc.
// The contract is contract.ts and options.ts; createContainers puts the parts together. Knows nothing of HTTP.
export * from './contract.ts';
export * from './create.ts';
export * from './engine.ts';
export * from './events/index.ts';
export * from './options.ts';
