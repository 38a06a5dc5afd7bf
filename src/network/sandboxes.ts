import { type Id, type Log, notFound, runAll, type Serial, shortId, silentLog } from '../base/index.ts';
import type {
  EndpointRecord,
  Firewall,
  Ipam,
  NetworkDriver,
  PortRequest,
  Resolver,
  SandboxLink,
  SandboxRecord,
  Store,
} from '../model/index.ts';
import type { ResolvConf } from '../services/dns/index.ts';
import type { AttachRequest, Sandboxes, SandboxSpec } from './contract.ts';
import {
  type AddressBook,
  type Attacher,
  dnsEndpoint,
  isLent,
  type LentAddresses,
  namespaceName,
  type ReservedAddress,
  sandboxResolvConf,
  type WayOut,
  type Wiring,
} from './endpoints/index.ts';
import type { GlobalEndpoints, KnownNodes, OurPart, Presence } from './global/index.ts';
import type { SandboxHost } from './host/index.ts';
import { drop, put, THIS_BOOT } from './journal.ts';
import { type Alive, restoreEverything } from './restore.ts';
import { type LiveSandbox, type NetworkState, newLiveSandbox } from './state.ts';
import { Undo } from './undo.ts';

export interface SandboxManagerDeps {
  readonly state: NetworkState;
  readonly store: Store;
  readonly ipam: Ipam;
  readonly addresses: AddressBook;
  readonly attacher: Attacher;
  readonly wiring: Wiring;
  readonly lent: LentAddresses;
  readonly wayOut: WayOut;
  readonly global: GlobalEndpoints;
  readonly presence: Presence;
  readonly nodes: KnownNodes;
  readonly ours: OurPart;
  readonly firewall: Firewall;
  readonly resolver: Resolver;
  readonly host: SandboxHost;
  readonly drivers: ReadonlyMap<string, NetworkDriver>;
  /** Calls on one sandbox, one after the other. */
  readonly turns: Serial<Id>;
  /** The host's resolv.conf, as it is now. */
  readonly hostResolvConf: () => ResolvConf;
  readonly log?: Log;
}

export interface SandboxManagerOptions {
  /** Where namespaces are pinned; `ip netns` looks in the default, /run/netns. */
  readonly netnsDir?: string;
}

export class SandboxManager implements Sandboxes {
  readonly #deps: SandboxManagerDeps;
  readonly #netnsDir: string;
  readonly #log: Log;
  readonly #turns: Serial<Id>;

  constructor(deps: SandboxManagerDeps, options: SandboxManagerOptions = {}) {
    this.#deps = deps;
    this.#turns = deps.turns;
    this.#netnsDir = options.netnsDir ?? '/run/netns';
    this.#log = deps.log ?? silentLog;
  }

  open(spec: SandboxSpec): Promise<SandboxRecord> {
    return this.#turns.run(spec.id, () => this.#open(spec));
  }

  attach(request: AttachRequest): Promise<EndpointRecord> {
    return this.#turns.run(request.sandboxId, async () => {
      const sandbox = this.#live(request.sandboxId);
      const { attacher, wayOut } = this.#deps;
      const record = await attacher.attach(sandbox, request);
      await using undo = new Undo({ log: this.#log }, `attach to network "${request.network}"`);
      undo.defer(() => attacher.detach(sandbox, record.networkId));
      await wayOut.adjust(sandbox);
      undo.keep();
      return record;
    });
  }

