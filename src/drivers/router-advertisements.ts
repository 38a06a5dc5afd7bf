import { isErrno, type NetnsHandle, writeSysctl } from '../kernel/index.ts';

/**
 * What a neighbour advertises as a router gives this link neither address nor route: to be called before the link goes up.
 * A kernel without IPv6 has nothing to ignore.
 */
export function ignoreRouterAdvertisements(ifname: string, ns?: NetnsHandle): void {
  setAcceptance(ifname, 0, ns);
}

/** The opposite, for links that get their IPv6 addresses that way. */
export function acceptRouterAdvertisements(ifname: string, ns?: NetnsHandle): void {
  setAcceptance(ifname, 1, ns);
}

function setAcceptance(ifname: string, value: number, ns?: NetnsHandle): void {
  try {
    writeSysctl(['net', 'ipv6', 'conf', ifname, 'accept_ra'], value, ns);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
