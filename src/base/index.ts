// Pure values and helpers: errors, addresses, ids, undo, order, time, backoff, log. Imports nothing of ours and does no I/O;
// a thing belongs here only when two layers that may not see each other need it.
export * from './backoff.ts';
export * from './clock.ts';
export * from './emitter.ts';
export * from './errors.ts';
export * from './http.ts';
export * from './id.ts';
export * from './ip.ts';
export * from './log.ts';
export * from './mac.ts';
export * from './names.ts';
export * from './rollback.ts';
export * from './serial.ts';
