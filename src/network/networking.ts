import { type Clock, type Log, runAll, silentLog, systemClock } from '../base/index.ts';
import type {
  EventSink,
  Firewall,
  Ipam,
  NetworkDriver,
  PortAllocator,
  PortRelay,
  Resolver,
  SandboxRecord,
  Store,
} from '../model/index.ts';
import type { ResolvConf } from '../services/dns/index.ts';
import type { Networks, Sandboxes } from './contract.ts';
import { AddressBook, Attacher, Wiring } from './endpoints/index.ts';
import type { SandboxHost } from './host/index.ts';
import { NetworkManager } from './networks.ts';
import { type DefaultBridge, makePredefined } from './predefined.ts';
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
  readonly drivers: readonly NetworkDriver[];
  readonly host: SandboxHost;
  readonly events: EventSink;
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
}

export interface Networking {
  readonly networks: Networks;
  readonly sandboxes: Sandboxes;
  /**
   * To be called once, before anything else: takes up what the store knows, closes the sandboxes that `alive` does not
   * name, and makes the predefined networks.
   */
  start(alive: (sandbox: SandboxRecord) => boolean): Promise<void>;
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
  const addresses = new AddressBook({ ipam });
  const wiring = new Wiring({ host, firewall, ports, resolver, log, ...(relay === undefined ? {} : { relay }) });
  const attacher = new Attacher({ state, store, addresses, wiring, host, resolver, events, clock, log });
  const hostServers = (): ResolvConf['servers'] => hostResolvConf().servers;
  const networks = new NetworkManager({
    ...{ state, store, ipam, addresses, firewall, host, drivers, events, hostServers, clock, log },
  });
  const sandboxes = new SandboxManager(
    { state, store, ipam, addresses, attacher, wiring, firewall, resolver, host, drivers, hostResolvConf, log },
    options.netnsDir === undefined ? {} : { netnsDir: options.netnsDir },
  );
  return {
    networks,
    sandboxes,
    start: async (alive) => {
      await sandboxes.restore(alive);
      await makePredefined({ networks, state, log }, options.defaultBridge ?? {});
    },
    stop: async () => {
      const all = [...state.sandboxes.values()];
      await runAll(
        all.map((sandbox) => () => wiring.stop(sandbox)),
        'cannot stop networking',
      );
    },
  };
}
