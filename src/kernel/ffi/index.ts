// libc through koffi: the few system calls Node lacks, owned file descriptors, errors by errno name. Every pointer that
// crosses the border is a buffer this folder made or measured; nothing outside it may load a library or hold an address.
export * from './constants.ts';
export * from './epoll/index.ts';
export * from './errors.ts';
export * from './fd.ts';
export * from './files.ts';
export * from './libnftables.ts';
export * from './message-headers.ts';
export * from './pipes.ts';
export * from './process.ts';
export * from './socket-address.ts';
export * from './sockets.ts';
export * from './stream-sockets.ts';
export * from './x32.ts';