  detach(sandboxId: Id, networkId: Id): Promise<void> {
    return this.#turns.run(sandboxId, async () => {
      const sandbox = this.#deps.state.sandboxes.get(sandboxId);
      if (sandbox === undefined) return;
      const { attacher, wayOut } = this.#deps;
      await runAll([() => attacher.detach(sandbox, networkId), () => wayOut.adjust(sandbox)], 'cannot detach');
    });
  }

  close(sandboxId: Id): Promise<void> {
    return this.#turns.run(sandboxId, async () => {
      const sandbox = this.#deps.state.sandboxes.get(sandboxId);
      if (sandbox !== undefined) await this.#deps.attacher.close(sandbox);
    });
  }

  get(sandboxId: Id): SandboxRecord | undefined {
    return this.#deps.state.sandboxes.get(sandboxId)?.record;
  }

  endpoints(sandboxId: Id): readonly EndpointRecord[] {
    const all = this.#deps.state.sandboxes.get(sandboxId)?.endpoints ?? [];
    return all.map(({ record }) => record).filter(({ wayOut }) => wayOut !== true);
  }

  setLinks(sandboxId: Id, links: readonly SandboxLink[]): Promise<void> {
    return this.#turns.run(sandboxId, async () => {
      const sandbox = this.#live(sandboxId);
      if (JSON.stringify(sandbox.record.links ?? []) === JSON.stringify(links)) return;
      const record = { ...sandbox.record, links };
      await using undo = new Undo({ log: this.#log }, `link sandbox ${shortId(sandboxId)}`);
      await this.#deps.wiring.link(sandbox, record, undo);
      await this.#deps.store.commit([put.sandbox(record)]);
      undo.keep();
      sandbox.record = record;
    });
  }

  rename(sandboxId: Id, name: string, dnsNames: (networkId: Id) => readonly string[]): Promise<void> {
    return this.#turns.run(sandboxId, async () => {
      const sandbox = this.#live(sandboxId);
      const renamed = sandbox.endpoints.map((endpoint) => {
        const { networkId, wayOut } = endpoint.record;
        if (wayOut === true) return endpoint;
        return { ...endpoint, record: { ...endpoint.record, name, dnsNames: dnsNames(networkId) } };
      });
      await this.#deps.store.commit(renamed.map(({ order, record }) => put.endpoint({ order, endpoint: record })));
      sandbox.endpoints = renamed;
      for (const endpoint of renamed) {
        this.#deps.state.addEndpoint(endpoint);
        const named = dnsEndpoint(endpoint);
        if (named !== undefined) await this.#deps.resolver.addEndpoint(named);
        if (endpoint.network.record.scope === 'global') await this.#deps.global.rename(endpoint.record);
      }
    });
  }

  reserve(ownerId: Id, addresses: readonly ReservedAddress[]): void {
    const { networks } = this.#deps.state;
    const known = addresses.filter(({ networkId }) => {
      const network = networks.get(networkId);
      // Addresses that a server lends are not ours to keep.
      return network !== undefined && !isLent(network.record);
    });
    const isGlobal = ({ networkId }: ReservedAddress): boolean => networks.get(networkId)?.record.scope === 'global';
    const local = known.filter((address) => !isGlobal(address));
    this.#deps.global.reserve(ownerId, known.filter(isGlobal), (id) => networks.get(id)?.record);
    this.#deps.addresses.reserve(ownerId, local);
  }

  unreserve(ownerId: Id): void {
    this.reserve(ownerId, []);
  }

  restore(alive: Alive): Promise<void> {
    return restoreEverything(this.#deps, alive);
  }

  resolvConf(sandboxId: Id): { readonly text: string; readonly embedded: boolean } {
    const { record, endpoints } = this.#live(sandboxId);
    return sandboxResolvConf(record, endpoints, this.#deps.hostResolvConf());
  }

  async #open(spec: SandboxSpec): Promise<SandboxRecord> {
    const { state, store, host } = this.#deps;
    const known = state.sandboxes.get(spec.id);
    if (known !== undefined) return known.record;
    const path = spec.host ? host.ownNamespacePath() : `${this.#netnsDir}/${namespaceName(spec.id)}`;
    const record = sandboxRecord(spec, path);
    await using undo = new Undo({ log: this.#log }, `open sandbox ${shortId(spec.id)}`);
    if (!spec.host) {
      await store.commit([put.unfinished(spec.id, { kind: 'sandbox', path, endpoints: [] })], THIS_BOOT);
      undo.defer(() => (undo.failed ? undefined : store.commit([drop.unfinished(spec.id)], THIS_BOOT)));
      host.createNamespace(path, spec.sysctls);
      undo.defer(() => host.removeNamespace(path));
    }
    await store.commit([put.sandbox(record), drop.unfinished(spec.id)], THIS_BOOT);
    undo.keep();
    state.sandboxes.set(spec.id, newLiveSandbox(record));
    return record;
  }

  #live(sandboxId: Id): LiveSandbox {
    const sandbox = this.#deps.state.sandboxes.get(sandboxId);
    if (sandbox === undefined) throw notFound('sandbox_not_found', `sandbox ${sandboxId} not found`);
    return sandbox;
  }
}

function sandboxRecord(spec: SandboxSpec, path: string): SandboxRecord {
  return {
    id: spec.id,
    ownerId: spec.ownerId,
    path,
    host: spec.host,
    ports: { requested: spec.host ? [] : requestedPorts(spec), exposed: spec.exposed, published: [] },
    dns: spec.dns,
  };
}

/** `-P` adds every exposed port that `-p` does not name. */
function requestedPorts({ ports, exposed, publishAll }: SandboxSpec): readonly PortRequest[] {
  if (!publishAll) return ports;
  const named = new Set(ports.map(({ protocol, containerPort }) => `${containerPort}/${protocol}`));
  const rest = exposed.filter(({ protocol, port }) => !named.has(`${port}/${protocol}`));
  return [...ports, ...rest.map(({ protocol, port }) => ({ protocol, containerPort: port }))];
}
