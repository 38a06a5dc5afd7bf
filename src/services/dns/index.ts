// The embedded resolver: the names of a network's endpoints, answered inside every sandbox by a process of its own that
// outlives the daemon, and others asked for the rest. Also resolv.conf, read and written. It must not decide who is on which
// network: it is told.
export * from './host-servers.ts';
export * from './process-resolver.ts';
export * from './resolv-conf.ts';
export * from './sandbox-sockets.ts';
