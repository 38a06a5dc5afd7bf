import { conflict, type Id } from '../base/index.ts';
import type {
  Attachment,
  AttachSpec,
  EndpointRecord,
  FirewallEntry,
  HeldPorts,
  NetworkDriver,
  NetworkRecord,
  NetworkSetup,
  PortRequest,
  RelayedPort,
  SandboxRecord,
} from '../model/index.ts';

/** A network in memory: its record, and what its driver made of it. */
export interface LiveNetwork {
  readonly record: NetworkRecord;
  readonly driver: NetworkDriver | undefined;
  readonly setup: NetworkSetup;
}

/** An attached endpoint in memory. */
export interface LiveEndpoint {
  readonly record: EndpointRecord;
  readonly network: LiveNetwork;
  readonly spec: AttachSpec;
  readonly attachment: Attachment;
  /** Grows with every attachment, so that a restart keeps the order. */
  readonly order: number;
}

/** The ports of a sandbox as they are held and led now. */
export interface Publication {
  /** What was asked of the allocator; when the same is asked, the same ports serve. */
  readonly requests: readonly PortRequest[];
  readonly held: HeldPorts;
}

/** Ports that go through this process. */
export interface Relay {
  readonly ports: readonly RelayedPort[];
  readonly close: () => Promise<void>;
}

/** A sandbox in memory. Only whoever holds its turn (Serial) may change it. */
export interface LiveSandbox {
  record: SandboxRecord;
  endpoints: readonly LiveEndpoint[];
  publication: Publication | undefined;
  /** What the firewall holds for it now. */
  firewall: readonly FirewallEntry[];
  relay: Relay | undefined;
}

export function newLiveSandbox(record: SandboxRecord): LiveSandbox {
  return { record, endpoints: [], publication: undefined, firewall: [], relay: undefined };
}

/** Everything that exists, by id, and what is on its way. No I/O. */
export class NetworkState {
  readonly networks = new Map<Id, LiveNetwork>();
  readonly sandboxes = new Map<Id, LiveSandbox>();
  /** Networks of global scope that exist in this host's kernel now. */
  readonly made = new Set<Id>();
  readonly #names = new Map<string, Set<Id>>();
  readonly #claimedNames = new Set<string>();
  readonly #endpoints = new Map<Id, Map<Id, LiveEndpoint>>();
  readonly #joining = new Map<Id, Map<string, string>>();
  readonly #removing = new Set<Id>();
  #order = 0;

  /** Of a name that a network of this host and one of the cluster both have, this host's: the other goes by its id. */
  networkByName(name: string): LiveNetwork | undefined {
    const all = [...(this.#names.get(name) ?? [])].flatMap((id) => this.networks.get(id) ?? []);
    return all.find(({ record }) => record.scope === 'local') ?? all[0];
  }

  /** Whether the network exists in this host's kernel: one of global scope does while endpoints of this host are on it. */
  isHere({ record }: LiveNetwork): boolean {
    return record.scope === 'local' || this.made.has(record.id);
  }

  /** Keeps the name until the disposal, so that of two creations at once one fails. */
  claimName(name: string): Disposable {
    if (this.#names.has(name) || this.#claimedNames.has(name)) {
      throw conflict('network_exists', `network with name ${name} already exists`);
    }
    this.#claimedNames.add(name);
    return { [Symbol.dispose]: () => this.#claimedNames.delete(name) };
  }

  networksHere(): readonly Id[] {
    return [...this.networks.values()].flatMap((network) => (this.isHere(network) ? [network.record.id] : []));
  }

  setNetwork(network: LiveNetwork): void {
    const { id, name } = network.record;
    this.networks.set(id, network);
    this.#names.set(name, (this.#names.get(name) ?? new Set()).add(id));
  }

  deleteNetwork(id: Id): void {
    const name = this.networks.get(id)?.record.name;
    this.networks.delete(id);
    const namesakes = name === undefined ? undefined : this.#names.get(name);
    namesakes?.delete(id);
    if (name !== undefined && namesakes?.size === 0) this.#names.delete(name);
    this.#endpoints.delete(id);
  }

  endpointsOf(networkId: Id): readonly LiveEndpoint[] {
    return [...(this.#endpoints.get(networkId)?.values() ?? [])];
  }

  findEndpoint(id: Id): LiveEndpoint | undefined {
    for (const endpoints of this.#endpoints.values()) {
      const found = endpoints.get(id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  addEndpoint(endpoint: LiveEndpoint): void {
    const { networkId, id } = endpoint.record;
    const all = this.#endpoints.get(networkId) ?? new Map<Id, LiveEndpoint>();
    this.#endpoints.set(networkId, all.set(id, endpoint));
    this.#order = Math.max(this.#order, endpoint.order);
  }

  deleteEndpoint({ networkId, id }: EndpointRecord): void {
    this.#endpoints.get(networkId)?.delete(id);
  }

  nextOrder(): number {
    this.#order += 1;
    return this.#order;
  }

  /** Says that an endpoint is on its way, so that the network stays and its name is taken. */
  join(network: NetworkRecord, endpoint: { readonly id: string; readonly name: string }): Disposable {
    const { id } = network;
    const joining = this.#joining.get(id) ?? new Map<string, string>();
    this.#joining.set(id, joining);
    joining.set(endpoint.id, endpoint.name);
    return { [Symbol.dispose]: () => joining.delete(endpoint.id) };
  }

  /** Names and ids of what is on the network or about to be. */
  usersOf(networkId: Id): readonly { readonly id: string; readonly name: string }[] {
    const joining = [...(this.#joining.get(networkId) ?? [])].map(([id, name]) => ({ id, name }));
    return [...this.endpointsOf(networkId).map(({ record }) => ({ id: record.id, name: record.name })), ...joining];
  }

  isRemoving(networkId: Id): boolean {
    return this.#removing.has(networkId);
  }

  /** Nobody may join while it lasts. */
  startRemoval(networkId: Id): Disposable {
    this.#removing.add(networkId);
    return { [Symbol.dispose]: () => this.#removing.delete(networkId) };
  }
}
