import { type Ip, isUnspecifiedIp } from '../../base/index.ts';
import type { Flow } from '../../kernel/index.ts';
import type { FirewallEntry } from '../../model/index.ts';

export interface FirewallChange {
  readonly add: readonly FirewallEntry[];
  readonly remove: readonly FirewallEntry[];
}

/**
 * A UDP flow goes on by the rules under which it began for as long as packets come: to a container that has gone, or to the
 * host itself for a client that sent before the port was published. Says which flows a change makes stale; undefined: none.
 * Flows of other protocols end by themselves.
 */
export function staleFlows({ add, remove }: FirewallChange): ((flow: Flow) => boolean) | undefined {
  const gone = new Set<string>();
  const wildcards = new Set<string>();
  const specific = new Set<string>();
  for (const entry of remove) {
    if (entry.kind !== 'port' && entry.kind !== 'openPort') continue;
    if (entry.protocol === 'udp') gone.add(keyOf(entry.containerIp, entry.containerPort));
  }
  for (const entry of add) {
    if (entry.kind !== 'port' || entry.protocol !== 'udp') continue;
    const { hostIp, hostPort } = entry;
    if (isUnspecifiedIp(hostIp)) wildcards.add(keyOf(hostIp, hostPort));
    else specific.add(keyOf(hostIp, hostPort));
  }
  if (gone.size + wildcards.size + specific.size === 0) return undefined;
  return (flow) => {
    if (flow.protocol !== 'udp') return false;
    const { original, reply } = flow;
    if (gone.has(keyOf(reply.source, reply.sourcePort))) return true;
    // What leaves with a source of ours goes elsewhere, whatever its port.
    const translated = original.destination !== reply.source || original.source !== reply.destination;
    if (translated || original.destination === undefined) return false;
    const wildcard = original.destination.includes(':') ? '::' : '0.0.0.0';
    const port = original.destinationPort;
    return wildcards.has(keyOf(wildcard as Ip, port)) || specific.has(keyOf(original.destination, port));
  };
}

/**
 * UDP flows of addresses that nobody has any more. Between the end of its port and the end of its link a container may send
 * a last answer. It belongs to no flow then and begins one of its own, which leaves from the port of the host that was just
 * given up: a client that goes on sending there would reach whoever has the address next.
 */
export function flowsOf(addresses: readonly Ip[]): (flow: Flow) => boolean {
  const gone = new Set<Ip | undefined>(addresses);
  return ({ protocol, original, reply }) => protocol === 'udp' && (gone.has(original.source) || gone.has(reply.source));
}

function keyOf(ip: Ip | undefined, port: number | undefined): string {
  return `${ip} ${port}`;
}
