// The assembly: every part of a running daemon made and joined, in the order in which one needs the other. The only place
// that knows all layers.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ApiServerOptions, createApiServer, type EngineFacts, type HttpApi } from './api/index.ts';
import { LogHolder } from './armed-log-holder.ts';
import { type Cidr, type Clock, type Id, type Log, messageOf, newId, runAll, systemClock } from './base/index.ts';
import type { ClusterConfig } from './config/index.ts';
import { Containerd, ContainerdDaemon, endForgottenShims } from './containers/containerd/index.ts';
import { ImageStore } from './containers/images/index.ts';
import { type ContainerParts, type ContainersOptions, createContainers, EventLog } from './containers/index.ts';
import { type HttpClientOptions, Registry, type RegistryOptions } from './containers/registry/index.ts';
import {
  BridgeDriver,
  DiscardedLinks,
  HostDriver,
  IpvlanDriver,
  MacvlanDriver,
  NoneDriver,
  ParentLinks,
  TransparentDriver,
} from './drivers/index.ts';
import { ClusterMembership } from './engine-cluster.ts';
import type { ClusterOptions } from './engine-cluster-options.ts';
import { engineFacts } from './engine-facts.ts';
import { foreignRuleWarnings } from './engine-foreign-rules.ts';
import { ClusterLink } from './engine-global-scope.ts';
import { watchPacketFilter } from './engine-packet-filter.ts';
import { reconcilingAll } from './engine-reconciling.ts';
import { Nft, Rtnl, scratchNft, startThreadPool } from './kernel/index.ts';
import type { NetworkDriver, Store } from './model/index.ts';
import { createNetworking, type DefaultBridge, KernelHost, type Networking, type Reconciler } from './network/index.ts';
import { DhcpClient } from './services/dhcp/index.ts';
import { HostServers, NetnsSandboxSockets, ProcessResolver, type ResolvConf } from './services/dns/index.ts';
import { NftFirewall, Seal } from './services/firewall/index.ts';
import { DEFAULT_LOCAL_POOLS, PoolIpam } from './services/ipam/index.ts';
import { HostPortAllocator, hostPortDeps } from './services/ports/index.ts';
import { SplicingPortRelay } from './services/relay/index.ts';
import { StartPhases } from './start-phases.ts';
import { SqliteStore } from './store/index.ts';

/** What a daemon is told; the configuration resolves to it. */
export interface EngineOptions {
  readonly version: string;
  /** What survives a reboot. */
  readonly dataRoot: string;
  /** What does not: sockets, pipes. */
  readonly execRoot: string;
  readonly containerd: {
    /** A containerd that somebody else runs; absent: one of our own. */
    readonly socketPath?: string;
    readonly namespace: string;
    readonly snapshotter?: string;
  };
  readonly network: {
    readonly defaultBridge: DefaultBridge | false;
    /** Empty: Docker's. */
    readonly pools: readonly { readonly base: Cidr; readonly size: number }[];
    readonly ipForward: boolean;
    /** Relay what the kernel cannot translate (`--userland-proxy`). */
    readonly relay: boolean;
    /** Published ports are reached from outside by way of the host's input chains (`--published-ports`). */
    readonly respectHostFirewall: boolean;
    readonly resolvConf: string;
    /** `--dns` and its like; what is given stands in place of the host's. */
    readonly dns: ResolvConf;
  };
  /** Networks that several hosts share, in a store that others keep (`--cluster-store`); absent: none, or one of our own. */
  readonly cluster?: ClusterOptions;
  readonly clusterConfig: Pick<ClusterConfig, 'advertise' | 'dataPath'>;
  readonly containers: Omit<ContainersOptions, 'dataRoot' | 'execRoot'>;
  /** Asked anew for every `docker info`, so that a reload shows. */
  readonly facts: () => Pick<
    EngineFacts,
    'debug' | 'experimental' | 'liveRestore' | 'labels' | 'insecureRegistries' | 'registryMirrors' | 'proxies'
  >;
  readonly registry: RegistryOptions & HttpClientOptions;
}

/** A daemon without its listeners. */
export interface Engine {
  readonly api: HttpApi;
  readonly events: EventLog;
  readonly id: Id;
  configureRegistry(options: RegistryOptions): void;
  /** To be called when clients are served: does what none of them waits for. */
  settle(): Promise<void>;
  /** Leaves containers and their networks as they are. */
  close(): Promise<void>;
}

