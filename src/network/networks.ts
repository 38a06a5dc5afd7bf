import {
  bitsOf,
  type Cidr,
  type Clock,
  type FairwayError,
  familyOf,
  forbidden,
  type Id,
  type Ip,
  isUnspecifiedIp,
  type Log,
  messageOf,
  newId,
  runAll,
  Serial,
  shortId,
  silentLog,
  systemClock,
} from '../base/index.ts';
import type {
  EndpointRecord,
  EventSink,
  Firewall,
  Ipam,
  NetworkDriver,
  NetworkPool,
  NetworkRecord,
  NetworkRequest,
  Store,
} from '../model/index.ts';
import type { Networks } from './contract.ts';
import { type AddressBook, guardsOf } from './endpoints/index.ts';
import type { OurPart } from './global/index.ts';
import type { SandboxHost } from './host/index.ts';
import { drop, put, THIS_BOOT } from './journal.ts';
import { assertNotRemoving, findNetwork, GATEWAY_NETWORK, isPredefined } from './lookup.ts';
import { gatewayNetworkRequest } from './predefined.ts';
import {
  checkForeignAddresses,
  driverFor,
  type PlannedNetwork,
  planNetwork,
  poolRequests,
  swarmInactive,
} from './request.ts';
import type { LiveNetwork, NetworkState } from './state.ts';
import { Undo } from './undo.ts';

export interface NetworkManagerDeps {
  readonly state: NetworkState;
  readonly store: Store;
  readonly ipam: Ipam;
  readonly addresses: AddressBook;
  readonly firewall: Firewall;
  readonly host: Pick<SandboxHost, 'busySubnets'>;
  readonly drivers: ReadonlyMap<string, NetworkDriver>;
  readonly events: EventSink;
  readonly ours: OurPart;
  /** Addresses that new pools stay clear of: the host's resolvers. */
  readonly hostServers: () => readonly Ip[];
  readonly clock?: Clock;
  readonly log?: Log;
}

export class NetworkManager implements Networks {
  readonly #deps: NetworkManagerDeps;
  readonly #clock: Clock;
  readonly #making = new Serial();
  readonly #log: Log;

  constructor(deps: NetworkManagerDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    this.#log = deps.log ?? silentLog;
  }

  create(request: NetworkRequest): Promise<{ readonly network: NetworkRecord; readonly warning: string }> {
    return this.#create(request, false);
  }

  /** One of the daemon's own: `bridge`, `host`, `none`. */
  async createPredefined(request: NetworkRequest): Promise<NetworkRecord> {
    return (await this.#create(request, true)).network;
  }

  /** The network by which sandboxes get out that have no other way; users may have made it before, as they like. */
  gatewayNetwork(): Promise<NetworkRecord> {
    const { state } = this.#deps;
    return this.#making.run('', async () => {
      const known = state.networkByName(GATEWAY_NETWORK)?.record;
      return known ?? (await this.#create(gatewayNetworkRequest(), false)).network;
    });
  }

