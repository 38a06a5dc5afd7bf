import {
  type Clock,
  conflict,
  forbidden,
  type Id,
  invalid,
  type Log,
  newId,
  notFound,
  runAll,
  runTogether,
  shortId,
  silentLog,
  systemClock,
} from '../../base/index.ts';
import type {
  Attachment,
  AttachSpec,
  EndpointRecord,
  EndpointRequest,
  EventSink,
  Firewall,
  NetworkDriver,
  Resolver,
  SandboxRecord,
  Store,
} from '../../model/index.ts';
import type { AttachRequest } from '../contract.ts';
import type { GlobalEndpoints, Presence } from '../global/index.ts';
import type { SandboxHost } from '../host/index.ts';
import { drop, type Leftover, put, THIS_BOOT } from '../journal.ts';
import { assertNotRemoving, findNetwork } from '../lookup.ts';
import type { LiveEndpoint, LiveNetwork, LiveSandbox, NetworkState } from '../state.ts';
import { Undo } from '../undo.ts';
import type { AddressBook } from './addresses.ts';
import { guardsOf } from './guards.ts';
import { type Lent, type LentAddresses, withLease } from './lent.ts';
import { dnsEndpoint } from './views.ts';
import { type Wiring, withPorts } from './wiring.ts';

export interface AttacherDeps {
  readonly state: NetworkState;
  readonly store: Store;
  readonly addresses: AddressBook;
  /** Networks of global scope: claims in the cluster, and whether they exist on this host. */
  readonly global: Pick<GlobalEndpoints, 'assertReachable' | 'join' | 'leave'>;
  readonly presence: Pick<Presence, 'enter' | 'exit' | 'resume' | 'isOrphaned'>;
  readonly wiring: Wiring;
  readonly firewall: Firewall;
  readonly lent: LentAddresses;
  readonly host: SandboxHost;
  readonly resolver: Resolver;
  readonly events: EventSink;
  readonly clock?: Clock;
  readonly log?: Log;
}

const PREFIX_OPTION = 'com.docker.network.container_iface_prefix';
const IFNAME_OPTION = 'com.docker.network.endpoint.ifname';
/** The kernel announces a link as it comes up, which the far end of the pair may be too early for; so again. */
const ANNOUNCEMENTS_MS = [100, 1000, 2000];

