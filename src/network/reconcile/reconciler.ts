import { setImmediate } from 'node:timers/promises';
import { type Id, type Log, messageOf, type Serial, silentLog } from '../../base/index.ts';
import type { Drift, Firewall, NetworkDriver, Reconciliation, Reconciling, Store } from '../../model/index.ts';
import { defaultRoutes, driverOf, selectGateways, type Wiring, withLease, withPorts } from '../endpoints/index.ts';
import type { SandboxHost } from '../host/index.ts';
import { put } from '../journal.ts';
import type { LiveEndpoint, LiveNetwork, LiveSandbox, NetworkState } from '../state.ts';
import { Undo } from '../undo.ts';
import { knownObjects, networkDrift, orphans, sandboxDrift } from './verify.ts';

export interface ReconcilerDeps {
  readonly state: NetworkState;
  readonly store: Store;
  readonly drivers: ReadonlyMap<string, NetworkDriver>;
  readonly host: SandboxHost;
  readonly firewall: Firewall;
  readonly wiring: Wiring;
  /** Of sandboxes: nobody changes one while it is looked at. */
  readonly turns: Serial<Id>;
  /** Of networks of global scope: made and unmade one at a time. */
  readonly networkTurns: Serial<Id>;
  /** Where namespaces are pinned. */
  readonly netnsDir: string;
  /** A process that lives in the sandboxes of that owner. */
  readonly processOf: (ownerId: Id) => number | undefined;
  readonly log?: Log;
}

