import { familyOf } from '../../base/index.ts';
import type { BridgePlan } from './plan.ts';

export interface BridgeSetting {
  readonly key: readonly string[];
  readonly value: number;
}

/** The sysctls of a bridge of ours, in the order in which to write them. */
export function bridgeSettings(plan: BridgePlan): readonly BridgeSetting[] {
  const of = (family: 'ipv4' | 'ipv6', setting: string, value: number): BridgeSetting => ({
    key: ['net', family, 'conf', plan.name, setting],
    value,
  });
  return [
    // Ports published on 127.0.0.1 are translated from there; the packet filter keeps everybody else from using it.
    ...(plan.addresses.some((cidr) => familyOf(cidr.ip) === 4) ? [of('ipv4', 'route_localnet', 1)] : []),
    // Isolated ports do not hear each other: the host answers for them, and the packet filter lets linked ports through.
    ...(plan.options.icc
      ? []
      : [of('ipv4', 'proxy_arp_pvlan', 1), { key: ['net', 'ipv4', 'neigh', plan.name, 'proxy_delay'], value: 0 }]),
    ...(plan.ipv6 ? [of('ipv6', 'disable_ipv6', 0), of('ipv6', 'accept_ra', 0), of('ipv6', 'accept_dad', 0)] : []),
  ];
}
