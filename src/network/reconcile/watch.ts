import { Backoff, type Clock, type Id, type Log, messageOf } from '../../base/index.ts';
import type { HostChange, SandboxHost } from '../host/index.ts';
import type { NetworkState } from '../state.ts';
import type { Reconciler } from './reconciler.ts';

export interface WatchDeps {
  readonly state: NetworkState;
  readonly host: SandboxHost;
  readonly reconciler: Pick<Reconciler, 'repairOnly'>;
  readonly netnsDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Scope {
  readonly networks: readonly Id[];
  readonly sandboxes: readonly Id[];
}

const LONGEST_MS = 30_000;

/** Makes good what others take away, when it happens; against somebody who does it again and again, slower and slower. */
export function watchHost(deps: WatchDeps): Disposable {
  const { state, host, reconciler, netnsDir, clock, log } = deps;
  const networks = new Set<Id>();
  const sandboxes = new Set<Id>();
  const work = async (): Promise<boolean> => {
    const scope = { networks: [...networks], sandboxes: [...sandboxes] };
    networks.clear();
    sandboxes.clear();
    const { done, failed } = await reconciler.repairOnly(scope);
    return done.length + failed.length > 0;
  };
  const onError = (error: unknown): void =>
    log.error({ reason: messageOf(error) }, 'cannot see whether somebody else changed something');
  const repair = new Backoff({ clock, work, onError }, { longestMs: LONGEST_MS });
  const watching = host.watch(netnsDir, (change) => {
    const found = scopeOf(state, host, change);
    if (found === undefined) return;
    for (const id of found.networks) networks.add(id);
    for (const id of found.sandboxes) sandboxes.add(id);
    repair.ask();
  });
  return {
    [Symbol.dispose]: () => {
      repair[Symbol.dispose]();
      watching[Symbol.dispose]();
    },
  };
}

/** What to look at after a change; undefined when it is nothing that should still be there. */
function scopeOf(state: NetworkState, host: SandboxHost, change: HostChange): Scope | undefined {
  switch (change.kind) {
    case 'anything':
      return { networks: [...state.networks.keys()], sandboxes: [...state.sandboxes.keys()] };
    case 'network': {
      const network = state.networks.get(change.id);
      if (network === undefined || !state.isHere(network) || state.isRemoving(change.id)) return undefined;
      return { networks: [change.id], sandboxes: state.endpointsOf(change.id).map(({ record }) => record.sandboxId) };
    }
    case 'peers': {
      const ids = change.id === undefined ? [...state.networks.keys()] : [change.id];
      const networks = ids.filter((id) => state.networks.get(id)?.record.scope === 'global' && !state.isRemoving(id));
      return networks.length === 0 ? undefined : { networks, sandboxes: [] };
    }
    case 'endpoint': {
      const endpoint = state.findEndpoint(change.id);
      if (endpoint === undefined) return undefined;
      return { networks: [endpoint.record.networkId], sandboxes: [endpoint.record.sandboxId] };
    }
    case 'namespace': {
      const lost = [...state.sandboxes.values()].find(({ record }) => record.path === change.path);
      if (lost === undefined || host.namespaceExists(change.path)) return undefined;
      return { networks: [], sandboxes: [lost.record.id] };
    }
  }
}
