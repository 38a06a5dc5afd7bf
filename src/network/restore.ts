import { type Id, type Log, messageOf, silentLog } from '../base/index.ts';
import type { Firewall, Ipam, NetworkDriver, NetworkRecord, Resolver, SandboxRecord, Store } from '../model/index.ts';
import type { AddressBook, Attacher, LentAddresses, WayOut, Wiring } from './endpoints/index.ts';
import { dnsEndpoint, flowsOf, guardsOf } from './endpoints/index.ts';
import { type KnownNodes, type OurPart, type Presence, withState } from './global/index.ts';
import type { SandboxHost } from './host/index.ts';
import { drop, type Leftover, loadState, put, type StoredState, type Unfinished } from './journal.ts';
import { type LiveSandbox, type NetworkState, newLiveSandbox } from './state.ts';

export interface RestoreDeps {
  readonly state: NetworkState;
  readonly store: Store;
  readonly ipam: Ipam;
  readonly addresses: AddressBook;
  readonly attacher: Attacher;
  readonly wiring: Wiring;
  readonly lent: LentAddresses;
  readonly wayOut: WayOut;
  readonly presence: Presence;
  readonly nodes: KnownNodes;
  readonly ours: OurPart;
  readonly firewall: Firewall;
  readonly resolver: Resolver;
  readonly host: SandboxHost;
  readonly drivers: ReadonlyMap<string, NetworkDriver>;
  readonly log?: Log;
}

/** Asked when networks and rules are back. */
export type Alive = (sandbox: SandboxRecord) => boolean | Promise<boolean>;

/**
 * Makes memory, services and kernel agree with the store after a restart, however the last daemon ended. What lives is not
 * touched; what cannot be restored is logged and does not keep the rest from it.
 */
export async function restoreEverything(deps: RestoreDeps, alive: Alive): Promise<void> {
  const stored = await loadState(deps.store);
  const log = deps.log ?? silentLog;
  for (const { id, what } of stored.unfinished) {
    await attempt(log, `clean up after unfinished ${what.kind} ${id}`, () => cleanUp(deps, id, what));
  }
  for (const record of stored.networks) {
    await attempt(log, `restore network "${record.name}"`, () => restoreNetwork(deps, record, stored));
  }
  for (const record of stored.sandboxes) {
    await attempt(log, `restore sandbox ${record.id}`, () => restoreSandbox(deps, record, stored));
  }
  // One transaction for all: no packet of theirs meets a half-filled table.
  const { state } = deps;
  await deps.nodes.resume(stored.nodes);
  const sandboxes = [...state.sandboxes.values()];
  await attempt(log, 'restore the packet filter', () =>
    deps.firewall.replaceAll([
      ...[...state.networks.values()].flatMap(({ setup }) => setup.firewall),
      ...deps.nodes.entries(),
      ...sandboxes.flatMap(({ firewall }) => firewall),
      ...guardsOf(sandboxes.flatMap(({ endpoints }) => endpoints)),
    ]),
  );
  await attempt(log, 'forget flows of endpoints that are gone', () => forgetLeftovers(deps, stored));
  const living = new Set<LiveSandbox>();
  for (const sandbox of sandboxes) if (await alive(sandbox.record)) living.add(sandbox);
  // Side by side: the resolver is a process that is just starting, and answers each of them.
  const services = [...living].map((one) =>
    attempt(log, `restore services of sandbox ${one.record.id}`, () => restoreServices(deps, one)),
  );
  for (const sandbox of sandboxes.filter((one) => !living.has(one))) {
    await attempt(log, `close sandbox ${sandbox.record.id}`, () => deps.attacher.close(sandbox));
  }
  await Promise.all(services);
  await attempt(log, 'remove networks of the cluster that nobody here is on', () => deps.presence.unmakeUnused());
  await attempt(log, 'know endpoints of other hosts again', () => restoreRemote(deps, stored));
}

async function attempt(log: Log, what: string, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.error({ reason: messageOf(error) }, `cannot ${what}`);
  }
}