/** Compares what is remembered with what the machine has, and makes it good by difference. Repeatable, at any time. */
export class Reconciler implements Reconciling {
  readonly #deps: ReconcilerDeps;
  readonly #log: Log;

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    this.#log = deps.log ?? silentLog;
  }

  /** Everything that is not as it should be; touches nothing. */
  async verify(): Promise<readonly Drift[]> {
    const { state, store, host, firewall, turns } = this.#deps;
    const found: Drift[] = [...state.networks.values()].flatMap((network) => this.#networkDrift(network));
    for (const id of [...state.sandboxes.keys()]) {
      found.push(...(await turns.run(id, () => this.#look(id, (sandbox) => sandboxDrift(host, sandbox)) ?? [])));
    }
    found.push(...(await firewall.verify()));
    found.push(...orphans(this.#deps, await knownObjects(state, store)));
    return found;
  }

  /** Makes good what is missing or different. What works is not touched, and orphans stay. */
  async repair(): Promise<Reconciliation> {
    const { state, firewall } = this.#deps;
    const objects = await this.repairOnly({ networks: state.networks.keys(), sandboxes: state.sandboxes.keys() });
    const rules = await this.#attempt(await firewall.verify(), () => firewall.replaceAll(firewall.entries()));
    return together([objects, rules]);
  }

  /** {@link repair} of these alone, without the packet filter. */
  async repairOnly(only: {
    readonly networks: Iterable<Id>;
    readonly sandboxes: Iterable<Id>;
  }): Promise<Reconciliation> {
    const { state, turns } = this.#deps;
    const results: Reconciliation[] = [];
    // First the bridges: the ports of endpoints are put into them.
    for (const id of [...only.networks]) {
      const network = state.networks.get(id);
      if (network === undefined) continue;
      results.push(await this.#attempt(this.#networkDrift(network), () => this.#repairNetwork(network)));
      await setImmediate();
    }
    for (const id of [...only.sandboxes]) {
      results.push(await turns.run(id, () => this.#look(id, (sandbox) => this.#repairSandbox(sandbox)) ?? NOTHING));
      // There may be hundreds; clients are served in between.
      await setImmediate();
    }
    return together(results);
  }

  /** Removes what carries our mark and belongs to nothing that exists. */
  async collect(): Promise<Reconciliation> {
    const { state, store, drivers, host } = this.#deps;
    const known = await knownObjects(state, store);
    const found = orphans(this.#deps, known);
    const results: Reconciliation[] = [];
    for (const drift of found.filter(({ kind }) => kind === 'namespace')) {
      results.push(await this.#attempt([drift], () => host.removeNamespace(drift.object)));
    }
    for (const driver of drivers.values()) {
      const own = driver.orphans?.(known) ?? [];
      if (own.length > 0) results.push(await this.#attempt(own, () => driver.sweep?.(known)));
    }
    return together(results);
  }

  #networkDrift(network: LiveNetwork): readonly Drift[] {
    const { state } = this.#deps;
    return !state.isHere(network) || state.isRemoving(network.record.id) ? [] : networkDrift(network);
  }

  #look<T>(id: Id, work: (sandbox: LiveSandbox) => T): T | undefined {
    const sandbox = this.#deps.state.sandboxes.get(id);
    return sandbox === undefined ? undefined : work(sandbox);
  }

  /** Nobody makes or unmakes one of global scope meanwhile. */
  #repairNetwork({ record, driver }: LiveNetwork): Promise<void> {
    const { state, networkTurns } = this.#deps;
    return networkTurns.run(record.id, async () => {
      const network = state.networks.get(record.id);
      if (network === undefined || !state.isHere(network)) return;
      const setup = await driver?.restoreNetwork(record);
      if (setup !== undefined) state.setNetwork({ record, driver, setup });
    });
  }

  async #repairSandbox(sandbox: LiveSandbox): Promise<Reconciliation> {
    const { host } = this.#deps;
    const drift = sandboxDrift(host, sandbox);
    const ports = await this.#attempt(drift.filter(isPort), () => this.#reclaimPorts(sandbox));
    const lost = drift.filter(({ kind }) => kind === 'namespace');
    const pinned = await this.#attempt(lost, () => this.#pin(sandbox));
    if (pinned.failed.length > 0) return together([ports, pinned]);
    const inside = (lost.length > 0 ? sandboxDrift(host, sandbox) : drift).filter((one) => !isPort(one));
    return together([ports, pinned, await this.#attempt(inside, () => this.#repairInside(sandbox, inside))]);
  }

  /** Those that can be had again lead to the container again. */
  async #reclaimPorts(sandbox: LiveSandbox): Promise<void> {
    const { store, wiring } = this.#deps;
    const taken = sandbox.publication?.held.reclaim() ?? [];
    await using undo = new Undo({ log: this.#log }, 'publish ports again');
    const published = await wiring.change(sandbox, sandbox.endpoints, undo);
    const record = withPorts(sandbox.record, published);
    if (record !== sandbox.record) await store.commit([put.sandbox(record)]);
    undo.keep();
    sandbox.record = record;
    const [port] = taken;
    if (port !== undefined) throw new Error(`port ${port.hostPort}/${port.protocol} is taken by another process`);
  }

  #pin({ record }: LiveSandbox): void {
    const pid = this.#deps.processOf(record.ownerId);
    if (pid === undefined) throw new Error('no process lives in it');
    this.#deps.host.pinNamespace(record.path, pid);
  }

  async #repairInside(sandbox: LiveSandbox, drift: readonly Drift[]): Promise<void> {
    const { host, state, store, wiring } = this.#deps;
    const broken = new Set(drift.flatMap(({ endpointId }) => endpointId ?? []));
    const endpoints: LiveEndpoint[] = [];
    for (const endpoint of sandbox.endpoints) {
      endpoints.push(broken.has(endpoint.record.id) ? await this.#repairEndpoint(sandbox, endpoint) : endpoint);
    }
    await using undo = new Undo({ log: this.#log }, 'repair a sandbox');
    await wiring.change(sandbox, endpoints, undo);
    await store.commit(endpoints.map(({ order, record }) => put.endpoint({ order, endpoint: record })));
    undo.keep();
    sandbox.endpoints = endpoints;
    for (const endpoint of endpoints) state.addEndpoint(endpoint);
    host.setDefaultRoutes(sandbox.record.path, defaultRoutes(selectGateways(endpoints)), {});
  }

  async #repairEndpoint(sandbox: LiveSandbox, endpoint: LiveEndpoint): Promise<LiveEndpoint> {
    const { spec, attachment: before } = endpoint;
    const driver = driverOf(endpoint.network);
    const repaired = (await driver.repairAttachment?.(spec, before.state)) ?? before;
    const { lease } = endpoint.record;
    const attachment = lease === undefined ? repaired : withLease(repaired, spec.network, lease);
    if (attachment.ifname !== undefined) {
      this.#deps.host.addRoutes(sandbox.record.path, attachment.ifname, attachment.routes ?? []);
    }
    driver.announce?.(spec, attachment.state);
    return { ...endpoint, attachment, record: { ...endpoint.record, driverState: attachment.state } };
  }

  async #attempt(drift: readonly Drift[], work: () => unknown): Promise<Reconciliation> {
    if (drift.length === 0) return NOTHING;
    const objects = drift.map(({ problem, object, detail }) => `${object}: ${detail ?? problem}`);
    try {
      await work();
      this.#log.warn({ objects }, 'made good what somebody else changed');
      return { done: drift, failed: [] };
    } catch (error) {
      const reason = messageOf(error);
      this.#log.error({ objects, reason }, 'cannot make good what somebody else changed');
      return { done: [], failed: drift.map((one) => ({ ...one, reason })) };
    }
  }
}

function isPort({ kind }: Drift): boolean {
  return kind === 'port';
}

const NOTHING: Reconciliation = { done: [], failed: [] };

function together(results: readonly Reconciliation[]): Reconciliation {
  return { done: results.flatMap(({ done }) => done), failed: results.flatMap(({ failed }) => failed) };
}
