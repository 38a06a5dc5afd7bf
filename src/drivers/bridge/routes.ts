import { type Cidr, cidrText, familyOf, networkOf } from '../../base/index.ts';
import { type Link, RT_TABLE_MAIN, RTPROT_KERNEL, type Rtnl } from '../../kernel/index.ts';

/** Of the route that the kernel makes with an IPv6 address. */
const CONNECTED_METRIC6 = 256;

/** The kernel makes these routes with the address; somebody may have deleted one alone. */
export function makeGoodRoutes(rtnl: Rtnl, link: Link, addresses: readonly Cidr[]): void {
  for (const subnet of unroutedSubnets(rtnl, link, addresses)) {
    const source = addresses.find((cidr) => cidrText(networkOf(cidr)) === cidrText(subnet))?.ip;
    const six = familyOf(subnet.ip) === 6;
    rtnl.routes.add({
      destination: subnet,
      linkIndex: link.index,
      protocol: RTPROT_KERNEL,
      ifMissing: true,
      ...(six ? { metric: CONNECTED_METRIC6 } : { scope: 'link', source }),
    });
  }
}

/** Subnets of these addresses without a route to the link. */
export function unroutedSubnets(rtnl: Rtnl, link: Link, addresses: readonly Cidr[]): readonly Cidr[] {
  const subnets = addresses.filter(({ ip, prefix }) => prefix < (familyOf(ip) === 4 ? 32 : 128)).map(networkOf);
  if (subnets.length === 0) return [];
  const routed = new Set(
    rtnl.routes
      .list({ linkIndex: link.index })
      .filter(({ table }) => table === RT_TABLE_MAIN)
      .flatMap(({ destination }) => (destination === undefined ? [] : [cidrText(destination)])),
  );
  return subnets.filter((subnet) => !routed.has(cidrText(subnet)));
}
