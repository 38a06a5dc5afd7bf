import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { ApiCluster, ClusterStatus } from './api/index.ts';
import {
  type Clock,
  conflict,
  FairwayError,
  familyOf,
  type Id,
  type Ip,
  invalid,
  type Log,
  messageOf,
  runAll,
  Serial,
  tryParseIp,
  unavailable,
} from './base/index.ts';
import type { ClusterConfig } from './config/index.ts';
import { addressOf, type ClusterOptions, dataPathOptions } from './engine-cluster-options.ts';
import type { ClusterLink } from './engine-global-scope.ts';
import type { GlobalScope, LeavingOptions } from './network/index.ts';
import { ManagedCluster } from './services/etcd/index.ts';

export interface ClusterMembershipOptions {
  readonly dataRoot: string;
  readonly execRoot: string;
  /** Of `--cluster-store`. */
  readonly external?: ClusterOptions;
  /** `--cluster-advertise` and the data path, for a cluster that keeps its own store. */
  readonly config: Pick<ClusterConfig, 'advertise' | 'dataPath'>;
}

/** What begins and ends with membership in a running daemon. */
export interface ClusterParts {
  readonly link: ClusterLink;
  readonly networks: GlobalScope;
  readonly takeOff: LeavingOptions['takeOff'];
}

const HEARTBEAT_SECONDS = 3;
const PRESENCE_SECONDS = 10;
/** How long a store that has just answered may need for all that a node does first. */
const FIRST_PASS_MS = 30_000;

/** The cluster that this node is in, by its flags or by `fairway cluster`, and the way in and out of one, which counts at once. */
export class ClusterMembership implements ApiCluster {
  readonly #options: ClusterMembershipOptions;
  readonly #managed: ManagedCluster;
  readonly #selfId: Id;
  readonly #log: Log;
  readonly #changes = new Serial();
  readonly #ending = new AbortController();
  #parts: ClusterParts | undefined;

