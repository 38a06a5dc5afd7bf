import {
  bitsOf,
  type Cidr,
  cidrText,
  familyOf,
  type Ip,
  type IpFamily,
  invalid,
  ipBytes,
  ipFromBytes,
  networkOf,
} from '../../base/index.ts';
import { isErrno } from '../ffi/index.ts';
import { SCOPES, type Scope, scopeOf } from './addresses.ts';
import {
  afOf,
  afOfIp,
  uapi as c,
  familyOfAf,
  type Message,
  MessageWriter,
  type NetlinkSocket,
  pack,
  readAttributes,
  viewOf,
} from './core/index.ts';

export const { RT_TABLE_LOCAL, RT_TABLE_MAIN, RTPROT_KERNEL } = c;

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit';

const ROUTE_TYPES: Readonly<Record<RouteType, number>> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
};

const RTMSG_LENGTH = 12;

export interface RouteSpec {
  /** Absent: the default route, whose family then comes from the gateway or from `family`. */
  readonly destination?: Cidr | undefined;
  readonly family?: IpFamily | undefined;
  readonly gateway?: Ip | undefined;
  readonly linkIndex?: number | undefined;
  readonly source?: Ip | undefined;
  readonly scope?: Scope | undefined;
  /** Default 254, the main table. */
  readonly table?: number | undefined;
  readonly metric?: number | undefined;
  /** The gateway is taken to be on the link even when no address says so. */
  readonly onlink?: boolean | undefined;
  readonly type?: RouteType | undefined;
  /** RTPROT_*: who made it; default 4, static. */
  readonly protocol?: number | undefined;
  /** IPv6: it goes by itself then. Absent: never. */
  readonly expiresSeconds?: number | undefined;
  /** IPv6, of routers: 0 medium, 1 high, 3 low. */
  readonly preference?: number | undefined;
  /** RTA_METRICS as another route has them: MTU, window and the like. */
  readonly metrics?: Uint8Array | undefined;
  /** `add` only: a route that is there already is not an error. */
  readonly ifMissing?: boolean | undefined;
}

export interface Route {
  /** Undefined: default. */
  readonly destination: Cidr | undefined;
  readonly family: IpFamily;
  readonly gateway: Ip | undefined;
  readonly linkIndex: number | undefined;
  readonly source: Ip | undefined;
  readonly scope: Scope;
  readonly table: number;
  readonly metric: number | undefined;
  readonly type: RouteType;
  /** RTPROT_*: 2 kernel, 3 boot, 4 static, 16 DHCP. */
  readonly protocol: number;
  readonly expiresSeconds: number | undefined;
  readonly preference: number | undefined;
  /** RTA_METRICS as the kernel told them. */
  readonly metrics: Uint8Array | undefined;
}

export interface RouteFilter {
  readonly family?: IpFamily | undefined;
  /** The kernel itself leaves out the rest: asking for each of many links does not take the square of their number. */
  readonly linkIndex?: number | undefined;
}

/** Routes of one network namespace, in all of its tables. */
export class Routes {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** False when it was there and `ifMissing` allows that. */
  add(route: RouteSpec): boolean {
    try {
      this.#change(c.RTM_NEWROUTE, c.NLM_F_CREATE | c.NLM_F_EXCL, route, 'add');
      return true;
    } catch (error) {
      if (route.ifMissing === true && isErrno(error, 'EEXIST')) return false;
      throw error;
    }
  }

  /** Adds it, or takes the place of the one with the same destination, table and metric. */
  replace(route: RouteSpec): void {
    this.#change(c.RTM_NEWROUTE, c.NLM_F_CREATE | c.NLM_F_REPLACE, route, 'replace');
  }

  /** False when there is none such; what the spec leaves out matches anything. */
  remove(route: RouteSpec): boolean {
    try {
      this.#change(c.RTM_DELROUTE, 0, route, 'remove');
      return true;
    } catch (error) {
      if (isErrno(error, 'ESRCH', 'ENODEV', 'ENOENT')) return false;
      throw error;
    }
  }

