import { type Id, type Ip, type Mac, ManualClock, newId, parseCidr } from '../../../base/index.ts';
import type { ClusterEndpoint, JoinRequest, NetworkRecord, PlannedGlobalNetwork } from '../../../model/index.ts';
import { MemoryCluster, type MemoryClusterStore, MemoryStore } from '../../../store/index.ts';
import { StoreCluster } from '../cluster.ts';

/** A node of a simulation; its local store outlives its daemon. */
export class SimulatedNode {
  readonly id: Id = newId();
  readonly name: string;
  readonly local = new MemoryStore();
  readonly #simulation: Simulation;
  address: Ip;
  store: MemoryClusterStore;
  cluster: StoreCluster;
  readonly taken: ClusterEndpoint[] = [];

  constructor(simulation: Simulation, name: string, address: Ip) {
    this.#simulation = simulation;
    this.name = name;
    this.address = address;
    this.store = simulation.shared.open();
    this.cluster = this.#newCluster();
  }

  async start(endpoints: readonly ClusterEndpoint[] = []): Promise<void> {
    this.cluster.start(endpoints);
    // Calls may have to wait for their turn; with the store out of reach nothing comes of waiting.
    for (let turn = 0; turn < 500 && this.cluster.problem !== undefined; turn += 1) await new Promise(setImmediate);
  }

  /** The daemon ends, as it does for an upgrade, and another begins. */
  async restart(endpoints: readonly ClusterEndpoint[] = []): Promise<void> {
    await this.stop();
    this.store = this.#simulation.shared.open();
    this.cluster = this.#newCluster();
    await this.start(endpoints);
  }

  async stop(): Promise<void> {
    await this.cluster.close();
    await this.store.close();
  }

  #newCluster(): StoreCluster {
    const { clock, random } = this.#simulation;
    const cluster = new StoreCluster(
      { store: this.store, local: this.local, clock, random },
      { self: { id: this.id, name: this.name, address: this.address } },
    );
    cluster.onTaken((endpoint) => this.taken.push(endpoint));
    return cluster;
  }
}

/** Nodes on one simulated store, on a clock that is turned by hand, with chance that repeats. */
export class Simulation {
  readonly clock = new ManualClock();
  readonly shared: MemoryCluster;
  readonly random: () => number;
  #seed: number;
  #nodes = 0;

  constructor({ seed = 1, latency = false }: { readonly seed?: number; readonly latency?: boolean } = {}) {
    this.#seed = seed;
    // Park and Miller: enough for choosing among few.
    this.random = () => {
      this.#seed = (this.#seed * 48_271) % 0x7fff_ffff;
      return this.#seed / 0x7fff_ffff;
    };
    const turns = async (): Promise<void> => {
      for (let left = Math.floor(this.random() * 5); left > 0; left -= 1) await new Promise(setImmediate);
    };
    this.shared = new MemoryCluster({ clock: this.clock, ...(latency ? { latency: turns } : {}) });
  }

  async node(name: string): Promise<SimulatedNode> {
    const node = this.newNode(name);
    await node.start();
    return node;
  }

  newNode(name: string): SimulatedNode {
    this.#nodes += 1;
    return new SimulatedNode(this, name, `192.0.2.${this.#nodes}` as Ip);
  }

  /** What goes on without waiting for time has gone on. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  }

  /** Lets time pass until the work has ended. */
  async complete<T>(work: Promise<T>): Promise<T> {
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    work.then(end, end);
    while (!ended) await this.clock.advance(10);
    return await work;
  }
}

export function planOf(name: string, facts: Partial<PlannedGlobalNetwork> = {}): PlannedGlobalNetwork {
  return {
    ...{ id: newId(), name, created: '1', scope: 'global', driver: 'overlay', enableIpv4: true, enableIpv6: false },
    ...{ internal: false, attachable: true, ingress: false, configOnly: false, options: {}, labels: {} },
    ipam: { driver: 'default', options: {}, requested: [] },
    requests: [{ family: 4, request: {}, wantsGateway: true }],
    needsVni: true,
    busy: [],
    ...facts,
  };
}

export function subnetPlan(
  name: string,
  subnet: string,
  facts: Partial<PlannedGlobalNetwork> = {},
): PlannedGlobalNetwork {
  return planOf(name, {
    requests: [{ family: 4, request: { subnet: parseCidr(subnet) }, wantsGateway: true }],
    ...facts,
  });
}

export function joinOf(network: NetworkRecord, name: string, facts: Partial<JoinRequest> = {}): JoinRequest {
  const macOf = (): Mac => '02:42:0a:00:00:02' as Mac;
  return { endpointId: newId(), network, name, dnsNames: [name], macOf, ...facts };
}
