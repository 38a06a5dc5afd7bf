import { conflict, type Id, invalid, notFound } from '../base/index.ts';
import type { LiveNetwork, NetworkState } from './state.ts';

/** Docker's rule: full id, then full name, then a prefix of one id. */
export function findNetwork(state: NetworkState, ref: string): LiveNetwork {
  const exact = state.networks.get(ref as Id) ?? state.networkByName(ref);
  if (exact !== undefined) return exact;
  const matches = ref === '' ? [] : [...state.networks.values()].filter(({ record }) => record.id.startsWith(ref));
  const [only] = matches;
  if (only === undefined) throw notFound('network_not_found', `network ${ref} not found`);
  if (matches.length === 1) return only;
  throw invalid(
    'network_ambiguous',
    `network ${ref} is ambiguous (${matches.length} matches found based on ID prefix)`,
  );
}

/** Networks that are always there and belong to nobody. */
export const PREDEFINED = new Set(['bridge', 'host', 'none', 'default']);

export function isPredefined(name: string): boolean {
  return PREDEFINED.has(name);
}

/** Docker's name of the network by which sandboxes get out that have no other way. */
export const GATEWAY_NETWORK = 'docker_gwbridge';

/** The default bridge has no name resolution of ours, nor has the gateway network. */
export function resolvesNames({ driver, record }: LiveNetwork): boolean {
  return driver?.traits.resolvesNames === true && !isPredefined(record.name) && record.name !== GATEWAY_NETWORK;
}

export function assertNotRemoving(state: NetworkState, network: LiveNetwork): void {
  if (!state.isRemoving(network.record.id)) return;
  throw conflict('network_removing', `network ${network.record.name} is being removed`);
}
