import { cidrContains, forbidden, type Ip, type Mac } from '../../base/index.ts';
import type { Attachment, AttachSpec, DriverNetworkRequest, NetworkRecord } from '../../model/index.ts';
import { macOfEndpoint } from '../address-mac.ts';
import { type EndpointOptions, parseEndpointOptions } from '../endpoint-options.ts';
import { badOption } from '../option-values.ts';
import { userGateways } from '../parent/index.ts';
import { type MacvlanOptions, parseMacvlanOptions, SHIM_OPTION } from './options.ts';

/** `passthru` has its parent alone. */
export function checkMacvlanRequest(request: DriverNetworkRequest, others: readonly NetworkRecord[]): void {
  const { parent, mode, shim } = parseMacvlanOptions(request.options, request.id);
  checkShimAddresses(request, shim?.addresses ?? []);
  for (const other of others) {
    const theirs = parseMacvlanOptions(other.options, other.id);
    if (theirs.parent.name !== parent.name) continue;
    if (mode === 'passthru') {
      throw forbidden(
        'parent_in_use',
        `cannot use mode passthru, macvlan network ${other.name} is already using parent interface ${parent.name}`,
      );
    }
    if (theirs.mode === 'passthru') {
      throw forbidden(
        'parent_in_use',
        `macvlan network ${other.name} is already using parent interface ${parent.name} in mode passthru`,
      );
    }
  }
}

/** An address of the host's that no container can be given: beside the subnets, outside the range, or kept by name. */
function checkShimAddresses(request: DriverNetworkRequest, addresses: readonly Ip[]): void {
  for (const ip of addresses) {
    const given = request.pools.find(({ subnet, ipRange, auxiliary = {} }) => {
      if (subnet === undefined || !cidrContains(subnet, ip) || Object.values(auxiliary).includes(ip)) return false;
      return ipRange === undefined || cidrContains(ipRange, ip);
    });
    if (given === undefined) continue;
    throw badOption(
      SHIM_OPTION,
      ip,
      `containers could be given it too; keep it with --aux-address host=${ip}, or outside --ip-range`,
    );
  }
}

export interface MacvlanPlan {
  readonly options: MacvlanOptions;
  readonly endpoint: EndpointOptions;
  /** Absent: the parent's, which passthru takes over. */
  readonly mac: Mac | undefined;
  readonly gateways: Pick<Attachment, 'gateway4' | 'gateway6'>;
}

export function planMacvlan(spec: AttachSpec): MacvlanPlan {
  const options = parseMacvlanOptions(spec.network.options, spec.network.id);
  const isolated = spec.network.internal || options.parent.dummy;
  return {
    options,
    endpoint: parseEndpointOptions(spec.request, spec.ifname),
    mac: options.mode === 'passthru' ? spec.mac : macOfEndpoint(spec),
    gateways: isolated ? {} : userGateways(spec),
  };
}
