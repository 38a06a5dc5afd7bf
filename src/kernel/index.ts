// The only code that meets Linux: system calls, rtnetlink, network namespaces, nftables, sysctl, mounts. It knows links,
// addresses and namespaces and no container words; it holds no state of its own, and all of it is synchronous. It must
// not decide anything: whoever calls has validated, planned and brings the undo.

export * from './announce.ts';
export { errnoName, isErrno, localPort, OwnedFd, openFdCount, SystemError, startThreadPool } from './ffi/index.ts';
export * from './mount.ts';
export * from './netlink/index.ts';
export * from './netns/index.ts';
export * from './nftables/index.ts';
export * from './sockets.ts';
export * from './sysctl.ts';
