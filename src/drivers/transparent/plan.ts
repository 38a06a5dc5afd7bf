import { forbidden, type Id, type Mac, shortId } from '../../base/index.ts';
import type { Attachment, AttachSpec, DriverNetworkRequest, NetworkRecord } from '../../model/index.ts';
import { macOfEndpoint } from '../address-mac.ts';
import { type EndpointOptions, parseEndpointOptions } from '../endpoint-options.ts';
import { userGateways } from '../parent/index.ts';
import { hostNames } from '../veth-port.ts';
import { parseTransparentOptions, type TransparentOptions } from './options.ts';

export function bridgeNameOf(id: Id): string {
  return `tr-${shortId(id)}`;
}

/** A link can be in one bridge. */
export function checkTransparentRequest(request: DriverNetworkRequest, others: readonly NetworkRecord[]): void {
  const { parent } = parseTransparentOptions(request.options, request.id);
  for (const other of others) {
    if (parseTransparentOptions(other.options, other.id).parent.name !== parent.name) continue;
    throw forbidden(
      'parent_in_use',
      `transparent network ${other.name} is already using parent interface ${parent.name}: attach containers to that`,
    );
  }
}

export interface TransparentPlan {
  readonly options: TransparentOptions;
  readonly bridge: string;
  readonly hostNames: readonly string[];
  readonly mac: Mac;
  readonly mtu: number | undefined;
  readonly endpoint: EndpointOptions;
  readonly gateways: Pick<Attachment, 'gateway4' | 'gateway6'>;
}

export function planTransparent(spec: AttachSpec): TransparentPlan {
  const { network } = spec;
  const options = parseTransparentOptions(network.options, network.id);
  return {
    options,
    bridge: bridgeNameOf(network.id),
    hostNames: hostNames(spec.endpointId),
    mac: macOfEndpoint(spec),
    mtu: options.mtu,
    endpoint: parseEndpointOptions(spec.request, spec.ifname),
    gateways: network.internal ? {} : userGateways(spec),
  };
}
