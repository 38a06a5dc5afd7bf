import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { ApiCluster, ClusterStatus } from './api/index.ts';
import { type Clock, conflict, familyOf, type Id, type Ip, invalid, type Log, tryParseIp } from './base/index.ts';
import type { ClusterConfig } from './config/index.ts';
import { addressOf, type ClusterOptions, dataPathOptions } from './engine-cluster-options.ts';
import type { Cluster } from './model/index.ts';
import type { Networks } from './network/index.ts';
import { ManagedCluster } from './services/etcd/index.ts';

export interface ClusterMembershipOptions {
  readonly dataRoot: string;
  readonly execRoot: string;
  /** Of `--cluster-store`. */
  readonly external?: ClusterOptions;
  /** `--cluster-advertise` and the data path, for a cluster that keeps its own store. */
  readonly config: Pick<ClusterConfig, 'advertise' | 'dataPath'>;
}

const HEARTBEAT_SECONDS = 3;
const PRESENCE_SECONDS = 10;

/** The cluster that this node is in, by its flags or by `fairway cluster`, and the way in and out of one. */
export class ClusterMembership implements ApiCluster {
  /** What this daemon takes part in until it ends. */
  readonly active: ClusterOptions | undefined;
  readonly #options: ClusterMembershipOptions;
  readonly #managed: ManagedCluster;
  readonly #selfId: Id;
  #view: Cluster | undefined;
  #networks: Pick<Networks, 'list' | 'endpointsOf'> | undefined;

  private constructor(managed: ManagedCluster, selfId: Id, options: ClusterMembershipOptions) {
    this.#managed = managed;
    this.#selfId = selfId;
    this.#options = options;
    if (options.external !== undefined && managed.connection !== undefined) {
      throw conflict(
        'two_clusters',
        'invalid value for "cluster-store": this node is in a cluster that keeps its own store; leave it first (fairway cluster leave), without this flag',
      );
    }
    this.active = options.external ?? this.#managedOptions();
  }

  static async open(
    { nodeId, clock, log }: { readonly nodeId: Id; readonly clock: Clock; readonly log: Log },
    options: ClusterMembershipOptions,
  ): Promise<ClusterMembership> {
    const managed = await ManagedCluster.open(
      { clock, log },
      { nodeId, folder: join(options.dataRoot, 'cluster'), pidFile: join(options.execRoot, 'etcd.pid') },
    );
    try {
      return new ClusterMembership(managed, nodeId, options);
    } catch (error) {
      managed.close();
      throw error;
    }
  }

  /** The cluster as the running daemon sees it. */
  show(cluster: Cluster, networks: Pick<Networks, 'list' | 'endpointsOf'>): void {
    this.#view = cluster;
    this.#networks = networks;
  }

  async status(): Promise<ClusterStatus> {
    const external = this.#options.external;
    const view = this.#view;
    const managed = await this.#managed.status();
    const members = managed?.members ?? [];
    const addresses = new Set(members.flatMap(({ clientUrls }) => clientUrls.map((url) => new URL(url).hostname)));
    const current = external ?? this.#managedOptions();
    return {
      kind: external ? 'external' : managed ? 'managed' : 'none',
      active: current?.url === this.active?.url && current?.advertise.address === this.active?.advertise.address,
      endpoints: managed?.endpoints ?? external?.store.endpoints ?? [],
      advertise: current?.advertise.address ?? '',
      manager: managed?.manager ?? false,
      reachable: managed ? managed.members !== undefined : (view?.reachable ?? false),
      problem: managed?.problem ?? view?.problem ?? '',
      members: members.map(({ id, name, clientUrls }) => ({ id, name, endpoints: clientUrls })),
      nodes: (view?.nodes() ?? []).map(({ id, name, address, alive }) => ({
        ...{ id, name, address, alive },
        self: id === this.#selfId,
        manager: addresses.has(familyOf(address) === 6 ? `[${address}]` : address),
      })),
    };
  }

  async init({ advertise, port }: Parameters<ApiCluster['init']>[0]): Promise<string> {
    this.#assertManagedOnly();
    return this.#managed.init({ advertise: this.#address(advertise), ...portOf(port) });
  }

  async join({ token, manager, advertise, port }: Parameters<ApiCluster['join']>[0]): Promise<void> {
    this.#assertManagedOnly();
    await this.#managed.join({ token, manager, advertise: this.#address(advertise), ...portOf(port) });
  }

  async leave(options: { readonly force: boolean }): Promise<void> {
    this.#assertManagedOnly();
    await this.#managed.leave(options, async () => {
      if (!options.force) this.#assertUnused();
      await this.#view?.resign();
    });
    this.#view = undefined;
  }

  token(): Promise<string> {
    return this.#managed.token();
  }

  /** Leaves the store's member running. */
  close(): void {
    this.#managed.close();
  }

  #managedOptions(): ClusterOptions | undefined {
    const { connection } = this.#managed;
    if (connection === undefined) return undefined;
    const { store, advertise } = connection;
    return {
      store,
      // Which members there are changes; which cluster it is does not.
      url: `etcd:///${store.prefix}`,
      advertise: { address: advertise },
      heartbeatSeconds: HEARTBEAT_SECONDS,
      presenceSeconds: PRESENCE_SECONDS,
      dataPath: dataPathOptions(this.#options.config, advertise),
    };
  }

  #assertManagedOnly(): void {
    if (this.#options.external === undefined) return;
    throw conflict('cluster_exists', 'this node is in a cluster already: that of --cluster-store, which others manage');
  }

  #assertUnused(): void {
    const networks = this.#networks;
    const used = networks?.list().find(({ id, scope }) => scope === 'global' && networks.endpointsOf(id).length > 0);
    if (used === undefined) return;
    throw conflict(
      'cluster_in_use',
      `cannot leave the cluster: containers of this host are on its network "${used.name}"; stop them first, or use --force`,
    );
  }

  #address(text: string | undefined): Ip {
    const { advertise } = this.#options.config;
    if (text !== undefined) {
      const address = tryParseIp(text);
      return addressOf(address === undefined ? { link: text } : { address }, 'advertise-addr');
    }
    return advertise === undefined ? onlyAddress() : addressOf(advertise.on, 'cluster-advertise');
  }
}

function portOf(port: number | undefined): { readonly port?: number } {
  if (port === undefined) return {};
  if (port < 1 || port > 65_534)
    throw invalid('invalid_port', `invalid value ${port} for "port": it must be a number from 1 to 65534`);
  return { port };
}

/** Links that engines make; other nodes are never there. */
const MADE_BY_ENGINES = /^(?:lo|fairway|docker|br-|fw|veth|virbr|vx)/;

/** The host's, if there is no doubt which. */
export function onlyAddress(links = networkInterfaces()): Ip {
  const found = Object.entries(links).flatMap(([link, addresses = []]) =>
    MADE_BY_ENGINES.test(link)
      ? []
      : addresses.flatMap(({ address }) => tryParseIp(address) ?? []).map((ip) => ({ link, ip })),
  );
  const global = found.filter(({ ip }) => !ip.startsWith('fe80:'));
  const candidates = global.filter(({ ip }) => familyOf(ip) === 4);
  const [first, ...others] = candidates.length > 0 ? candidates : global;
  if (first !== undefined && others.length === 0) return first.ip;
  const seen = [first, ...others].flatMap((one) => (one ? [`${one.ip} on ${one.link}`] : [])).join(', ');
  throw invalid(
    'advertise_unclear',
    `cannot choose an address to advertise: ${seen === '' ? 'this host has none' : `this host has several (${seen})`}; say which with --advertise-addr`,
  );
}