  /** Of both families or of one, to all links or to one, all tables. Multipath routes show without their next hops. */
  list({ family, linkIndex }: RouteFilter = {}): Route[] {
    const families: readonly IpFamily[] = family === undefined ? [4, 6] : [family];
    const routes = families.flatMap((one) => this.#dump(one, linkIndex));
    return linkIndex === undefined ? routes : routes.filter((route) => route.linkIndex === linkIndex);
  }

  /** Which way a packet to `ip` would go from here; undefined when there is no route. */
  lookup(ip: Ip): Route | undefined {
    const write = new MessageWriter(c.RTM_GETROUTE, c.NLM_F_REQUEST)
      .raw(routeHeader({ af: afOfIp(ip), prefix: bitsOf(familyOf(ip)) }))
      .bytes(c.RTA_DST, ipBytes(ip));
    try {
      return this.#socket.get(write, `look up the route to ${ip}`, decodeRoute);
    } catch (error) {
      if (isErrno(error, 'ENETUNREACH', 'EHOSTUNREACH', 'EINVAL', 'EACCES')) return undefined;
      throw error;
    }
  }

  #change(type: number, flags: number, route: RouteSpec, verb: string): void {
    const write = new MessageWriter(type, c.NLM_F_REQUEST | c.NLM_F_ACK | flags);
    const to = route.destination === undefined ? 'default' : cidrText(route.destination);
    const via = route.gateway === undefined ? '' : ` via ${route.gateway}`;
    this.#socket.change(routeMessage(write, route, type === c.RTM_DELROUTE), `${verb} route ${to}${via}`);
  }

  #dump(family: IpFamily, linkIndex: number | undefined): Route[] {
    const request = (): MessageWriter => {
      const write = new MessageWriter(c.RTM_GETROUTE, c.NLM_F_REQUEST | c.NLM_F_DUMP).raw(
        routeHeader({ af: afOf(family), prefix: 0, scope: 0 }),
      );
      return linkIndex === undefined ? write : write.u32(c.RTA_OIF, linkIndex);
    };
    try {
      return this.#socket.dump(request, 'list routes', (reply) =>
        reply.type === c.RTM_NEWROUTE ? decodeRoute(reply) : undefined,
      );
    } catch (error) {
      // The link is gone, or the kernel runs without IPv6.
      if (isErrno(error, 'ENODEV', 'EOPNOTSUPP')) return [];
      throw error;
    }
  }
}

/** struct rtmsg. */
function routeHeader(header: {
  af: number;
  prefix: number;
  table?: number;
  protocol?: number;
  scope?: number;
  type?: number;
  flags?: number;
}): Uint8Array {
  const { af, prefix, table = 0, protocol = 0, scope = 0, type = 0, flags = 0 } = header;
  return pack([1, af], [1, prefix], [1, 0], [1, 0], [1, table], [1, protocol], [1, scope], [1, type], [4, flags]);
}

export function routeMessage(write: MessageWriter, route: RouteSpec, removing = false): MessageWriter {
  const family = routeFamily(route);
  const table = route.table ?? c.RT_TABLE_MAIN;
  const destination = route.destination === undefined ? undefined : networkOf(route.destination);
  const type = removing && route.type === undefined ? 0 : ROUTE_TYPES[route.type ?? 'unicast'];
  write.raw(
    routeHeader({
      af: afOf(family),
      prefix: destination?.prefix ?? 0,
      table: table < 256 ? table : 0,
      protocol: removing ? 0 : (route.protocol ?? c.RTPROT_STATIC),
      scope: scopeNumber(route, family, removing),
      type,
      flags: route.onlink === true ? c.RTNH_F_ONLINK : 0,
    }),
  );
  if (destination !== undefined && destination.prefix > 0) write.bytes(c.RTA_DST, ipBytes(destination.ip));
  if (table >= 256) write.u32(c.RTA_TABLE, table);
  if (route.gateway !== undefined) gatewayAttribute(write, route.gateway, family);
  if (route.linkIndex !== undefined) write.u32(c.RTA_OIF, route.linkIndex);
  if (route.source !== undefined) write.bytes(c.RTA_PREFSRC, ipBytes(route.source));
  if (route.metric !== undefined) write.u32(c.RTA_PRIORITY, route.metric);
  if (route.metrics !== undefined) write.bytes(c.RTA_METRICS, route.metrics);
  if (route.preference !== undefined) write.u8(c.RTA_PREF, route.preference);
  if (route.expiresSeconds !== undefined) write.u32(c.RTA_EXPIRES, route.expiresSeconds);
  return write;
}

