// The harness of the end-to-end tests: a LAN without a way out, hosts on it, a daemon in a host, the clients people use, and
// snapshots that show what was left behind. Knows Fairway only by its command lines and its socket.
export * from './api.ts';
export * from './cluster.ts';
export * from './containerd-faults.ts';
export * from './daemon.ts';
export * from './dhcp-server.ts';
export * from './dockerd.ts';
export * from './engine.ts';
export * from './etcd.ts';
export * from './eventually.ts';
export * from './firewalld.ts';
export * from './host.ts';
export * from './lan.ts';
export * from './probe-names.ts';
export * from './registry.ts';
export * from './router-advertisement.ts';
export * from './run.ts';
export * from './snapshot.ts';