/** Undoes what a daemon was doing when it was killed. */
async function cleanUp(deps: RestoreDeps, id: Id, what: Unfinished): Promise<void> {
  if (what.kind === 'network') await deps.drivers.get(what.network.driver)?.removeNetwork(what.network);
  else if (what.kind === 'endpoint') await detach(deps, what.endpoint);
  else {
    if (what.path !== '') deps.host.removeNamespace(what.path);
    for (const endpoint of what.endpoints) await detach(deps, endpoint);
  }
  await deps.store.commit([drop.unfinished(id)]);
}

/** Once their rules are gone, too. */
async function forgetLeftovers({ host }: RestoreDeps, { unfinished }: StoredState): Promise<void> {
  const leftovers = unfinished.flatMap(({ what }) => {
    if (what.kind === 'network') return [];
    return what.kind === 'endpoint' ? [what.endpoint] : what.endpoints;
  });
  const addresses = leftovers.flatMap(({ spec }) => [spec.ipv4, spec.ipv6]).flatMap((cidr) => cidr?.ip ?? []);
  if (addresses.length > 0) await host.forgetFlows(flowsOf(addresses));
}

async function detach(deps: RestoreDeps, { driver, spec, state }: Leftover): Promise<void> {
  await deps.drivers.get(driver)?.detach(spec, state);
}

async function restoreNetwork(deps: RestoreDeps, record: NetworkRecord, { here }: StoredState): Promise<void> {
  const { state, ipam, drivers, store } = deps;
  const driver = record.configOnly ? undefined : drivers.get(record.driver);
  if (record.scope === 'global') {
    const made = here.get(record.id);
    const own = withState(record, made?.state);
    state.setNetwork({ record: own, driver, setup: { firewall: [] } });
    if (made === undefined) return;
    state.made.add(record.id);
    const setup = await driver?.restoreNetwork(own);
    if (setup !== undefined) state.setNetwork({ record: own, driver, setup });
    return;
  }
  for (const pool of record.pools) ipam.reservePool(record.id, pool, driver?.traits.allocatesGateway === false);
  // Known even when its driver fails: it can be inspected and removed.
  state.setNetwork({ record, driver, setup: { firewall: [] } });
  if (driver === undefined) return;
  const setup = driver.adoptNetwork?.(record) ?? (await driver.restoreNetwork(record));
  const changed = setup.state !== undefined && JSON.stringify(setup.state) !== JSON.stringify(record.driverState);
  const restored = changed ? { ...record, driverState: setup.state ?? {} } : record;
  if (changed) await store.commit([put.network(restored)]);
  state.setNetwork({ record: restored, driver, setup });
}

async function restoreSandbox(deps: RestoreDeps, record: SandboxRecord, stored: StoredState): Promise<void> {
  const log = deps.log ?? silentLog;
  const own = record.host ? { ...record, path: deps.host.ownNamespacePath() } : record;
  const sandbox: LiveSandbox = newLiveSandbox(own);
  deps.state.sandboxes.set(record.id, sandbox);
  for (const entry of stored.endpoints.filter(({ endpoint }) => endpoint.sandboxId === record.id)) {
    await attempt(log, `restore endpoint ${entry.endpoint.id}`, () => {
      const endpoint = deps.attacher.rebuild(own, entry);
      sandbox.endpoints = [...sandbox.endpoints, endpoint];
      deps.state.addEndpoint(endpoint);
    });
  }
  const lost = deps.wiring.restore(sandbox);
  if (lost.length > 0) {
    await deps.store.commit([put.sandbox(sandbox.record)]);
    log.warn({ sandbox: record.id, owner: record.ownerId, lost }, 'ports of a container were taken by another process');
  }
}

async function restoreRemote({ ours, store }: RestoreDeps, { remote: stored }: StoredState): Promise<void> {
  if (ours.now !== undefined) await ours.now.remote.resume(stored);
  else await store.commit(stored.map(({ networkId, endpointId }) => drop.remote(networkId, endpointId)));
}

async function restoreServices(deps: RestoreDeps, sandbox: LiveSandbox): Promise<void> {
  for (const endpoint of sandbox.endpoints) deps.lent.keep(endpoint);
  const named = sandbox.endpoints.flatMap((endpoint) => dnsEndpoint(endpoint) ?? []);
  await Promise.all([
    ...named.map((endpoint) => deps.resolver.addEndpoint(endpoint)),
    deps.wiring.restoreServices(sandbox),
  ]);
  await deps.wayOut.adjust(sandbox);
}
