// Transparent networks: containers on the host's own physical network, by a bridge that takes the place of one of its
// links with all of its addresses and routes. What was the link's is given back to it exactly when the network goes; it
// must never be lost in between, however a daemon ends. Ports are not published here.
export { TransparentDriver, type TransparentDriverDeps } from './driver.ts';
