// Waiting for many descriptors: `Readiness` in a thread of libuv's pool, for the event loop; `EventQueue` in the thread that
// calls, for one that does nothing else.
export * from './event-queue.ts';
export * from './readiness.ts';
