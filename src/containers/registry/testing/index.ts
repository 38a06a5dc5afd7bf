// For tests only: a registry in memory whose every answer can be changed. Nothing outside tests imports it.
export * from './fake-registry.ts';
export * from './local.ts';
