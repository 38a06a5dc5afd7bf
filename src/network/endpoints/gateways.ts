import { familyOf, type IpFamily } from '../../base/index.ts';
import type { DefaultRoute, DefaultRoutes } from '../host/index.ts';
import type { LiveEndpoint } from '../state.ts';

/** Which endpoint of a sandbox leads out, for each family. */
export interface Gateways {
  readonly ipv4?: LiveEndpoint;
  readonly ipv6?: LiveEndpoint;
}

/**
 * Docker's order: higher gateway priority, then networks that are not internal, then those with both families, then those
 * with one, then by name. The families are chosen independently: the first of the order that has a way out.
 */
export function gatewayOrder(endpoints: readonly LiveEndpoint[]): readonly LiveEndpoint[] {
  const rank = (endpoint: LiveEndpoint): readonly number[] => [
    -(endpoint.record.request.gatewayPriority ?? 0),
    endpoint.network.record.internal ? 1 : 0,
    -Number(routeOf(endpoint, 4) !== undefined) - Number(routeOf(endpoint, 6) !== undefined),
  ];
  return [...endpoints].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const differing = left.findIndex((value, index) => value !== right[index]);
    if (differing >= 0) return (left[differing] ?? 0) - (right[differing] ?? 0);
    return a.network.record.name < b.network.record.name ? -1 : 1;
  });
}

export function selectGateways(endpoints: readonly LiveEndpoint[]): Gateways {
  const order = gatewayOrder(endpoints);
  const ipv4 = order.find((endpoint) => routeOf(endpoint, 4) !== undefined);
  const ipv6 = order.find((endpoint) => routeOf(endpoint, 6) !== undefined);
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}

export function defaultRoutes({ ipv4, ipv6 }: Gateways): DefaultRoutes {
  const four = ipv4 === undefined ? undefined : routeOf(ipv4, 4);
  const six = ipv6 === undefined ? undefined : routeOf(ipv6, 6);
  return { ...(four === undefined ? {} : { ipv4: four }), ...(six === undefined ? {} : { ipv6: six }) };
}

function routeOf({ attachment, spec }: LiveEndpoint, family: IpFamily): DefaultRoute | undefined {
  const { ifname, gateway4, gateway6, defaultByDevice } = attachment;
  if (ifname === undefined) return undefined;
  const gateway = [gateway4, gateway6].find((ip) => ip !== undefined && familyOf(ip) === family);
  if (gateway !== undefined) return { ifname, gateway };
  const address = family === 4 ? spec.ipv4 : spec.ipv6;
  return defaultByDevice === true && address !== undefined ? { ifname } : undefined;
}
