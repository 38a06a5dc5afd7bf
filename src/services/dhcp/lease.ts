import type { Ip } from '../../base/index.ts';
import type { Lease } from '../../model/index.ts';
import type { DhcpAnswer } from './message.ts';

/** A lease that ends at once is none. */
const SHORTEST_SECONDS = 2;
const FOREVER = 0xffffffff;
/** Without a mask: that of the class the address once had (RFC 950). */
const CLASSES: readonly (readonly [number, number])[] = [
  [128, 8],
  [192, 16],
  [256, 24],
];

/** What was lent by this answer, asked for at `nowMs`; undefined when it says too little. */
export function leaseOf(answer: DhcpAnswer, nowMs: number): Lease | undefined {
  const { address, server, leaseSeconds } = answer;
  if (server === undefined || leaseSeconds === undefined || address === '0.0.0.0') return undefined;
  const seconds = Math.max(leaseSeconds, SHORTEST_SECONDS);
  // RFC 2131 §4.4.5.
  const renew = sensible(answer.renewSeconds, seconds) ?? seconds / 2;
  const rebind = Math.max(sensible(answer.rebindSeconds, seconds) ?? (seconds * 7) / 8, renew);
  const after = (some: number): number => (leaseSeconds === FOREVER ? Number.MAX_SAFE_INTEGER : nowMs + some * 1000);
  const byDefault = answer.routes.find(({ destination }) => destination.prefix === 0)?.gateway;
  const gateway = answer.routes.length > 0 ? byDefault : answer.router;
  return {
    address: { ip: address, prefix: answer.prefix ?? classOf(address) },
    server,
    ...(gateway === undefined ? {} : { gateway }),
    routes: answer.routes.filter(({ destination }) => destination.prefix > 0),
    ...(answer.mtu === undefined ? {} : { mtu: answer.mtu }),
    dns: answer.dns,
    ...(answer.domain === undefined ? {} : { domain: answer.domain }),
    obtainedMs: nowMs,
    renewMs: after(renew),
    rebindMs: after(rebind),
    endMs: after(seconds),
  };
}

function sensible(seconds: number | undefined, whole: number): number | undefined {
  return seconds !== undefined && seconds > 0 && seconds < whole ? seconds : undefined;
}

function classOf(ip: Ip): number {
  const first = Number(ip.split('.')[0]);
  return CLASSES.find(([limit]) => first < limit)?.[1] ?? 32;
}
