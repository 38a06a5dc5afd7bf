// The only code that meets Linux: system calls, rtnetlink, network namespaces, nftables, sysctl, mounts. It knows links,
// addresses and namespaces and no container words; it holds no state of its own, and all of it but `Readiness` is synchronous.
// It must not decide anything: whoever calls has validated, planned and brings the undo.

export * from './announce.ts';
export * from './conntrack.ts';
export * from './datagram-batch.ts';
export * from './descriptor-queue.ts';
export * from './descriptors.ts';
export * from './features.ts';
export {
  duplicateFd,
  errnoName,
  giveBackMemory,
  isErrno,
  localPort,
  O_PATH,
  OwnedFd,
  openFdCount,
  Readiness,
  type ReadinessWatch,
  SystemError,
  servesX32,
  startThreadPool,
} from './ffi/index.ts';
export * from './files/index.ts';
export * from './limits.ts';
export * from './mount.ts';
export {
  type Address,
  type AddressOptions,
  type BridgePortSettings,
  type BridgeSpec,
  type FdbEntry,
  type FdbSpec,
  type IpvlanFlag,
  type IpvlanMode,
  type IpvlanSpec,
  isLinkName,
  type Link,
  type LinkChange,
  type LinkDetails,
  type LinkSpec,
  type LinkStatistics,
  type MacvlanMode,
  type MacvlanSpec,
  type MonitorGroup,
  type MonitorOptions,
  type Neighbour,
  type NeighbourSpec,
  type NeighbourState,
  NetlinkError,
  type Route,
  type RouteSpec,
  type RouteType,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
  Rtnl,
  type RtnlEvent,
  RtnlMonitor,
  type Scope,
  type VethSpec,
  type VlanSpec,
  type VrfSpec,
  type VxlanSpec,
} from './netlink/index.ts';
export * from './netns/index.ts';
export * from './nftables/index.ts';
export * from './packet-socket.ts';
export * from './priority.ts';
export * from './sockets.ts';
export * from './sysctl.ts';
export * from './xfrm/index.ts';