/** Joins sandboxes to networks and parts them. The caller holds the sandbox's turn. */
export class Attacher {
  readonly #deps: AttacherDeps;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(deps: AttacherDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    this.#log = deps.log ?? silentLog;
  }

  async attach(sandbox: LiveSandbox, request: AttachRequest): Promise<EndpointRecord> {
    const { state, store, wiring } = this.#deps;
    const found = findNetwork(state, request.network);
    this.#check(sandbox, found, request);
    const id = newId();
    using _joining = state.join(found.record, { id, name: request.name });
    await using undo = new Undo({ log: this.#log }, `attach to network "${found.record.name}"`);
    const network = await this.#enter(found, undo);
    const planned = await this.#specify(sandbox, { id, network, request }, undo);
    const driver = driverOf(network);
    this.#warnOfPorts(sandbox, network);
    const leftover = { driver: network.record.driver, spec: planned, state: {} };
    await store.commit([put.unfinished(id, { kind: 'endpoint', endpoint: leftover })], THIS_BOOT);
    undo.defer(() => (undo.failed ? undefined : store.commit([drop.unfinished(id)], THIS_BOOT)));
    const made = await this.#attachGuarded(driver, planned, undo);
    const lent = await this.#deps.lent.borrow(
      { spec: planned, attachment: made },
      { name: request.name, driver },
      undo,
    );
    const { spec, attachment } = lent;
    if (attachment.ifname !== undefined) {
      this.#deps.host.addRoutes(spec.sandboxPath, attachment.ifname, attachment.routes ?? []);
    }
    const record = endpointRecord(sandbox.record, lent, request);
    const endpoint: LiveEndpoint = { record, network, spec, attachment, order: state.nextOrder() };
    const named = this.#announceName(endpoint, undo);
    const endpoints = [...sandbox.endpoints, endpoint];
    const published = await wiring.change(sandbox, endpoints, undo);
    await named;
    const changed = withPorts(sandbox.record, published);
    const finished = [
      put.endpoint({ order: endpoint.order, endpoint: record }),
      ...(changed === sandbox.record ? [] : [put.sandbox(changed)]),
      drop.unfinished(id),
    ];
    await store.commit(finished, THIS_BOOT);
    undo.keep();
    sandbox.record = changed;
    sandbox.endpoints = endpoints;
    state.addEndpoint(endpoint);
    this.#deps.lent.keep(endpoint);
    this.#publish('connect', endpoint);
    this.#announce(endpoint);
    return record;
  }

  /** What cannot be undone without harm goes on to the end; the failures are told then. */
  async detach(sandbox: LiveSandbox, networkId: Id): Promise<void> {
    const endpoint = sandbox.endpoints.find(({ record }) => record.networkId === networkId);
    if (endpoint === undefined) return;
    const { state, store, wiring } = this.#deps;
    const { record } = endpoint;
    const rest = sandbox.endpoints.filter((other) => other !== endpoint);
    const begun = { kind: 'endpoint', endpoint: leftoverOf(endpoint) } as const;
    await store.commit([drop.endpoint(record.id), put.unfinished(record.id, begun)], THIS_BOOT);
    state.deleteEndpoint(record);
    const forgotten = this.#forgetNames([endpoint]);
    await runAll(
      [
        () => this.#deps.lent.giveBack(endpoint),
        // Ports that move may be refused now: the container loses them, the rest goes on.
        () => wiring.part(sandbox, rest),
        () => driverOf(endpoint.network).detach(endpoint.spec, endpoint.attachment.state),
        () => wiring.forget(sandbox.record, [endpoint]),
        () => this.#deps.firewall.apply({ remove: guardsOf([endpoint]) }),
        () => forgotten,
        () => this.#releaseAddresses(endpoint.spec),
        () => this.#exit(endpoint),
        () => store.commit([put.sandbox(sandbox.record), drop.unfinished(record.id)], THIS_BOOT),
        () => this.#publish('disconnect', endpoint),
      ],
      `cannot detach from network "${endpoint.network.record.name}"`,
    );
  }

  /** Ends a sandbox with all of its endpoints; every step is tried. */
  async close(sandbox: LiveSandbox): Promise<void> {
    const { state, store, wiring, host } = this.#deps;
    const { record, endpoints } = sandbox;
    const leftovers = endpoints.map(leftoverOf);
    const begun = { kind: 'sandbox', path: record.host ? '' : record.path, endpoints: leftovers } as const;
    const gone = [drop.sandbox(record.id), ...endpoints.map((endpoint) => drop.endpoint(endpoint.record.id))];
    await store.commit([...gone, put.unfinished(record.id, begun)], THIS_BOOT);
    state.sandboxes.delete(record.id);
    for (const endpoint of endpoints) state.deleteEndpoint(endpoint.record);
    sandbox.endpoints = [];
    const forgotten = this.#forgetNames(endpoints);
    await runAll(
      [
        ...endpoints.map((endpoint) => () => this.#deps.lent.giveBack(endpoint)),
        ...wiring.tearDown(sandbox),
        // First the namespace: the kernel takes the links in it along, in its own time.
        () => (record.host ? undefined : host.removeNamespace(record.path)),
        ...endpoints.map((one) => () => driverOf(one.network).detach(one.spec, one.attachment.state)),
        () => wiring.forget(record, endpoints),
        () => this.#deps.firewall.apply({ remove: guardsOf(endpoints) }),
        () => forgotten,
        ...endpoints.map((endpoint) => () => this.#releaseAddresses(endpoint.spec)),
        ...endpoints.map((endpoint) => () => this.#exit(endpoint)),
        () => store.commit([drop.unfinished(record.id)], THIS_BOOT),
        ...endpoints.map((endpoint) => () => this.#publish('disconnect', endpoint)),
      ],
      `cannot close sandbox ${record.id}`,
    );
  }

  /** Rebuilds an endpoint from its record, touching nothing. Takes its addresses. */
  rebuild(sandbox: SandboxRecord, stored: { readonly order: number; readonly endpoint: EndpointRecord }): LiveEndpoint {
    const { endpoint: record, order } = stored;
    const network = this.#deps.state.networks.get(record.networkId);
    if (network === undefined) throw notFound('network_not_found', `network ${record.networkId} not found`);
    const global = network.record.scope === 'global';
    if (global) this.#deps.presence.resume(network.record.id);
    for (const cidr of global ? [] : [record.ipv4, record.ipv6]) {
      // What was lent is not ours to keep.
      if (cidr === undefined || (record.lease !== undefined && cidr === record.ipv4)) continue;
      const family = cidr.ip.includes(':') ? 6 : 4;
      this.#deps.addresses.take(sandbox.ownerId, network.record, { family, ip: cidr.ip });
    }
    const spec: AttachSpec = {
      endpointId: record.id,
      ownerId: sandbox.ownerId,
      network: network.record,
      sandboxPath: sandbox.path,
      ifname: record.ifname ?? '',
      ...(record.ipv4 === undefined ? {} : { ipv4: record.ipv4 }),
      ...(record.ipv6 === undefined ? {} : { ipv6: record.ipv6 }),
      ...(record.mac === undefined ? {} : { mac: record.mac }),
      request: record.request,
    };
    const restored = driverOf(network).restoreAttachment(spec, record.driverState);
    const attachment = record.lease === undefined ? restored : withLease(restored, network.record, record.lease);
    return { record, network, spec, attachment, order };
  }

  #check(sandbox: LiveSandbox, network: LiveNetwork, request: AttachRequest): void {
    const { record } = network;
    if (record.configOnly) {
      throw forbidden('config_only', 'cannot create endpoint on configuration-only network');
    }
    assertNotRemoving(this.#deps.state, network);
    checkModes(sandbox, network);
    // Containers that share the host's network, or have none, may be many of a name.
    const taken = this.#deps.state.usersOf(record.id).some(({ name }) => name === request.name);
    const already = sandbox.endpoints.some((endpoint) => endpoint.network.record.id === record.id);
    if (!taken && !already) return;
    throw forbidden('endpoint_exists', `endpoint with name ${request.name} already exists in network ${record.name}`);
  }

  /** One of global scope is made on this host, if need be. */
  async #enter(network: LiveNetwork, undo: Undo): Promise<LiveNetwork> {
    const { global, presence } = this.#deps;
    const { id, name, scope } = network.record;
    if (scope === 'local') return network;
    if (presence.isOrphaned(id)) throw conflict('network_removing', `network ${name} is being removed`);
    global.assertReachable(network.record);
    const made = await presence.enter(id);
    undo.defer(() => presence.exit(id));
    return made;
  }

  async #exit({ network: { record } }: LiveEndpoint): Promise<void> {
    if (record.scope === 'global') await this.#deps.presence.exit(record.id);
  }

  /** Allocates the addresses, and chooses the name of the link. */
  async #specify(
    sandbox: LiveSandbox,
    what: { readonly id: Id; readonly network: LiveNetwork; readonly request: AttachRequest },
    undo: Undo,
  ): Promise<AttachSpec> {
    const { id, network, request } = what;
    const { ownerId, path } = sandbox.record;
    const ifname = chooseIfname(sandbox, network, request.request);
    const addresses =
      network.record.scope === 'global'
        ? await this.#claim({ id, network, request, ownerId }, undo)
        : this.#allocate({ network, request: request.request, ownerId }, undo);
    const { mac } = request.request;
    return {
      endpointId: id,
      ownerId,
      network: network.record,
      sandboxPath: path,
      ifname,
      ...(mac === undefined ? {} : { mac }),
      ...addresses,
      request: request.request,
    };
  }

  /** In the cluster. */
  async #claim(
    what: { readonly id: Id; readonly network: LiveNetwork; readonly request: AttachRequest; readonly ownerId: Id },
    undo: Undo,
  ): Promise<Pick<AttachSpec, 'ipv4' | 'ipv6' | 'mac'>> {
    const { network, request, ownerId, id } = what;
    const { name, dnsNames } = request;
    const { global } = this.#deps;
    const joining = { endpointId: id, network: network.record, name, dnsNames, ownerId, request: request.request };
    const { ipv4, ipv6, mac } = await global.join(joining);
    undo.defer(() => global.leave(network.record.id, id));
    return {
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
      // Other hosts are told where it is: the link must have the one that they know.
      ...(network.driver?.replacePeers === undefined ? {} : { mac }),
    };
  }

  #allocate(
    what: { readonly network: LiveNetwork; readonly request: EndpointRequest; readonly ownerId: Id },
    undo: Undo,
  ): Pick<AttachSpec, 'ipv4' | 'ipv6'> {
    const { network, request, ownerId } = what;
    const take = (family: 4 | 6): AttachSpec['ipv4'] => {
      if (!network.record.pools.some((pool) => pool.family === family)) return undefined;
      const ip = family === 4 ? request.ipv4 : request.ipv6;
      const cidr = this.#deps.addresses.take(ownerId, network.record, { family, ip });
      undo.defer(() => this.#deps.addresses.giveBack(network.record.id, cidr.ip));
      return cidr;
    };
    const ipv4 = take(4);
    const ipv6 = take(6);
    return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
  }

  /** As in Docker they have no effect there, and the container starts all the same. */
  #warnOfPorts({ record }: LiveSandbox, { record: { name, driver }, driver: kind }: LiveNetwork): void {
    if (record.ports.requested.length === 0 || kind === undefined) return;
    if (kind.traits.publishesPorts || !kind.traits.usesIpam || kind.traits.needsGatewayNetwork) return;
    this.#log.warn({ network: name, container: record.ownerId }, `${driver} driver does not support port mappings`);
  }

  /** No frame of the endpoint passes before the packet filter knows what it may send. */
  async #attachGuarded(driver: NetworkDriver, spec: AttachSpec, undo: Undo): Promise<Attachment> {
    const { firewall } = this.#deps;
    const guard = driver.guard?.(spec) ?? [];
    await firewall.apply({ add: guard });
    undo.defer(() => firewall.apply({ remove: guard }));
    const attachment = await driver.attach(spec);
    undo.defer(() => driver.detach(spec, attachment.state));
    // The name that its link was to have may have been taken meanwhile.
    const now = driver.guard?.(spec, attachment.state) ?? [];
    if (JSON.stringify(now) === JSON.stringify(guard)) return attachment;
    await firewall.apply({ add: now, remove: guard });
    undo.defer(() => firewall.apply({ remove: now }));
    return attachment;
  }

  /** To be awaited; meanwhile there is more to do. */
  #announceName(endpoint: LiveEndpoint, undo: Undo): Promise<void> {
    const named = dnsEndpoint(endpoint);
    if (named === undefined) return Promise.resolve();
    undo.defer(() => this.#deps.resolver.removeEndpoint(endpoint.record.id));
    return whileOthersWork(this.#deps.resolver.addEndpoint(named));
  }

  #forgetNames(endpoints: readonly LiveEndpoint[]): Promise<void> {
    const all = endpoints.map(
      ({ record }) =>
        () =>
          this.#deps.resolver.removeEndpoint(record.id),
    );
    return whileOthersWork(runTogether(all, 'cannot forget names'));
  }

  async #releaseAddresses({ network, endpointId, ipv4, ipv6 }: AttachSpec): Promise<void> {
    if (network.scope === 'global') {
      await this.#deps.global.leave(network.id, endpointId);
      return;
    }
    for (const cidr of [ipv4, ipv6]) {
      if (cidr !== undefined) this.#deps.addresses.giveBack(network.id, cidr.ip);
    }
  }

  #announce(endpoint: LiveEndpoint): void {
    const { network, spec, attachment } = endpoint;
    const driver = driverOf(network);
    // Sending costs the kernel 10 ms (it closes the packet socket behind a grace period), so only where a neighbour may
    // remember something else: an Ethernet address made from the IPv4 address is always the same.
    const lent = endpoint.record.lease !== undefined;
    const settled = spec.request.mac === undefined && spec.ipv6 === undefined && spec.ipv4 !== undefined && !lent;
    if (driver.announce === undefined || settled) return;
    const announce = (): void => {
      const there = this.#deps.state.endpointsOf(network.record.id);
      if (!there.some(({ record }) => record.id === spec.endpointId)) return;
      try {
        driver.announce?.(spec, attachment.state);
      } catch (error) {
        this.#log.debug({ endpoint: spec.endpointId, error }, 'cannot announce an address');
      }
    };
    for (const delay of ANNOUNCEMENTS_MS) this.#clock.after(delay, announce);
  }

  #publish(action: 'connect' | 'disconnect', { network, spec }: LiveEndpoint): void {
    const { id, name, driver: type } = network.record;
    this.#deps.events.publish({ type: 'network', action, id, attributes: { container: spec.ownerId, name, type } });
  }
}

