// Kinds of networks: what they make on the host and inside a sandbox, behind the contract `NetworkDriver` of model/. A
// driver allocates no addresses, applies no packet filter, and stores nothing; it undoes its own work when it fails and
// marks its links, so that leftovers are found. To add one: a folder with options, plan and driver, and a line here.
export { macOfAddress } from './address-mac.ts';
export * from './bridge/index.ts';
export { DiscardedLinks, type DiscardedLinksDeps } from './discarded-links.ts';
export * from './host/index.ts';
export * from './ipvlan/index.ts';
export * from './macvlan/index.ts';
export * from './none/index.ts';
export * from './overlay/index.ts';
export { ParentLinks } from './parent/index.ts';
export * from './transparent/index.ts';