export async function startEngine(options: EngineOptions, log: Log): Promise<Engine> {
  await using undo = new AsyncDisposableStack();
  const clock = systemClock;
  const phases = new StartPhases();
  // Threads inherit the namespace in which they begin: the pool's must begin before anybody enters another.
  startThreadPool();
  for (const folder of [options.dataRoot, options.execRoot]) mkdirSync(folder, { recursive: true, mode: 0o711 });
  const id = engineId(join(options.dataRoot, 'engine-id'));
  const storePath = join(options.dataRoot, 'fairway.db');
  const store: Store = SqliteStore.open(storePath);
  undo.defer(() => store.close());
  const events = new EventLog({ clock, log });
  const membership = await ClusterMembership.open(
    { nodeId: id, clock, log },
    {
      dataRoot: options.dataRoot,
      execRoot: options.execRoot,
      config: options.clusterConfig,
      ...(options.cluster && { external: options.cluster }),
    },
  );
  undo.defer(() => membership.close());
  phases.done('store');

  // It answers while networks are opened.
  const connecting = connectContainerd(options, undo, log);
  // Whoever needs it is told.
  connecting.catch(() => {});
  const { networking, link, firewall, seal, foreignRules, resolver, hostServers, pools, drivers } =
    await openNetworking(options, { id, store, events, clock, log, cluster: membership.current }, undo);
  const { networks, sandboxes } = networking;

  // Containers.
  const { dataRoot, execRoot } = options;
  const logOptions = { dataRoot, execRoot, ...pick(options.containers) };
  // Not before: should networks fail to open, the log holder of the daemon before goes on.
  const [containerd, holder] = await Promise.all([
    connecting,
    LogHolder.takeOver({ ...logOptions, store: storePath }).then((one) => undo.use(one)),
  ]);
  seal.keptBy((socketFd) => holder.keep('seal', [socketFd]));
  phases.done('containerd');
  const images: ImageStore = new ImageStore({
    engine: containerd,
    usedBy: (imageId) => parts.imageUsers(imageId),
    clock,
    log,
  });
  const tasks = endForgottenShims(containerd, { log });
  // Whoever needs them is told.
  tasks.catch(() => {});
  await images.findStaleLeases();
  const registry = undo.use(new Registry({ engine: containerd, store: images, clock }, options.registry));
  phases.done('tasks');
  const parts = createContainers(
    { containerd, images, networks, sandboxes, store, events, keeper: holder, clock, log },
    { ...options.containers, dataRoot, execRoot },
  );
  undo.defer(() => parts.close());
  images.events.on(({ action, id: imageId, name }) =>
    events.publish({ type: 'image', action, id: imageId, attributes: { name } }),
  );
  let resolving: Promise<void> | undefined;
  await parts.restore({
    tasks,
    networks: async (alive) => {
      phases.done('records');
      await networking.start(alive);
      phases.done('networks');
      // The one before answers until this one does; nobody need wait for it to begin.
      resolving = resolver.start();
      resolving.catch(() => {});
    },
  });
  holder.forgetFound();
  phases.done('containers');
  // It may have changed while no daemon was there.
  parts.followResolvConf();
  hostServers.changes.on(() => parts.followResolvConf());

  const reconciler = networking.reconciler((ownerId) => parts.processOf(ownerId));
  undo.use(networking.watch(reconciler));
  undo.use(watchPacketFilter(firewall, { clock, log }));

  // The door.
  const serverOptions: ApiServerOptions = { version: options.version, experimental: options.facts().experimental };
  const api = createApiServer(
    {
      networks,
      ...parts,
      images,
      registry,
      events,
      cluster: membership,
      reconciling: reconcilingAll([reconciler, parts.reconciler]),
      facts: () => engineFacts(options, { id, containerd, pools, drivers, cluster: link.options, foreignRules }),
      clock,
      log,
    },
    serverOptions,
  );
  membership.serve({
    link,
    networks: networking.global,
    takeOff: (ownerId, networkId) => parts.containers.disconnect(ownerId, networkId, { force: true }),
  });
  // Whoever goes in or out of a cluster comes to an end first.
  undo.defer(() => membership.close());
  let closing = false;
  const running = undo.move();
  phases.done('api');
  return {
    api,
    events,
    id,
    settle: async () => {
      phases.done('listen');
      phases.log(log, 'clients are served');
      await resolving?.catch((error) => {
        // Told to end meanwhile, it need not.
        if (!closing) throw error;
      });
      await settle({ parts, networking, reconciler, foreignRules, log });
      phases.done('settle');
      phases.log(log, 'everything is settled');
    },
    configureRegistry: (next) => registry.configure(next),
    close: async () => {
      closing = true;
      api.close();
      await running.disposeAsync();
    },
  };
}

/** A step that fails, if only because the daemon is told to end meanwhile, does not keep the others from being done. */
async function settle(deps: {
  readonly parts: Pick<ContainerParts, 'sweep'>;
  readonly networking: Pick<Networking, 'settle'>;
  readonly reconciler: Reconciler;
  readonly foreignRules: () => readonly string[];
  readonly log: Log;
}): Promise<void> {
  const { parts, networking, reconciler, foreignRules, log } = deps;
  try {
    await runAll(
      [
        () => parts.sweep(),
        () => networking.settle(reconciler),
        () => {
          for (const warning of foreignRules()) log.warn({}, warning);
        },
      ],
      'cannot settle everything after the start',
    );
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'something is left of what an earlier daemon did');
  }
}