/** Sandboxes that share the host's network, or have none, keep to it; no other can join these two. */
function checkModes(sandbox: LiveSandbox, { record }: LiveNetwork): void {
  const onHost = record.driver === 'host';
  if (onHost && !sandbox.record.host) {
    throw invalid(
      'host_mode',
      'cannot connect container to host network - container must be created in host network mode',
    );
  }
  if (sandbox.record.host && !onHost) {
    throw invalid(
      'host_mode',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  const drivers = sandbox.endpoints.map((endpoint) => endpoint.network.record.driver);
  if (drivers.includes('null') || (record.driver === 'null' && drivers.length > 0)) {
    throw invalid(
      'none_mode',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}

/** Of something whose failure is heard of later, when it is awaited. */
function whileOthersWork<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  return work;
}

export function driverOf(network: LiveNetwork): NonNullable<LiveNetwork['driver']> {
  if (network.driver !== undefined) return network.driver;
  throw conflict('no_driver', `network "${network.record.name}" has no driver`);
}

function leftoverOf({ network, spec, attachment }: LiveEndpoint): Leftover {
  return { driver: network.record.driver, spec, state: attachment.state };
}

/** The wanted name, or the prefix with the lowest number that is free. */
function chooseIfname(sandbox: LiveSandbox, network: LiveNetwork, request: EndpointRequest): string {
  const taken = new Set(sandbox.endpoints.map(({ attachment }) => attachment.ifname));
  const wanted = request.ifname ?? request.driverOptions?.[IFNAME_OPTION];
  if (wanted !== undefined && wanted !== '') {
    if (!taken.has(wanted)) return wanted;
    throw conflict('ifname_taken', `interface name ${wanted} is already in use in the container`);
  }
  const prefix = network.record.options[PREFIX_OPTION] || 'eth';
  let number = 0;
  while (taken.has(`${prefix}${number}`)) number += 1;
  return `${prefix}${number}`;
}

function endpointRecord(
  sandbox: SandboxRecord,
  { spec, attachment, lease }: Lent,
  made: Pick<AttachRequest, 'name' | 'dnsNames' | 'request' | 'wayOut'>,
): EndpointRecord {
  const { ifname, mac, gateway4, gateway6, state } = attachment;
  return {
    id: spec.endpointId,
    networkId: spec.network.id,
    sandboxId: sandbox.id,
    name: made.name,
    dnsNames: made.dnsNames,
    request: made.request,
    ...(spec.ipv4 === undefined ? {} : { ipv4: spec.ipv4 }),
    ...(spec.ipv6 === undefined ? {} : { ipv6: spec.ipv6 }),
    ...(gateway4 === undefined ? {} : { gateway4 }),
    ...(gateway6 === undefined ? {} : { gateway6 }),
    ...(mac === undefined ? {} : { mac }),
    ...(lease === undefined ? {} : { lease }),
    ...(ifname === undefined ? {} : { ifname }),
    ...(made.wayOut === true ? { wayOut: true } : {}),
    driverState: state,
  };
}

/** Name of the file under the folder of namespaces. */
export function namespaceName(id: Id): string {
  return `fw-${shortId(id)}`;
}
