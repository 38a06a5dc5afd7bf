import { type Id, type Ip, ManualClock, newId } from '../../base/index.ts';
import type { EndpointRecord, NetworkRequest } from '../../model/index.ts';
import { StoreCluster } from '../../services/cluster/index.ts';
import { MemoryCluster, type MemoryClusterStore, MemoryStore } from '../../store/index.ts';
import type { LeavingOptions } from '../contract.ts';
import { FakeNetworking } from './fake-networking.ts';

/** A host of a simulated cluster: the whole network layer on fakes, on one way to the shared store. */
export class FakeHostNode {
  readonly id: Id = newId();
  readonly name: string;
  readonly local: MemoryStore;
  readonly #hosts: FakeHosts;
  readonly #address: Ip;
  store: MemoryClusterStore;
  cluster: StoreCluster;
  net: FakeNetworking;
  /** Sandboxes by the names of their containers. */
  readonly containers = new Map<string, Id>();

  /** `before`: the same host in another cluster. */
  constructor(hosts: FakeHosts, name: string, address: Ip, before?: FakeHostNode) {
    this.local = before?.local ?? new MemoryStore();
    this.#hosts = hosts;
    this.name = name;
    this.#address = address;
    this.store = hosts.shared.open();
    this.cluster = this.#newCluster();
    this.net = new FakeNetworking(this.local, this.cluster, this.#hosts.clock);
  }

  async start(): Promise<void> {
    await this.net.networking.start(() => true);
    await this.#hosts.settle();
  }

  /** The daemon ends and another begins; the kernel keeps what it has. `cut`: without the shared store. */
  async restart({ cut = false } = {}): Promise<void> {
    await this.net.networking.stop();
    await this.cluster.close();
    await this.store.close();
    const { overlay, driver, host } = this.net;
    this.store = this.#hosts.shared.open();
    if (cut) this.store.cut();
    this.cluster = this.#newCluster();
    this.net = new FakeNetworking(this.local, this.cluster, this.#hosts.clock);
    for (const [before, after] of [
      [overlay, this.net.overlay],
      [driver, this.net.driver],
    ] as const) {
      for (const id of before.networks) after.networks.add(id);
      for (const [id, link] of before.links) after.links.set(id, link);
      for (const [id, peers] of before.peers) after.peers.set(id, new Map(peers));
    }
    for (const path of host.pinned) this.net.host.pinned.add(path);
    await this.start();
  }

  /** While the daemon runs. `takeOff`: as a container's user would. */
  async leave({ force = false, takeOff = async () => {} }: Partial<LeavingOptions> = {}): Promise<void> {
    await this.net.networking.global.end({ force, takeOff });
    try {
      await this.cluster.resign();
    } finally {
      await this.store.close();
    }
    await this.#hosts.settle();
  }

  /** After {@link leave}, the daemon running. */
  async comeBack(): Promise<void> {
    this.store = this.#hosts.shared.open();
    this.cluster = this.#newCluster();
    this.net.networking.global.begin(this.net.faults.wrap(this.cluster, 'cluster'));
    await this.#hosts.settle();
  }

  async create(name: string, request: Partial<NetworkRequest> = {}): Promise<Id> {
    const { network } = await this.net.networking.networks.create({ name, driver: 'overlay', ...request });
    await this.#hosts.settle();
    return network.id;
  }

  /** Starts a container on these networks. */
  async run(name: string, ...networks: readonly string[]): Promise<readonly EndpointRecord[]> {
    const id = await this.net.sandbox();
    try {
      for (const network of networks) await this.net.attach(id, network, name);
    } catch (error) {
      await this.net.networking.sandboxes.close(id);
      throw error;
    }
    this.containers.set(name, id);
    await this.#hosts.settle();
    return this.net.networking.sandboxes.endpoints(id);
  }

  async end(name: string): Promise<void> {
    const id = this.containers.get(name);
    this.containers.delete(name);
    if (id !== undefined) await this.net.networking.sandboxes.close(id);
    await this.#hosts.settle();
  }

  endpoints(): readonly EndpointRecord[] {
    return [...this.containers.values()].flatMap((id) => [...this.net.networking.sandboxes.endpoints(id)]);
  }

  /** `name address` of all that can be resolved here on that network. */
  names(networkId: Id): readonly string[] {
    return [...this.net.resolver.endpoints.values()]
      .filter((endpoint) => endpoint.networkId === networkId)
      .map(({ names, ipv4 }) => `${names} ${ipv4}`)
      .sort();
  }

  /** `address underlay` of all that the driver knows on that network. */
  peers(networkId: Id): readonly string[] {
    return [...(this.net.overlay.peers.get(networkId)?.values() ?? [])]
      .map(({ ipv4, underlay }) => `${ipv4} ${underlay}`)
      .sort();
  }

  networks(): readonly string[] {
    return this.net.networking.networks
      .list()
      .filter(({ scope }) => scope === 'global')
      .map(({ name }) => name)
      .sort();
  }

  #newCluster(): StoreCluster {
    const { clock, random } = this.#hosts;
    return new StoreCluster(
      { store: this.store, local: this.local, clock, random },
      { self: { id: this.id, name: this.name, address: this.#address } },
    );
  }
}

/** Hosts of a simulated cluster, on a clock that is turned by hand. */
export class FakeHosts {
  readonly clock = new ManualClock();
  readonly shared = new MemoryCluster({ clock: this.clock });
  readonly all: FakeHostNode[] = [];
  readonly random: () => number;

  constructor(random: () => number = () => 0.5) {
    this.random = random;
  }

  static async of(...names: readonly string[]): Promise<FakeHosts> {
    const hosts = new FakeHosts();
    for (const name of names) await hosts.add(name);
    return hosts;
  }

  async add(name: string): Promise<FakeHostNode> {
    const node = new FakeHostNode(this, name, `192.0.2.${this.all.length + 1}` as Ip);
    this.all.push(node);
    await node.start();
    return node;
  }

  get(name: string): FakeHostNode {
    const node = this.all.find((one) => one.name === name);
    if (node === undefined) throw new Error(`there is no host ${name}`);
    return node;
  }

  /** What waits for nothing but other work has gone on. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
  }
}
