// rtnetlink: links, addresses, routes, neighbours and forwarding entries of one network namespace, by our own codec and
// without waiting (the kernel answers within the call). It changes what it is told to and decides nothing.
export * from './addresses.ts';
export * from './batch.ts';
export * from './bridge-port.ts';
export {
  type Attributes,
  type Message,
  MessageWriter,
  MulticastSocket,
  NetlinkError,
  NetlinkSocket,
  readAttributes,
  readMessages,
} from './core/index.ts';
export * from './fdb.ts';
export type { Link, LinkDetails, LinkStatistics } from './link-decode.ts';
export * from './link-kinds.ts';
export * from './links.ts';
export * from './monitor.ts';
export * from './neighbours.ts';
export * from './routes.ts';
export * from './rtnl.ts';
