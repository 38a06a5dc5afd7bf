// Ipvlan networks: containers beside the host on one of its links, sharing its Ethernet address. It must not touch the
// parent link beyond bringing it up; ports are not published here.
export { IpvlanDriver, type IpvlanDriverDeps } from './driver.ts';
