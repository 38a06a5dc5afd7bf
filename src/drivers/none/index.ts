// No network at all: the sandbox keeps its loopback. It must not grow options: whoever
// wants some wants a bridge.
export { NoneDriver } from './driver.ts';
