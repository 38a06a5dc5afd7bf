import * as v from 'valibot';
import { type Cidr, type Ip, invalid, tryParseCidr, tryParseIp } from '../../base/index.ts';
import type { NetworkRequest, PoolRequest } from '../../model/index.ts';
import { EndpointBody } from './container-create.ts';
import { flag, optionalFlag, text, textMap } from './fields.ts';

const PoolBody = v.object({
  Subnet: text,
  IPRange: text,
  Gateway: text,
  AuxiliaryAddresses: textMap,
});

export const NetworkCreateBody = v.object({
  Name: text,
  Driver: text,
  Scope: text,
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  ConfigFrom: v.nullish(v.object({ Network: text })),
  IPAM: v.nullish(v.object({ Driver: text, Options: textMap, Config: v.nullish(v.array(PoolBody), []) })),
  EnableIPv4: optionalFlag,
  EnableIPv6: optionalFlag,
  Options: textMap,
  Labels: textMap,
});
export type NetworkCreateBody = v.InferOutput<typeof NetworkCreateBody>;

export const ConnectBody = v.object({ Container: text, EndpointConfig: v.nullish(EndpointBody) });
export const DisconnectBody = v.object({ Container: text, Force: flag });

export function parseNetworkCreate(body: NetworkCreateBody, version: number): NetworkRequest {
  if (body.Name === '' || body.Name.trim() === '') throw invalid('invalid_name', 'invalid name: name is empty');
  if (!['', 'local', 'global', 'swarm'].includes(body.Scope)) {
    throw invalid(
      'invalid_scope',
      `invalid scope: ${JSON.stringify(body.Scope)}, it must be "local", "global" or "swarm"`,
    );
  }
  const scope = body.Scope === 'swarm' ? 'global' : body.Scope;
  const pools = (body.IPAM?.Config ?? []).map(parsePool);
  return {
    name: body.Name,
    ...(body.Driver === '' ? {} : { driver: body.Driver }),
    ...(scope === 'local' || scope === 'global' ? { scope } : {}),
    ...(typeof body.EnableIPv4 === 'boolean' && version >= 48 ? { enableIpv4: body.EnableIPv4 } : {}),
    ...(typeof body.EnableIPv6 === 'boolean' ? { enableIpv6: body.EnableIPv6 } : {}),
    internal: body.Internal,
    attachable: body.Attachable,
    ingress: body.Ingress,
    configOnly: body.ConfigOnly,
    ...(body.ConfigFrom?.Network ? { configFrom: body.ConfigFrom.Network } : {}),
    options: body.Options,
    labels: body.Labels,
    ipam: {
      ...(body.IPAM?.Driver ? { driver: body.IPAM.Driver } : {}),
      options: body.IPAM?.Options ?? {},
      pools,
    },
  };
}

function bad(why: string): Error {
  return invalid('invalid_network_config', `invalid network config:\n${why}`);
}

function cidr(value: string, what: string): Cidr | undefined {
  if (value === '') return undefined;
  const parsed = tryParseCidr(value);
  if (!parsed) throw bad(`invalid ${what} ${value}: invalid CIDR block notation`);
  return parsed;
}

function ip(value: string, what: string): Ip | undefined {
  if (value === '') return undefined;
  const parsed = tryParseIp(value);
  if (parsed === undefined) throw bad(`invalid ${what} ${value}: invalid address`);
  return parsed;
}

function parsePool(body: v.InferOutput<typeof PoolBody>): PoolRequest {
  const subnet = cidr(body.Subnet, 'subnet');
  const ipRange = cidr(body.IPRange, 'ip-range');
  const gateway = ip(body.Gateway, 'gateway');
  const auxiliary: Record<string, Ip> = {};
  for (const [name, value] of Object.entries(body.AuxiliaryAddresses)) {
    const parsed = ip(value, `auxiliary address ${name}`);
    if (parsed !== undefined) auxiliary[name] = parsed;
  }
  return {
    ...(subnet ? { subnet } : {}),
    ...(ipRange ? { ipRange } : {}),
    ...(gateway ? { gateway } : {}),
    ...(Object.keys(auxiliary).length > 0 ? { auxiliary } : {}),
  };
}
