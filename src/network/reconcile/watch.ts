import type { Clock, Id } from '../../base/index.ts';
import type { HostChange, SandboxHost } from '../host/index.ts';
import type { NetworkState } from '../state.ts';
import type { Reconciler } from './reconciler.ts';

export interface WatchDeps {
  readonly state: NetworkState;
  readonly host: SandboxHost;
  readonly reconciler: Pick<Reconciler, 'repairOnly'>;
  readonly netnsDir: string;
  readonly clock: Clock;
}

interface Scope {
  readonly networks: Set<Id>;
  readonly sandboxes: Set<Id>;
}

/** What came with one cause comes together: a deleted bridge is followed by news of each of its ports. */
const SETTLE_MS = 20;
const LONGEST_MS = 30_000;
const CALM_MS = 60_000;

/**
 * Makes good what others take away, when it happens. Against somebody who takes it away again and again it gets slower: the
 * delay doubles with each repair and is forgotten after a calm minute.
 */
export function watchHost(deps: WatchDeps): Disposable {
  const { state, host, reconciler, netnsDir, clock } = deps;
  let scope: Scope | undefined;
  let delay = SETTLE_MS;
  let last = 0;
  let cancel = (): void => {};
  let closed = false;
  const repair = async (): Promise<void> => {
    const { networks, sandboxes } = scope ?? { networks: [], sandboxes: [] };
    scope = undefined;
    const { done, failed } = await reconciler.repairOnly({ networks, sandboxes });
    if (done.length + failed.length === 0) return;
    delay = Math.min(delay * 2, LONGEST_MS);
    last = clock.now();
  };
  const watching = host.watch(netnsDir, (change) => {
    const found = scopeOf(state, host, change);
    if (closed || found === undefined) return;
    const waiting = scope !== undefined;
    scope ??= { networks: new Set(), sandboxes: new Set() };
    for (const id of found.networks) scope.networks.add(id);
    for (const id of found.sandboxes) scope.sandboxes.add(id);
    if (waiting) return;
    if (clock.now() - last > CALM_MS) delay = SETTLE_MS;
    cancel = clock.after(delay, () => void repair());
  });
  return {
    [Symbol.dispose]: () => {
      closed = true;
      cancel();
      watching[Symbol.dispose]();
    },
  };
}

/** What to look at after a change; undefined when it is nothing that should still be there. */
function scopeOf(
  state: NetworkState,
  host: SandboxHost,
  change: HostChange,
): { readonly networks: readonly Id[]; readonly sandboxes: readonly Id[] } | undefined {
  switch (change.kind) {
    case 'anything':
      return { networks: [...state.networks.keys()], sandboxes: [...state.sandboxes.keys()] };
    case 'network':
      if (!state.networks.has(change.id) || state.isRemoving(change.id)) return undefined;
      return { networks: [change.id], sandboxes: state.endpointsOf(change.id).map(({ record }) => record.sandboxId) };
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
