// Container logs on disk in Docker's json-file format: written with limits and rotation, read from either end, followed.
// Knows nothing of processes and clients.
export * from './attributes.ts';
export * from './entry.ts';
export * from './options.ts';
export * from './reader.ts';
export * from './writer.ts';
