// What is remembered against what the machine has: found, made good by difference, and told. It works for the networks,
// endpoints and sandboxes of `state.ts` alone and tears down nothing that works; what belongs to nobody is removed only
// when it is asked for.
export { Reconciler, type ReconcilerDeps } from './reconciler.ts';
export { knownObjects } from './verify.ts';
export { watchHost } from './watch.ts';
