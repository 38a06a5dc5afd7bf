// What a thread needs that carries streams and nothing else: a queue of events, connections, pipes. Its own entrance, so that
// such a thread does not load the rest of this layer: 10 MiB of memory, and the time it takes.
export { EventQueue, type EventQueueHandle, type ReadyEvent } from '../ffi/epoll/event-queue.ts';
export { isErrno } from '../ffi/errors.ts';
export type { OwnedFd } from '../ffi/fd.ts';
export { openPipe as makePipe, rawGrowPipe as growPipe, rawSplice as splice } from '../ffi/pipes.ts';
export { acceptStream, connectStream, endStream, resetStream } from '../ffi/stream-sockets.ts';