interface Shared {
  /** That this host is in when the daemon starts. */
  readonly cluster: ClusterOptions | undefined;
  readonly id: Id;
  readonly store: Store;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly log: Log;
}

/** The kernel, the services on it, and networks on both. */
async function openNetworking(
  options: EngineOptions,
  { id, store, events, clock, log, cluster }: Shared,
  undo: AsyncDisposableStack,
) {
  const { dns } = options.network;
  const rtnl = undo.use(Rtnl.open());
  const nft = undo.use(Nft.open());
  const discarded = undo.use(new DiscardedLinks({ rtnl, clock, log }));
  const hostServers = undo.use(new HostServers(options.network.resolvConf, { log }));
  const resolver = new ProcessResolver(
    { sockets: new NetnsSandboxSockets(), log },
    {
      hostServers: overridden(hostServers.current, dns).servers,
      handoverFolder: options.execRoot,
      // While no daemon lives, it follows the file itself.
      ...(dns.servers.length > 0 ? {} : { resolvConf: options.network.resolvConf }),
    },
  );
  resolver.prepare();
  hostServers.changes.on((conf) => resolver.setHostServers(overridden(conf, dns).servers));
  undo.defer(() => resolver.close());
  const ports = new HostPortAllocator(hostPortDeps());
  const parents = new ParentLinks({ rtnl });
  const pools = options.network.pools.length > 0 ? options.network.pools : DEFAULT_LOCAL_POOLS;
  const { respectHostFirewall } = options.network;
  const seal = undo.use(Seal.open({ open: (work) => Nft.openOwner(work), log }));
  const firewall = new NftFirewall({ nft, seal, scratch: scratchNft, log }, { respectHostFirewall });
  const link = new ClusterLink(
    { id, store, rtnl, discarded, clock, log },
    { ipForward: options.network.ipForward, dataPort: options.clusterConfig.dataPath.port },
  );
  undo.defer(() => link.close());
  const drivers: readonly NetworkDriver[] = [
    new BridgeDriver({ rtnl, discarded, log }, { ipForward: options.network.ipForward }),
    new HostDriver(),
    new NoneDriver(),
    new MacvlanDriver({ rtnl, parents }),
    new IpvlanDriver({ rtnl, parents }),
    new TransparentDriver({ rtnl, discarded, parents, log }),
    link.driver,
  ];
  const networking = createNetworking(
    {
      store,
      ipam: new PoolIpam({ engineId: id }, { localPools: pools }),
      firewall,
      ports,
      ...(options.network.relay ? { relay: new SplicingPortRelay({ sockets: ports, log }) } : {}),
      resolver,
      leases: new DhcpClient({ clock, log }),
      drivers,
      ...(cluster && { cluster: await link.open(cluster) }),
      host: new KernelHost({ rtnl }),
      events,
      hostResolvConf: () => overridden(hostServers.current, dns),
      clock,
      log,
    },
    { defaultBridge: options.network.defaultBridge, relayPublished: respectHostFirewall },
  );
  undo.defer(() => networking.stop());
  const foreignRules = (): readonly string[] => foreignRuleWarnings({ nft, rtnl, firewall, log });
  return { networking, link, firewall, seal, foreignRules, resolver, hostServers, pools, drivers };
}

async function connectContainerd(options: EngineOptions, undo: AsyncDisposableStack, log: Log): Promise<Containerd> {
  const { namespace, snapshotter } = options.containerd;
  let { socketPath } = options.containerd;
  if (socketPath === undefined) {
    const state = join(options.execRoot, 'containerd');
    const own = await ContainerdDaemon.ensure({
      root: join(options.dataRoot, 'containerd'),
      state,
      socketPath: join(state, 'containerd.sock'),
      log,
    });
    undo.defer(() => own.release());
    socketPath = own.socketPath;
  }
  return undo.use(
    await Containerd.connect({ socketPath, namespace, log, ...(snapshotter === undefined ? {} : { snapshotter }) }),
  );
}

function pick({
  logDriver,
  logOptions,
}: EngineOptions['containers']): Pick<ContainersOptions, 'logDriver' | 'logOptions'> {
  return {
    ...(logDriver === undefined ? {} : { logDriver }),
    ...(logOptions === undefined ? {} : { logOptions }),
  };
}

function overridden(host: ResolvConf, daemon: ResolvConf): ResolvConf {
  return {
    servers: daemon.servers.length > 0 ? daemon.servers : host.servers,
    search: daemon.search.length > 0 ? daemon.search : host.search,
    options: daemon.options.length > 0 ? daemon.options : host.options,
    ...(daemon.servers.length === 0 && host.behind !== undefined ? { behind: host.behind } : {}),
  };
}

/** Made once, kept with the data. */
function engineId(path: string): Id {
  if (existsSync(path)) return readFileSync(path, 'utf8').trim() as Id;
  const id = newId();
  writeFileSync(path, `${id}\n`);
  return id;
}
