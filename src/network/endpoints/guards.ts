import type { FirewallEntry } from '../../model/index.ts';
import type { LiveEndpoint } from '../state.ts';

/** What the packet filter holds for the endpoints' own frames, for as long as their links exist. */
export function guardsOf(endpoints: readonly LiveEndpoint[]): readonly FirewallEntry[] {
  return endpoints.flatMap(({ network, spec, attachment }) => network.driver?.guard?.(spec, attachment.state) ?? []);
}
