import { forbidden, type Mac } from '../../base/index.ts';
import type { Attachment, AttachSpec, DriverNetworkRequest, NetworkRecord } from '../../model/index.ts';
import { macOfEndpoint } from '../address-mac.ts';
import { type EndpointOptions, parseEndpointOptions } from '../endpoint-options.ts';
import { userGateways } from '../parent/index.ts';
import { type MacvlanOptions, parseMacvlanOptions } from './options.ts';

/** `passthru` has its parent alone. */
export function checkMacvlanRequest(request: DriverNetworkRequest, others: readonly NetworkRecord[]): void {
  const { parent, mode } = parseMacvlanOptions(request.options, request.id);
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
