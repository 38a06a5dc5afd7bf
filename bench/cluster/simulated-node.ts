import { type Id, newId, parseCidr, parseIp, parseMac } from '../../src/base/index.ts';
import type { ClusterEndpoint, EndpointNews, NetworkRecord } from '../../src/model/index.ts';
import { StoreCluster } from '../../src/services/cluster/index.ts';
import { EtcdStore, MemoryStore } from '../../src/store/index.ts';
import { machineNow, type NodeView } from './orders.ts';

/** As many addresses as a /16 has, so that no simulated network is too small. */
const PREFIX_LENGTH = 16;

/** A node without containers: a connection to etcd of its own, and all that a daemon does with the cluster. */
export class SimulatedNode {
  readonly number: number;
  readonly #store: EtcdStore;
  readonly #cluster: StoreCluster;
  readonly #networks = new Map<number, NetworkRecord>();
  readonly #own: { readonly network: number; readonly endpoint: ClusterEndpoint }[] = [];
  readonly #others = new Map<number, Map<Id, string>>();
  readonly #heard = new Map<string, number>();
  readonly #dead = new Map<Id, number>();

  private constructor(number: number, store: EtcdStore) {
    this.number = number;
    this.#store = store;
    const self = {
      id: nodeId(number),
      name: `node-${number}`,
      address: parseIp(`100.64.${number >> 8}.${number & 255}`),
    };
    this.#cluster = new StoreCluster({ store, local: new MemoryStore() }, { self });
  }

  static async start(
    number: number,
    where: { readonly endpoints: readonly string[]; readonly prefix: string },
  ): Promise<SimulatedNode> {
    const node = new SimulatedNode(number, await EtcdStore.open(where));
    node.#cluster.start([]);
    node.#cluster.followNetworks(({ set }) => {
      for (const network of set) node.#networks.set(Number(network.name.slice(4)), network);
    });
    await until(() => node.#cluster.reachable);
    return node;
  }

  async createNetwork(network: number): Promise<void> {
    await this.#cluster.createNetwork({
      id: newId(),
      name: `net-${network}`,
      created: '0',
      scope: 'global',
      driver: 'overlay',
      enableIpv4: true,
      enableIpv6: false,
      internal: false,
      attachable: true,
      ingress: false,
      configOnly: false,
      options: {},
      labels: {},
      ipam: { driver: 'default', options: {}, requested: [] },
      requests: [
        {
          family: 4,
          request: { subnet: parseCidr(`10.${network}.0.0/${PREFIX_LENGTH}`) },
          wantsGateway: true,
        },
      ],
      needsVni: true,
      busy: [],
    });
  }

  async follow(network: number): Promise<void> {
    await until(() => this.#networks.has(network));
    const others = new Map<Id, string>();
    this.#others.set(network, others);
    this.#cluster.followEndpoints(this.#record(network), (news) => this.#hear(news, others));
  }

  async join(network: number, name: string): Promise<void> {
    const endpoint = await this.#cluster.join({
      endpointId: newId(),
      network: this.#record(network),
      name,
      dnsNames: [name],
      macOf: ({ ipv4 }) => parseMac(macText(ipv4?.ip ?? '0.0.0.0')),
    });
    this.#own.push({ network, endpoint });
  }

  /** When it heard of the name. */
  async heardOf(name: string): Promise<number> {
    await until(() => this.#heard.has(name));
    return this.#heard.get(name) ?? Number.NaN;
  }

  async heardDead(node: number): Promise<number> {
    const id = nodeId(node);
    await until(() => this.#dead.has(id));
    return this.#dead.get(id) ?? Number.NaN;
  }

  view(): NodeView {
    return {
      node: this.number,
      own: this.#own.map(({ network, endpoint }) => `${network}:${endpoint.ipv4?.ip}`).sort(),
      others: Object.fromEntries([...this.#others].map(([network, found]) => [network, found.size])),
    };
  }

  async close(): Promise<void> {
    await this.#cluster.close();
    await this.#store.close();
  }

  #record(network: number): NetworkRecord {
    const record = this.#networks.get(network);
    if (record === undefined) throw new Error(`node ${this.number} knows no network ${network}`);
    return record;
  }

  #hear({ all, set, removed }: EndpointNews, others: Map<Id, string>): void {
    const now = machineNow();
    if (all) others.clear();
    for (const { endpointId, name, nodeId: of, names } of set) {
      others.set(endpointId, name);
      if (!names && !this.#dead.has(of)) this.#dead.set(of, now);
      if (name.startsWith('late-')) this.#heard.set(name, now);
    }
    for (const id of removed) others.delete(id);
  }
}

function nodeId(number: number): Id {
  return number.toString(16).padStart(64, '0') as Id;
}

function macText(ip: string): string {
  const bytes = ip.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `02:42:${bytes.join(':')}`;
}

/** Looks often: what it waits for is an event of this process. */
async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 120_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('a simulated node waited two minutes');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
