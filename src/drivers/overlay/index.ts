// Overlay networks: a bridge and a VXLAN link for each network on each node that has endpoints on it, and in the kernel's
// tables where the endpoints of other nodes are. It is told of these and asks nobody; it must not allocate, store, or
// decide which nodes are trusted: that is said by firewall entries.
export { OverlayDriver, type OverlayDriverDeps, type OverlayDriverOptions } from './driver.ts';
