// For tests only: a private containerd in a temporary folder.
export * from './private.ts';
