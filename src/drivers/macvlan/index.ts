// Macvlan networks: containers beside the host on one of its links. It must not touch the parent link beyond bringing it
// up; ports are not published here.
export { MacvlanDriver, type MacvlanDriverDeps } from './driver.ts';