/** IPv4 by way of an IPv6 gateway has an attribute of its own: struct rtvia. */
function gatewayAttribute(write: MessageWriter, gateway: Ip, family: IpFamily): void {
  const bytes = ipBytes(gateway);
  if (familyOf(gateway) === family) write.bytes(c.RTA_GATEWAY, bytes);
  else write.bytes(c.RTA_VIA, Uint8Array.from([...pack([2, afOfIp(gateway)]), ...bytes]));
}

function routeFamily(route: RouteSpec): IpFamily {
  const ip = route.destination?.ip ?? route.source ?? route.gateway;
  const family = route.family ?? (ip === undefined ? undefined : familyOf(ip));
  if (family === undefined) throw invalid('invalid_route', 'cannot tell the family of a route without any address');
  return family;
}

/** Without a gateway an IPv4 destination is on the link. IPv6 routes have no scope; removal matches any. */
function scopeNumber(route: RouteSpec, family: IpFamily, removing: boolean): number {
  if (route.scope !== undefined) return SCOPES[route.scope];
  if (removing) return SCOPES.nowhere;
  const direct = family === 4 && route.gateway === undefined && (route.type ?? 'unicast') === 'unicast';
  return direct ? SCOPES.link : SCOPES.universe;
}

/** struct rta_cacheinfo: the third number counts down in hundredths of a second, 0 when the route stays. */
function expiryOf(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  const hundredths = viewOf(bytes).getInt32(8, true);
  return hundredths > 0 ? Math.ceil(hundredths / 100) : undefined;
}

/** Reads an RTM_NEWROUTE or RTM_DELROUTE; undefined for families other than IPv4 and IPv6, and for cached clones. */
export function decodeRoute({ body }: Message): Route | undefined {
  const view = viewOf(body);
  const family = familyOfAf(view.getUint8(0));
  if (family === undefined) return undefined;
  const attributes = readAttributes(body, RTMSG_LENGTH);
  const ip = (type: number, skip = 0): Ip | undefined => {
    const bytes = attributes.bytes(type);
    return bytes === undefined ? undefined : ipFromBytes(bytes.subarray(skip));
  };
  const destination = ip(c.RTA_DST);
  const type = Object.entries(ROUTE_TYPES).find(([, number]) => number === view.getUint8(7))?.[0] ?? 'unicast';
  return {
    destination: destination === undefined ? undefined : { ip: destination, prefix: view.getUint8(1) },
    family,
    gateway: ip(c.RTA_GATEWAY) ?? ip(c.RTA_VIA, 2),
    linkIndex: attributes.u32(c.RTA_OIF),
    source: ip(c.RTA_PREFSRC),
    scope: scopeOf(view.getUint8(6)),
    table: attributes.u32(c.RTA_TABLE) ?? view.getUint8(4),
    metric: attributes.u32(c.RTA_PRIORITY),
    type: type as RouteType,
    protocol: view.getUint8(5),
    expiresSeconds: expiryOf(attributes.bytes(c.RTA_CACHEINFO)),
    preference: attributes.bytes(c.RTA_PREF)?.[0],
    metrics: attributes.bytes(c.RTA_METRICS)?.slice(),
  };
}
