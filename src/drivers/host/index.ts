// The host's own network: nothing is made, nothing is published. It must not grow options: whoever
// wants some wants a bridge.
export { HostDriver } from './driver.ts';
