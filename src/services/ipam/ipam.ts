import {
  bitsOf,
  type Cidr,
  cidrText,
  familyOf,
  forbidden,
  type Id,
  type Ip,
  type IpFamily,
  internal,
  invalid,
  ipFromBigInt,
} from '../../base/index.ts';
import type { Ipam, NetworkPool, PoolOptions, PoolRequest } from '../../model/index.ts';
import { type AddressPool, DEFAULT_LOCAL_POOLS, resolvePools, ulaBaseOf } from './defaults.ts';
import { PoolAddresses, type Span, spanOf } from './pool.ts';
import { checkPoolRequests, invalidNetworkConfig, isSizeRequest } from './validate.ts';

export interface PoolIpamDeps {
  /** Seeds the engine's own IPv6 prefix. */
  readonly engineId: string;
}

export interface PoolIpamOptions {
  readonly localPools?: readonly AddressPool[];
  /** In place of the /48 derived from the engine's id. */
  readonly ulaBase?: Cidr;
}

/** Subnets out of configured pools, addresses lowest first. */
export class PoolIpam implements Ipam {
  readonly #defaults: readonly AddressPool[];
  /** A network's pools in the order they were asked for. */
  readonly #networks = new Map<Id, PoolAddresses[]>();

  constructor(deps: PoolIpamDeps, options: PoolIpamOptions = {}) {
    const ulaBase = options.ulaBase ?? ulaBaseOf(deps.engineId);
    this.#defaults = resolvePools(options.localPools ?? DEFAULT_LOCAL_POOLS, ulaBase);
  }

  requestPool(id: Id, request: PoolRequest, options: PoolOptions): NetworkPool {
    checkPoolRequests([request]);
    const subnet = this.#subnetFor(request, options);
    const { ipRange } = request;
    const pool = new PoolAddresses(subnet, ipRange);
    if (request.gateway !== undefined) pool.reserve(pool.take(request.gateway));
    const auxiliary = request.auxiliary ?? {};
    // One address may have several names, the gateway's among them.
    for (const ip of Object.values(auxiliary)) pool.reserve(ip);
    const gateway = request.gateway ?? (options.wantsGateway ? pool.reserve(pool.takeAny()) : undefined);
    this.#add(id, pool);
    return {
      family: options.family,
      subnet,
      ...(ipRange !== undefined && { ipRange }),
      ...(gateway !== undefined && { gateway }),
      auxiliary,
    };
  }

  reservePool(id: Id, pool: NetworkPool, allowOverlap: boolean): void {
    if (!allowOverlap) this.#assertFree(spanOf(pool.subnet), pool.family);
    const addresses = new PoolAddresses(pool.subnet, pool.ipRange);
    for (const ip of [...Object.values(pool.auxiliary), ...(pool.gateway === undefined ? [] : [pool.gateway])]) {
      addresses.reserve(ip);
    }
    this.#add(id, addresses);
  }

  releasePools(id: Id): void {
    this.#networks.delete(id);
  }

  requestAddress(id: Id, family: IpFamily, wanted?: Ip): Cidr {
    const pools = (this.#networks.get(id) ?? []).filter((pool) => pool.family === family);
    if (wanted !== undefined) {
      const home = pools.find((pool) => pool.contains(wanted));
      if (home === undefined) {
        throw invalid('ipam_no_subnet', `no configured subnet contains IP address ${wanted}`);
      }
      return { ip: home.take(wanted), prefix: home.subnet.prefix };
    }
    const [first, ...others] = pools;
    if (first === undefined) {
      throw internal('ipam_no_pool', `cannot allocate an IPv${family} address: network ${id} has no such pool`);
    }
    const home = others.length === 0 || first.hasRoom() ? first : (others.find((pool) => pool.hasRoom()) ?? first);
    return { ip: home.takeAny(), prefix: home.subnet.prefix };
  }

  releaseAddress(id: Id, ip: Ip): void {
    this.#networks
      .get(id)
      ?.find((pool) => pool.contains(ip))
      ?.release(ip);
  }

  #add(id: Id, pool: PoolAddresses): void {
    const pools = this.#networks.get(id);
    if (pools === undefined) this.#networks.set(id, [pool]);
    else pools.push(pool);
  }

  #subnetFor(request: PoolRequest, options: PoolOptions): Cidr {
    const { subnet } = request;
    if (subnet === undefined) return this.#lowestFree(options);
    if (familyOf(subnet.ip) !== options.family) {
      throw invalidNetworkConfig([`invalid subnet ${cidrText(subnet)}: it is not an IPv${options.family} block`]);
    }
    if (isSizeRequest(subnet)) return this.#lowestFree(options, subnet.prefix);
    const span = spanOf(subnet);
    this.#assertFree(span, options.family);
    if (!options.allowHostOverlap && busySpans(options).some((busy) => overlaps(busy, span))) throw poolOverlap();
    return subnet;
  }

  #assertFree(span: Span, family: IpFamily): void {
    if (this.#spans(family).some((other) => overlaps(other, span))) throw poolOverlap();
  }

  /** The lowest chunk of the default pools that touches nothing of ours or the host's. */
  #lowestFree(options: PoolOptions, size?: number): Cidr {
    const { family } = options;
    const taken = [...this.#spans(family), ...busySpans(options)].sort((a, b) => (a.first < b.first ? -1 : 1));
    for (const pool of this.#defaults) {
      if (familyOf(pool.base.ip) !== family) continue;
      const prefix = size ?? pool.size;
      if (prefix < pool.base.prefix) continue;
      const first = firstGap(spanOf(pool.base), 1n << BigInt(bitsOf(family) - prefix), taken);
      if (first !== undefined) return { ip: ipFromBigInt(first, family), prefix };
    }
    throw invalid('ipam_pools_exhausted', 'all predefined address pools have been fully subnetted');
  }

  #spans(family: IpFamily): Span[] {
    const spans: Span[] = [];
    for (const pools of this.#networks.values()) {
      for (const pool of pools) if (pool.family === family) spans.push(pool.span);
    }
    return spans;
  }
}

function poolOverlap(): Error {
  return forbidden('ipam_pool_overlap', 'invalid pool request: Pool overlaps with other one on this address space');
}

function overlaps(a: Span, b: Span): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** A default route is no obstacle. */
function busySpans({ busy, family }: PoolOptions): Span[] {
  return busy.filter(({ ip, prefix }) => prefix > 0 && familyOf(ip) === family).map(spanOf);
}

/** The first aligned chunk of the base clear of what is taken, which is sorted by its beginning. */
function firstGap(base: Span, size: bigint, taken: readonly Span[]): bigint | undefined {
  let first = base.first;
  for (const span of taken) {
    if (span.last < first) continue;
    if (span.first >= first + size) break;
    first = (span.last / size + 1n) * size;
  }
  return first + size - 1n <= base.last ? first : undefined;
}
