// The embedded resolver: the names of a network's endpoints, answered inside every sandbox by a worker thread, and others
// asked for the rest. Also resolv.conf, read and written. It must not decide who is on which network: it is told.
export * from './host-servers.ts';
export * from './resolv-conf.ts';
export * from './resolver.ts';
export * from './sandbox-sockets.ts';
