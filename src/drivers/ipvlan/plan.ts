import { invalid } from '../../base/index.ts';
import type { Attachment, AttachSpec } from '../../model/index.ts';
import { type EndpointOptions, parseEndpointOptions } from '../endpoint-options.ts';
import { userGateways } from '../parent/index.ts';
import { type IpvlanOptions, parseIpvlanOptions } from './options.ts';

export interface IpvlanPlan {
  readonly options: IpvlanOptions;
  readonly endpoint: EndpointOptions;
  readonly ways: Pick<Attachment, 'gateway4' | 'gateway6' | 'defaultByDevice'>;
}

/** Layer 3 has no next hop: what leaves goes into the link. */
export function planIpvlan(spec: AttachSpec): IpvlanPlan {
  if (spec.mac !== undefined) {
    throw invalid('invalid_mac', `ipvlan interfaces do not support custom mac address assignment (${spec.mac})`);
  }
  const options = parseIpvlanOptions(spec.network.options, spec.network.id);
  const isolated = spec.network.internal || options.parent.dummy;
  const ways = options.mode === 'l2' ? userGateways(spec) : { defaultByDevice: true };
  return { options, endpoint: parseEndpointOptions(spec.request, spec.ifname), ways: isolated ? {} : ways };
}
