import { cidrText, familyOf, type Id } from '../../base/index.ts';
import type { Drift, KnownObjects, NetworkDriver, Store } from '../../model/index.ts';
import { defaultRoutes, namespaceName, selectGateways } from '../endpoints/index.ts';
import type { SandboxHost } from '../host/index.ts';
import { loadUnfinished } from '../journal.ts';
import type { LiveEndpoint, LiveNetwork, LiveSandbox, NetworkState } from '../state.ts';

/** What of a network is not as it was made. */
export function networkDrift({ driver, record }: LiveNetwork): readonly Drift[] {
  return driver?.verifyNetwork?.(record) ?? [];
}

/** What of a sandbox and its endpoints is not as it was made; nothing is asked of a namespace that is not there. */
export function sandboxDrift(host: SandboxHost, sandbox: LiveSandbox): readonly Drift[] {
  const { record, endpoints } = sandbox;
  const { ownerId } = record;
  if (record.host) return [];
  if (!host.namespaceExists(record.path)) {
    return [{ kind: 'namespace', problem: 'missing', object: record.path, ownerId }, ...portDrift(sandbox)];
  }
  const wanted = defaultRoutes(selectGateways(endpoints));
  return [
    ...endpoints.flatMap(
      ({ network, spec, attachment }) => network.driver?.verifyAttachment?.(spec, attachment.state) ?? [],
    ),
    ...endpoints.flatMap((endpoint) => routeDrift(host, record.path, endpoint)),
    ...host.missingDefaultRoutes(record.path, wanted).map(
      ({ ifname, gateway }): Drift => ({
        ...{ kind: 'route', problem: 'missing', ownerId },
        object: `default${gateway === undefined ? '' : ` via ${gateway}`} dev ${ifname} in ${record.path}`,
      }),
    ),
    ...portDrift(sandbox),
  ];
}

/** Further routes by an endpoint's link. */
function routeDrift(host: SandboxHost, path: string, { spec, attachment }: LiveEndpoint): readonly Drift[] {
  const { ifname, routes = [] } = attachment;
  if (ifname === undefined) return [];
  const { endpointId, ownerId, network } = spec;
  return host.missingRoutes(path, ifname, routes).map(
    ({ destination, gateway }): Drift => ({
      ...{ kind: 'route', problem: 'missing', networkId: network.id, endpointId, ownerId },
      object: `${cidrText(destination)}${gateway === undefined ? '' : ` via ${gateway}`} dev ${ifname} in ${path}`,
    }),
  );
}

/** Ports of the host that should be held for it. */
function portDrift({ publication, record: { ownerId } }: LiveSandbox): readonly Drift[] {
  return (publication?.held.unheld() ?? []).map(
    ({ protocol, hostIp, hostPort }): Drift => ({
      ...{ kind: 'port', problem: 'missing', ownerId, detail: 'not held by the daemon' },
      object: `${familyOf(hostIp) === 6 ? `[${hostIp}]` : hostIp}:${hostPort}/${protocol}`,
    }),
  );
}

/** What exists, and what is being made or removed at this moment. */
export async function knownObjects(
  state: NetworkState,
  store: Store,
): Promise<KnownObjects & { readonly paths: ReadonlySet<string> }> {
  const unfinished = await loadUnfinished(store);
  const sandboxes = [...state.sandboxes.values()];
  const networks = new Set<Id>(state.networksHere());
  const endpoints = new Set<Id>(sandboxes.flatMap((one) => one.endpoints.map(({ record }) => record.id)));
  const paths = new Set(sandboxes.map(({ record }) => record.path));
  for (const { id, what } of unfinished) {
    if (what.kind === 'network') networks.add(id);
    else if (what.kind === 'endpoint') endpoints.add(id);
    else {
      paths.add(what.path);
      for (const { spec } of what.endpoints) endpoints.add(spec.endpointId);
    }
  }
  return { networks, endpoints, paths };
}

/** What is ours by its mark and belongs to nothing known. */
export function orphans(
  deps: { readonly host: SandboxHost; readonly drivers: ReadonlyMap<string, NetworkDriver>; readonly netnsDir: string },
  known: Awaited<ReturnType<typeof knownObjects>>,
): readonly Drift[] {
  const paths = deps.host.namespaces(deps.netnsDir, namespaceName('' as Id)).filter((path) => !known.paths.has(path));
  return [
    ...[...deps.drivers.values()].flatMap((driver) => driver.orphans?.(known) ?? []),
    ...paths.map((object): Drift => ({ kind: 'namespace', problem: 'orphan', object })),
  ];
}