  private constructor(
    { managed, nodeId, log }: { readonly managed: ManagedCluster; readonly nodeId: Id; readonly log: Log },
    options: ClusterMembershipOptions,
  ) {
    this.#managed = managed;
    this.#selfId = nodeId;
    this.#log = log;
    this.#options = options;
    if (options.external !== undefined && managed.connection !== undefined) {
      throw conflict(
        'two_clusters',
        'invalid value for "cluster-store": this node is in a cluster that keeps its own store; leave it first (fairway cluster leave), without this flag',
      );
    }
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
      return new ClusterMembership({ managed, nodeId, log }, options);
    } catch (error) {
      await managed.close();
      throw error;
    }
  }

  /** What this node is in. */
  get current(): ClusterOptions | undefined {
    return this.#options.external ?? this.#managedOptions();
  }

  /** Those of this daemon; it takes part already in what was {@link current} when it started. */
  serve(parts: ClusterParts): void {
    this.#parts = parts;
  }

  async status(): Promise<ClusterStatus> {
    const external = this.#options.external;
    const view = this.#parts?.link.cluster;
    const managed = await this.#managed.status();
    const members = managed?.members ?? [];
    const addresses = new Set(members.flatMap(({ clientUrls }) => clientUrls.map((url) => new URL(url).hostname)));
    return {
      kind: external ? 'external' : managed ? 'managed' : 'none',
      endpoints: managed?.endpoints ?? external?.store.endpoints ?? [],
      advertise: this.current?.advertise.address ?? '',
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

  init({ advertise, port }: Parameters<ApiCluster['init']>[0]): Promise<string> {
    return this.#change(async () => {
      const token = await this.#managed.init({ advertise: this.#address(advertise), ...portOf(port) });
      await this.#enter();
      return token;
    });
  }

  join({ token, manager, advertise, port }: Parameters<ApiCluster['join']>[0]): Promise<void> {
    return this.#change(async () => {
      await this.#managed.join({ token, manager, advertise: this.#address(advertise), ...portOf(port) });
      await this.#enter();
    });
  }

  leave({ force }: { readonly force: boolean }): Promise<void> {
    return this.#change(async () => {
      try {
        await this.#managed.leave({ force }, () => this.#exit(force));
      } catch (error) {
        await this.#resume();
        throw error;
      }
    });
  }

  token(): Promise<string> {
    return this.#managed.token();
  }

  /** Ends what is under way, and leaves the store's member running. Repeatable. */
  async close(): Promise<void> {
    this.#ending.abort(unavailable('daemon_ending', 'the daemon is ending'));
    await this.#managed.close();
    await this.#changes.idle();
  }

  /** One at a time. */
  #change<T>(work: () => Promise<T>): Promise<T> {
    return this.#changes.run('', async () => {
      this.#ending.signal.throwIfAborted();
      if (this.#options.external !== undefined) {
        const others = 'this node is in a cluster already: that of --cluster-store, which others manage';
        throw conflict('cluster_exists', others);
      }
      return await work();
    });
  }

  /** Takes part in what {@link current} has just become; where that fails this node is in no cluster again. */
  async #enter(): Promise<void> {
    const { link, networks } = this.#running();
    try {
      const options = this.#managedOptions();
      if (options === undefined) return;
      const cluster = await link.open(options);
      networks.begin(cluster);
      await this.#takesPart(cluster);
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'cannot take part in the cluster: leaving it again');
      await this.#managed.leave({ force: true }, () => this.#exit(true));
      throw error;
    }
  }

  async #takesPart(cluster: NonNullable<ClusterLink['cluster']>): Promise<void> {
    const late = AbortSignal.timeout(FIRST_PASS_MS);
    try {
      await cluster.takesPart(AbortSignal.any([this.#ending.signal, late]));
    } catch (error) {
      if (error !== late.reason) throw error;
      const reason = cluster.problem ?? 'it takes too long';
      throw unavailable('store_unreachable', `cannot take part in the cluster: ${reason}`, error);
    }
  }

  /** A leave that failed: this node goes on in the cluster. */
  async #resume(): Promise<void> {
    const options = this.#managedOptions();
    if (this.#parts === undefined || options === undefined) return;
    const { link, networks } = this.#parts;
    if (link.cluster === undefined) networks.begin(await link.open(options));
  }

  /** Nothing of the cluster is on this host afterwards, and nothing of this host in the store. */
  async #exit(force: boolean): Promise<void> {
    const { link, networks, takeOff } = this.#running();
    const { cluster } = link;
    if (cluster === undefined) return;
    if (!force && cluster.problem !== undefined) {
      const failed = `cannot leave the cluster: other hosts cannot be told: ${cluster.problem}`;
      throw unavailable('store_unreachable', `${failed}; use --force to leave all the same`);
    }
    try {
      await networks.end({ force, takeOff });
    } catch (error) {
      if (error instanceof FairwayError && error.code === 'cluster_in_use') throw error;
      this.#log.error({ reason: messageOf(error) }, 'something of the cluster is left on this host');
    }
    await runAll([() => cluster.resign(), () => link.close()], 'cannot resign from the cluster');
  }

  #running(): ClusterParts {
    if (this.#parts !== undefined) return this.#parts;
    throw unavailable('daemon_starting', 'the daemon is starting');
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

  #address(text: string | undefined): Ip {
    const { advertise } = this.#options.config;
    if (text !== undefined) {
      const address = tryParseIp(text);
      if (address !== undefined) assertOurs(address);
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

/** Others would send to somebody else. */
function assertOurs(address: Ip): void {
  const addresses = Object.values(networkInterfaces()).flatMap((found = []) => found);
  if (addresses.some((one) => tryParseIp(one.address) === address)) return;
  throw invalid('not_our_address', `invalid value "${address}" for "advertise-addr": it is no address of this host`);
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
