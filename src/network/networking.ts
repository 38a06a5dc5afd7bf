import { type Clock, type Id, type Log, runAll, Serial, silentLog, systemClock } from '../base/index.ts';
import type {
  Cluster,
  EventSink,
  Firewall,
  Ipam,
  Leases,
  NetworkDriver,
  PortAllocator,
  PortRelay,
  Resolver,
  Store,
} from '../model/index.ts';
import type { ResolvConf } from '../services/dns/index.ts';
import type { GlobalScope, Networks, Sandboxes } from './contract.ts';
import { AddressBook, Attacher, LentAddresses, WayOut, Wiring } from './endpoints/index.ts';
import { ClusterScope, GlobalEndpoints, KnownNodes, OurPart, Presence } from './global/index.ts';
import type { SandboxHost } from './host/index.ts';
import { sweepLinks } from './leftover-links.ts';
import { NetworkManager } from './networks.ts';
import { type DefaultBridge, makePredefined } from './predefined.ts';
import { Reconciler, watchHost } from './reconcile/index.ts';
import type { Alive } from './restore.ts';
import { SandboxManager } from './sandboxes.ts';
import { NetworkState } from './state.ts';

export interface NetworkingDeps {
  readonly store: Store;
  readonly ipam: Ipam;
  readonly firewall: Firewall;
  readonly ports: PortAllocator;
  /** Absent: as dockerd without its userland proxy. */
  readonly relay?: PortRelay;
  readonly resolver: Resolver;
  /** Absent: networks cannot leave addresses to DHCP servers. */
  readonly leases?: Leases;
  readonly drivers: readonly NetworkDriver[];
  readonly host: SandboxHost;
  readonly events: EventSink;
  /** That this host is in from the start. Absent: all networks are of this host alone, until {@link Networking.global} begins. */
  readonly cluster?: Cluster;
  /** The host's resolv.conf, as it is now. */
  readonly hostResolvConf: () => ResolvConf;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface NetworkingOptions {
  /** Where namespaces are pinned; `ip netns` looks in the default, /run/netns. */
  readonly netnsDir?: string;
  /** false: no network called `bridge`. */
  readonly defaultBridge?: DefaultBridge | false;
  /** Every published port is served by the relay, which the packet filter leaves to it for what comes from outside. */
  readonly relayPublished?: boolean;
}

export interface Networking {
  readonly networks: Networks;
  readonly sandboxes: Sandboxes;
  /** After {@link start}. */
  readonly global: GlobalScope;
  /**
   * To be called once, before anything else: takes up what the store knows, closes the sandboxes that `alive` does not
   * name, and makes the predefined networks.
   */
  start(alive: Alive): Promise<void>;
  /** After it, at any time: makes good what of the networks has changed meanwhile, and removes links that nobody knows. */
  settle(reconciler: Reconciler): Promise<void>;
  /** `processOf`: one that lives in the sandboxes of that owner, by which an unpinned namespace is found again. */
  reconciler(processOf: (ownerId: Id) => number | undefined): Reconciler;
  /** Makes good what others take away from us on the host, as it happens. */
  watch(reconciler: Reconciler): Disposable;
  /** Lets go of what this process holds (ports of the host, relays). Containers and their packets go on without it. */
  stop(): Promise<void>;
}

/** Puts the parts of orchestration together. The caller owns, and closes, what it passes in. */
export function createNetworking(deps: NetworkingDeps, options: NetworkingOptions = {}): Networking {
  const { store, ipam, firewall, host, events, resolver, ports, relay, hostResolvConf } = deps;
  const log = deps.log ?? silentLog;
  const clock = deps.clock ?? systemClock;
  const drivers = new Map(deps.drivers.map((driver) => [driver.traits.name, driver]));
  const state = new NetworkState();
  const netnsDir = options.netnsDir ?? '/run/netns';
  const addresses = new AddressBook({ ipam });
  const { relayPublished = false } = options;
  const wiring = new Wiring(
    { host, firewall, ports, resolver, log, ...(relay === undefined ? {} : { relay }) },
    { relayPublished },
  );
  const turns = new Serial<Id>();
  const networkTurns = new Serial<Id>();
  const { leases } = deps;
  const ours = new OurPart();
  const lent = new LentAddresses({ state, store, wiring, host, resolver, leases, turns, log });
  const presence = new Presence({ state, store, firewall, ours, turns: networkTurns, log });
  const nodes = new KnownNodes({ ours, firewall, store, log });
  const global = new GlobalEndpoints({ ours });
  const attacher = new Attacher({
    state,
    store,
    addresses,
    global,
    presence,
    wiring,
    lent,
    firewall,
    host,
    resolver,
    events,
    clock,
    log,
  });
  const hostServers = (): ResolvConf['servers'] => hostResolvConf().servers;
  const networks = new NetworkManager({
    ...{ state, store, ipam, addresses, firewall, host, drivers, events, hostServers, clock, log },
    ours,
  });
  const wayOut = new WayOut({ attacher, network: () => networks.gatewayNetwork() });
  const sandboxes = new SandboxManager(
    {
      ...{ state, store, ipam, addresses, attacher, wiring, lent, turns, wayOut, global, presence, nodes, ours },
      ...{ firewall, resolver, host, drivers, hostResolvConf, log },
    },
    { netnsDir },
  );
  const scope = new ClusterScope({
    ...{ ours, state, store, drivers, resolver, presence, nodes, endpoints: global, sandboxes, events, clock, log },
  });
  return {
    networks,
    sandboxes,
    global: scope,
    reconciler: (processOf) =>
      new Reconciler({ state, store, drivers, host, firewall, wiring, turns, networkTurns, netnsDir, processOf, log }),
    watch: (reconciler) => watchHost({ state, host, reconciler, netnsDir, clock, log }),
    start: async (alive) => {
      if (deps.cluster !== undefined) scope.open(deps.cluster);
      await sandboxes.restore(alive);
      // A store that begins anew: what was made for an earlier one is in the way.
      if (state.networks.size === 0) await sweepLinks({ state, store, drivers, log });
      scope.follow();
      await makePredefined({ networks, state, log }, options.defaultBridge ?? {});
    },
    settle: async (reconciler) => {
      await reconciler.repairOnly({ networks: state.networks.keys(), sandboxes: [] });
      await sweepLinks({ state, store, drivers, log });
    },
    stop: async () => {
      scope.stop();
      lent.stop();
      const all = [...state.sandboxes.values()];
      await runAll(
        all.map((sandbox) => () => wiring.stop(sandbox)),
        'cannot stop networking',
      );
    },
  };
}
