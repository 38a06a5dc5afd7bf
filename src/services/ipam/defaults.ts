import { createHash } from 'node:crypto';
import { type Cidr, familyOf, invalid, ipFromBytes, networkOf, parseCidr } from '../../base/index.ts';

/** Networks without a wish get subnets of prefix length `size` out of `base`. */
export interface AddressPool {
  readonly base: Cidr;
  readonly size: number;
}

const BASES: readonly (readonly [string, number])[] = [
  ['172.17.0.0/16', 16],
  ['172.18.0.0/16', 16],
  ['172.19.0.0/16', 16],
  ['172.20.0.0/14', 16],
  ['172.24.0.0/14', 16],
  ['172.28.0.0/14', 16],
  ['192.168.0.0/16', 20],
];

/** Docker's, so that the first user-defined network is 172.18.0.0/16 here too. */
export const DEFAULT_LOCAL_POOLS: readonly AddressPool[] = BASES.map(([base, size]) => ({
  base: parseCidr(base),
  size,
}));

const ULA_SUBNET_SIZE = 64;

/** A unique local /48 (RFC 4193) that stays the same for one engine: fd00::/8 and 40 bits of its id's hash. */
export function ulaBaseOf(engineId: string): Cidr {
  const hash = createHash('sha256').update(engineId).digest();
  const bytes = new Uint8Array(16);
  bytes[0] = 0xfd;
  bytes.set(hash.subarray(3, 8), 1);
  return { ip: ipFromBytes(bytes), prefix: 48 };
}

/** Completes and checks the pools; without any of IPv6 the engine's ULA serves. Throws `invalid_address_pool`. */
export function resolvePools(pools: readonly AddressPool[], ulaBase: Cidr): readonly AddressPool[] {
  const checked = pools.map(checkPool);
  if (checked.some(({ base }) => familyOf(base.ip) === 6)) return checked;
  return [...checked, checkPool({ base: ulaBase, size: ULA_SUBNET_SIZE })];
}

function checkPool({ base, size }: AddressPool): AddressPool {
  const bits = familyOf(base.ip) === 4 ? 32 : 128;
  if (Number.isInteger(size) && size >= base.prefix && size <= bits) return { base: networkOf(base), size };
  throw invalid(
    'invalid_address_pool',
    `invalid default address pool ${base.ip}/${base.prefix}: size ${size} is not between ${base.prefix} and ${bits}`,
  );
}
