import {
  type Cidr,
  cidrContains,
  cidrsOverlap,
  cidrText,
  type FairwayError,
  familyOf,
  type Ip,
  invalid,
  isUnspecifiedIp,
  networkOf,
} from '../../base/index.ts';
import type { PoolRequest } from '../../model/index.ts';

/**
 * Checks what a user asks of the pools of a network, by itself: no other network, no host. All complaints at once, in
 * Docker's words. Throws `invalid_network_config`.
 */
export function checkPoolRequests(requests: readonly PoolRequest[]): void {
  const complaints = requests.flatMap(complaintsOf);
  if (complaints.length > 0) throw invalidNetworkConfig(complaints);
}

/** The one form in which Docker's clients get complaints about address pools. */
export function invalidNetworkConfig(complaints: readonly string[]): FairwayError {
  return invalid('invalid_network_config', `invalid network config:\n${complaints.join('\n')}`);
}

/** `0.0.0.0/25`: any free subnet of that size. */
export function isSizeRequest(subnet: Cidr): boolean {
  return isUnspecifiedIp(subnet.ip);
}

function complaintsOf(request: PoolRequest): string[] {
  const { subnet, ipRange, gateway } = request;
  const auxiliary = Object.entries(request.auxiliary ?? {});
  if (subnet === undefined) {
    const needless = ipRange === undefined && gateway === undefined && auxiliary.length === 0;
    return needless ? [] : ['invalid subnet : invalid CIDR block notation'];
  }
  const complaints = [...maskComplaint('subnet', subnet)];
  if (ipRange !== undefined) complaints.push(...rangeComplaints(ipRange, subnet));
  if (gateway !== undefined) complaints.push(...addressComplaint(`gateway ${gateway}`, gateway, subnet));
  for (const [name, ip] of auxiliary) complaints.push(...addressComplaint(`auxiliary address ${name}`, ip, subnet));
  return complaints;
}

function rangeComplaints(range: Cidr, subnet: Cidr): string[] {
  const what = `invalid ip-range ${cidrText(range)}`;
  if (familyOf(range.ip) !== familyOf(subnet.ip))
    return [`${what}: parent subnet is an IPv${familyOf(subnet.ip)} block`];
  const complaints: string[] = [];
  if (range.prefix < subnet.prefix) {
    complaints.push(`${what}: CIDR block is bigger than its parent subnet ${cidrText(subnet)}`);
  }
  complaints.push(...maskComplaint('ip-range', range));
  if (!cidrsOverlap(range, subnet)) {
    complaints.push(`${what}: parent subnet ${cidrText(subnet)} doesn't contain ip-range`);
  }
  return complaints;
}

function maskComplaint(what: string, cidr: Cidr): string[] {
  const masked = cidrText(networkOf(cidr));
  return masked === cidrText(cidr) ? [] : [`invalid ${what} ${cidrText(cidr)}: it should be ${masked}`];
}

function addressComplaint(what: string, ip: Ip, subnet: Cidr): string[] {
  if (familyOf(ip) !== familyOf(subnet.ip))
    return [`invalid ${what}: parent subnet is an IPv${familyOf(subnet.ip)} block`];
  if (cidrContains(subnet, ip)) return [];
  return [`invalid ${what}: parent subnet ${cidrText(subnet)} doesn't contain this address`];
}