  async remove(ref: string): Promise<NetworkRecord> {
    const network = findNetwork(this.#deps.state, ref);
    const { name } = network.record;
    if (isPredefined(name)) {
      throw forbidden('network_predefined', `${name} is a pre-defined network and cannot be removed`);
    }
    await this.removeAny(network);
    return network.record;
  }

  /** Predefined ones too: those the daemon is configured without now. */
  async removeAny(network: LiveNetwork): Promise<void> {
    const { state, store, firewall, ipam, addresses, events } = this.#deps;
    const { id, name } = network.record;
    assertNotRemoving(state, network);
    this.#assertUnused(network);
    using _removal = state.startRemoval(id);
    if (network.record.scope === 'global') return await this.#removeGlobal(network.record);
    const begun = put.unfinished(id, { kind: 'network', network: network.record });
    // The last commit syncs this one, too; until then a power cut, after which the kernel has nothing of it, leaves the network.
    await store.commit([drop.network(id), begun], THIS_BOOT);
    await runAll(
      [
        () => firewall.apply({ remove: network.setup.firewall }),
        () => network.driver?.removeNetwork(network.record),
        () => ipam.releasePools(id),
        () => addresses.forgetNetwork(id),
        () => state.deleteNetwork(id),
        () => store.commit([drop.unfinished(id)]),
        () => events.publish({ type: 'network', action: 'destroy', id, attributes: attributesOf(network.record) }),
      ],
      `cannot remove network "${name}"`,
    );
  }

  find(ref: string): NetworkRecord {
    return findNetwork(this.#deps.state, ref).record;
  }

  list(): readonly NetworkRecord[] {
    return [...this.#deps.state.networks.values()].map(({ record }) => record);
  }

  endpointsOf(networkId: Id): readonly EndpointRecord[] {
    return this.#deps.state.endpointsOf(networkId).map(({ record }) => record);
  }

  async peersOf(networkId: Id): Promise<readonly { readonly name: string; readonly ip: Ip }[]> {
    const { state, ours } = this.#deps;
    if (state.networks.get(networkId)?.record.scope !== 'global') return [];
    return (await ours.now?.networks.peersOf(networkId)) ?? [];
  }

  spoofedFrames(networkId: Id): ReadonlyMap<Id, number> {
    const packets = new Map(this.#deps.firewall.spoofedFrames().map((port) => [port.port, port.packets]));
    const guards = guardsOf(this.#deps.state.endpointsOf(networkId));
    return new Map(
      guards.flatMap((guard) =>
        guard.kind === 'guard' ? [[guard.endpointId, packets.get(guard.port) ?? 0] as const] : [],
      ),
    );
  }

  async prune(keep: (network: NetworkRecord) => boolean): Promise<readonly string[]> {
    const { state } = this.#deps;
    const removed: string[] = [];
    for (const { record } of [...state.networks.values()]) {
      const used = state.usersOf(record.id).length > 0;
      if (isPredefined(record.name) || record.configOnly || record.ingress || used || keep(record)) continue;
      try {
        await this.remove(record.id);
        removed.push(record.name);
      } catch (error) {
        this.#log.warn({ network: record.name, reason: messageOf(error) }, 'cannot prune a network');
      }
    }
    this.#deps.events.publish({ type: 'network', action: 'prune', id: '', attributes: { reclaimed: '0' } });
    return removed;
  }

  async #create(
    request: NetworkRequest,
    predefined: boolean,
  ): Promise<{ readonly network: NetworkRecord; readonly warning: string }> {
    const { state, drivers, firewall, store, events } = this.#deps;
    const all = [...state.networks.values()];
    const context = {
      drivers,
      findByName: (name: string) => state.networkByName(name)?.record,
      taken: new Set(all.map(({ record }) => record.driver)),
      predefined,
      clustered: this.#deps.ours.now !== undefined,
    };
    const plan = planNetwork(request, context);
    const driver = driverFor(plan, context);
    if (driver !== undefined) checkForeignAddresses(plan, driver);
    using _name = state.claimName(plan.name);
    const id = newId();
    const others = all.filter(({ record }) => record.driver === plan.driver).map(({ record }) => record);
    driver?.validate({ ...plan, id, pools: plan.ipam.requested }, others);
    if (plan.scope === 'global' && driver !== undefined) return await this.#createGlobal(id, plan, driver);
    await using undo = new Undo({ log: this.#log }, `create network "${plan.name}"`);
    const pools = this.#requestPools(id, { plan, driver }, undo);
    const created = String(this.#clock.nowNanos());
    const planned: NetworkRecord = { ...plan, id, created, pools };
    await store.commit([put.unfinished(id, { kind: 'network', network: planned })], THIS_BOOT);
    undo.defer(() => (undo.failed ? undefined : store.commit([drop.unfinished(id)], THIS_BOOT)));
    undo.defer(() => driver?.removeNetwork(planned));
    const setup = (await driver?.createNetwork(planned)) ?? { firewall: [] };
    const record = setup.state === undefined ? planned : { ...planned, driverState: setup.state };
    if (setup.firewall.length > 0) {
      undo.defer(() => firewall.apply({ remove: setup.firewall }));
      await firewall.apply({ add: setup.firewall });
    }
    await store.commit([put.network(record), drop.unfinished(id)]);
    undo.keep();
    state.setNetwork({ record, driver, setup });
    events.publish({ type: 'network', action: 'create', id, attributes: attributesOf(record) });
    return { network: record, warning: '' };
  }

  #requestPools(
    id: Id,
    { plan, driver }: { readonly plan: PlannedNetwork; readonly driver: NetworkDriver | undefined },
    undo: Undo,
  ): readonly NetworkPool[] {
    if (driver === undefined || !driver.traits.usesIpam) return [];
    const { ipam } = this.#deps;
    undo.defer(() => ipam.releasePools(id));
    const request = { ...plan, id, pools: plan.ipam.requested };
    const requests = poolRequests(plan);
    const busy = this.#busyFor(requests);
    return requests.map(({ family, request: pool }) =>
      ipam.requestPool(id, pool, {
        family,
        wantsGateway: driver.traits.allocatesGateway && (driver.wantsGateway?.(request, family) ?? true),
        allowHostOverlap: !driver.traits.allocatesGateway,
        busy,
      }),
    );
  }

  /** What subnets of our choice stay clear of: those of the host, and of networks of global scope. */
  #busyFor(requests: ReturnType<typeof poolRequests>): readonly Cidr[] {
    const { host, hostServers, state } = this.#deps;
    const isChosen = ({ request: { subnet } }: (typeof requests)[number]): boolean =>
      subnet === undefined || isUnspecifiedIp(subnet.ip);
    if (!requests.some(isChosen)) return [];
    const global = [...state.networks.values()].filter(({ record }) => record.scope === 'global');
    const subnets = global.flatMap(({ record }) => record.pools.map(({ subnet }) => subnet));
    return [...host.busySubnets(), ...hostServers().map(hostCidr), ...subnets];
  }

  /** Known everywhere, and in no kernel before somebody joins. */
  async #createGlobal(
    id: Id,
    plan: PlannedNetwork,
    driver: NetworkDriver,
  ): Promise<{ readonly network: NetworkRecord; readonly warning: string }> {
    const global = this.#deps.ours.now?.networks;
    if (global === undefined) throw swarmInactive();
    const request = { ...plan, id, pools: plan.ipam.requested };
    const requests = poolRequests(plan).map(({ family, request: pool }) => ({
      ...{ family, request: pool },
      wantsGateway: driver.traits.allocatesGateway && (driver.wantsGateway?.(request, family) ?? true),
    }));
    const { needed = false, chosen } = driver.identifier?.(request) ?? {};
    const created = String(this.#clock.nowNanos());
    const busy = this.#busyFor(requests);
    const vni = chosen === undefined ? {} : { vni: chosen };
    const blocks = driver.nodeBlocks?.(request);
    const more = { ...vni, ...(blocks === undefined ? {} : { blocks }) };
    const network = await global.create({ ...plan, id, created, requests, busy, needsVni: needed, ...more });
    return { network, warning: '' };
  }

  async #removeGlobal(record: NetworkRecord): Promise<void> {
    const { ours, state, store } = this.#deps;
    const global = ours.now?.networks;
    if (global !== undefined) return await global.remove(record);
    // Known from a cluster that this host is in no longer.
    await store.commit([drop.network(record.id)]);
    state.deleteNetwork(record.id);
  }

  #assertUnused({ record }: LiveNetwork): void {
    const { state } = this.#deps;
    const users = state.usersOf(record.id);
    if (users.length > 0) throw activeEndpoints(record, users);
    const dependents = [...state.networks.values()].some((other) => other.record.configFrom === record.name);
    if (!record.configOnly || !dependents) return;
    throw forbidden('config_in_use', `configuration network "${record.name}" is in use`);
  }
}

function activeEndpoints(
  record: NetworkRecord,
  users: readonly { readonly id: string; readonly name: string }[],
): FairwayError {
  const list = users.map(({ id, name }) => `name:"${name}" id:"${shortId(id)}"`).join(', ');
  return forbidden(
    'network_in_use',
    `error while removing network: network ${record.name} has active endpoints (${list})`,
  );
}

function attributesOf(record: NetworkRecord): Readonly<Record<string, string>> {
  return { name: record.name, type: record.driver };
}

function hostCidr(ip: Ip): Cidr {
  return { ip, prefix: bitsOf(familyOf(ip)) };
}
