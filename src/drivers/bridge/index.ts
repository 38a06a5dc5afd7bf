// Bridge networks: options from labels, a pure plan, and the driver that carries it out. It must not decide which
// packets pass: that is said by firewall entries, and applied by whoever orchestrates.
export { BridgeDriver, type BridgeDriverDeps, type BridgeDriverOptions } from './driver.ts';
