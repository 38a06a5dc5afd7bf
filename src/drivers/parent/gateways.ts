import type { Ip } from '../../base/index.ts';
import type { Attachment, AttachSpec } from '../../model/index.ts';

type Gateways = Pick<Attachment, 'gateway4' | 'gateway6'>;

/** Only a gateway that the user named leads out. */
export function userGateways(spec: AttachSpec): Gateways {
  const gateway4 = spec.ipv4 === undefined ? undefined : gatewayOf(spec, 4);
  const gateway6 = spec.ipv6 === undefined ? undefined : gatewayOf(spec, 6);
  return { ...(gateway4 === undefined ? {} : { gateway4 }), ...(gateway6 === undefined ? {} : { gateway6 }) };
}

function gatewayOf({ network }: AttachSpec, family: 4 | 6): Ip | undefined {
  return network.pools.find((pool) => pool.family === family)?.gateway;
}
