// Containers as data: what is stored of each, who holds which name, how a reference finds one. No process, mount or
// network is touched here.
export * from './container.ts';
export * from './random-name.ts';
export * from './record.ts';
export * from './registry.ts';
