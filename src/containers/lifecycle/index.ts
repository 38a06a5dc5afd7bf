// The life of a container: created, started, watched, stopped, restarted, removed, found again by the next daemon. Calls
// for one container run one after the other. What an image, a network or a volume is, is known elsewhere.
export * from './announce.ts';
export * from './creator.ts';
export * from './effective.ts';
export * from './oom.ts';
export * from './remover.ts';
export * from './restarts.ts';
export * from './service.ts';
export * from './signals.ts';
export * from './starter.ts';
export * from './stopper.ts';
export * from './supervisor.ts';
export * from './waits.ts';
