import { isDeepStrictEqual } from 'node:util';
import { FairwayError, type Id, type Log, messageOf, runAll, silentLog } from '../../base/index.ts';
import type { Flow } from '../../kernel/index.ts';
import type {
  Firewall,
  FirewallEntry,
  PortAllocator,
  PortRelay,
  PortRequest,
  PublishedPort,
  RelayedPort,
  Resolver,
  SandboxRecord,
} from '../../model/index.ts';
import type { SandboxHost } from '../host/index.ts';
import type { LiveEndpoint, LiveSandbox, Publication } from '../state.ts';
import { Undo } from '../undo.ts';
import { defaultRoutes, type Gateways, selectGateways } from './gateways.ts';
import { linkEntries } from './linked.ts';
import { hostRequests, type PortTargets, portEntries, portTargets, publishedPorts, relayedPorts } from './published.ts';
import { type FirewallChange, flowsOf, staleFlows } from './stale-flows.ts';
import { dnsView } from './views.ts';

export interface WiringDeps {
  readonly host: SandboxHost;
  readonly firewall: Firewall;
  readonly ports: PortAllocator;
  /** Absent: ports are not relayed between the families. */
  readonly relay?: PortRelay;
  readonly resolver: Resolver;
  readonly log?: Log;
}

/**
 * What depends on all endpoints of a sandbox together: default routes, published ports, packet filter entries, the
 * resolver's view. Goes from one set of endpoints to another; each step's undo goes on the caller's stack.
 */
export class Wiring {
  readonly #deps: WiringDeps;
  readonly #relaying: { readonly all: boolean };

  constructor(deps: WiringDeps, { relayPublished = false }: { readonly relayPublished?: boolean } = {}) {
    this.#deps = deps;
    this.#relaying = { all: relayPublished };
  }

  /** Afterwards `sandbox` shows what is now, except its record. Returns the ports as they are published now. */
  async change(
    sandbox: LiveSandbox,
    endpoints: readonly LiveEndpoint[],
    undo: Undo,
  ): Promise<readonly PublishedPort[]> {
    const before = selectGateways(sandbox.endpoints);
    const after = selectGateways(endpoints);
    this.#route(sandbox, { before, after }, undo);
    const targets = portTargets(after);
    const published = await this.#publish(sandbox, { after, targets }, undo);
    await this.#filter(sandbox, firewallEntries(sandbox.record, endpoints, { published, targets }), undo);
    await this.#relay(sandbox, relayedPorts(published, targets, this.#relaying), undo);
    await this.#resolve(sandbox, endpoints, undo);
    return published;
  }

  /**
   * For endpoints that leave, whatever happens: a step that fails does not keep the others from being done. Throws what
   * failed at the end. `sandbox` shows what is then.
   */
  async part(sandbox: LiveSandbox, endpoints: readonly LiveEndpoint[]): Promise<void> {
    const undo = new Undo({ log: silentLog }, 'detach');
    const before = selectGateways(sandbox.endpoints);
    const after = selectGateways(endpoints);
    const targets = portTargets(after);
    let { published } = sandbox.record.ports;
    await runAll(
      [
        () => this.#route(sandbox, { before, after }, undo),
        async () => {
          published = [];
          published = await this.#publish(sandbox, { after, targets }, undo);
        },
        () => this.#filter(sandbox, firewallEntries(sandbox.record, endpoints, { published, targets }), undo),
        () => this.#relay(sandbox, relayedPorts(published, targets, this.#relaying), undo),
        () => this.#resolve(sandbox, endpoints, undo),
        () => {
          sandbox.endpoints = endpoints;
          sandbox.record = withPorts(sandbox.record, published);
        },
      ],
      'cannot part endpoints',
    );
  }

  /** Goes from the links of the sandbox's record to those of the given one. */
  async link(sandbox: LiveSandbox, record: SandboxRecord, undo: Undo): Promise<void> {
    const { endpoints } = sandbox;
    const targets = portTargets(selectGateways(endpoints));
    const { published } = record.ports;
    await this.#filter(sandbox, firewallEntries(record, endpoints, { published, targets }), undo);
  }

  /**
   * After a restart: takes what is there into memory, holding the ports again. Returns those that were lost; what goes to
   * them is no longer the container's.
   */
  restore(sandbox: LiveSandbox): readonly PublishedPort[] {
    const { endpoints, record } = sandbox;
    const targets = portTargets(selectGateways(endpoints));
    const { requested, published } = record.ports;
    const requests = hostRequests(requested, targets);
    const onHost = published.filter(({ hostPort }) => hostPort !== 0);
    if (onHost.length > 0) {
      const held = this.#deps.ports.restore(sandbox.record.ownerId, onHost);
      sandbox.publication = { requests, held };
    }
    const lost = sandbox.publication?.held.lost ?? [];
    const kept = lost.length === 0 ? published : published.filter((port) => !lost.some((one) => samePort(one, port)));
    sandbox.record = withPorts(record, kept);
    sandbox.firewall = firewallEntries(record, endpoints, { published: kept, targets });
    return lost;
  }

  /** The part of {@link restore} that must not keep others from being restored. */
  async restoreServices(sandbox: LiveSandbox): Promise<void> {
    const targets = portTargets(selectGateways(sandbox.endpoints));
    const view = dnsView(sandbox.record, sandbox.endpoints);
    await runAll(
      [
        () => this.#openRelay(sandbox, relayedPorts(sandbox.record.ports.published, targets, this.#relaying)),
        () => (view.networkIds.length > 0 && !sandbox.record.host ? this.#deps.resolver.setView(view) : undefined),
      ],
      'cannot restore services of a sandbox',
    );
  }

  /** Lets go of what this process holds; the kernel goes on without it. */
  async stop(sandbox: LiveSandbox): Promise<void> {
    await this.#closeRelay(sandbox);
    sandbox.publication?.held.release();
    sandbox.publication = undefined;
  }

  /** After the links of endpoints are gone, before anybody else can have their addresses. */
  async forget({ ports }: SandboxRecord, endpoints: readonly LiveEndpoint[]): Promise<void> {
    if (!ports.requested.some(({ protocol }) => protocol === 'udp')) return;
    const addresses = endpoints.flatMap(({ spec }) => [spec.ipv4, spec.ipv6]).flatMap((cidr) => cidr?.ip ?? []);
    await this.#forget(flowsOf(addresses));
  }

  /** For a sandbox that ends: each step on its own, the namespace's routes end with it. {@link forget} belongs to it. */
  tearDown(sandbox: LiveSandbox): readonly (() => unknown)[] {
    return [
      () => this.#closeRelay(sandbox),
      async () => {
        const remove = sandbox.firewall;
        // Flows wait for forget().
        if (remove.length > 0) await this.#deps.firewall.apply({ remove });
        sandbox.firewall = [];
      },
      () => {
        sandbox.publication?.held.release();
        sandbox.publication = undefined;
      },
      () => this.#deps.resolver.removeView(sandbox.record.id),
    ];
  }

  #route(sandbox: LiveSandbox, gateways: { before: Gateways; after: Gateways }, undo: Undo): void {
    const { path } = sandbox.record;
    const before = defaultRoutes(gateways.before);
    const after = defaultRoutes(gateways.after);
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    this.#deps.host.setDefaultRoutes(path, after, before);
    undo.defer(() => this.#deps.host.setDefaultRoutes(path, before, after));
  }

  async #publish(
    sandbox: LiveSandbox,
    { after, targets }: { after: Gateways; targets: PortTargets },
    undo: Undo,
  ): Promise<readonly PublishedPort[]> {
    const { requested } = sandbox.record.ports;
    if (requested.length === 0) return [];
    const requests = hostRequests(requested, targets);
    this.#keepRelay(sandbox, undo);
    await this.#holdAnew(sandbox, { requests, gateways: after }, undo);
    return publishedPorts(requested, sandbox.publication?.held.published ?? [], targets);
  }

  /** Deferred first, so that it runs last: the relay listens on the sockets of held ports. */
  #keepRelay(sandbox: LiveSandbox, undo: Undo): void {
    const old = sandbox.relay;
    undo.defer(async () => {
      if (sandbox.relay === old) return;
      await this.#closeRelay(sandbox);
      if (old !== undefined) await this.#openRelay(sandbox, old.ports);
    });
  }

  /** The same ports of the host go on being held, whichever endpoint they lead to. */
  async #holdAnew(
    sandbox: LiveSandbox,
    what: { readonly requests: readonly PortRequest[]; readonly gateways: Gateways },
    undo: Undo,
  ): Promise<void> {
    const old = sandbox.publication;
    if (isDeepStrictEqual(old?.requests ?? [], what.requests)) return;
    await this.#closeRelay(sandbox);
    old?.held.release();
    sandbox.publication = undefined;
    undo.defer(() => {
      if (old === undefined) return;
      const held = this.#deps.ports.restore(sandbox.record.ownerId, old.held.published);
      sandbox.publication = { requests: old.requests, held };
    });
    if (what.requests.length > 0) sandbox.publication = this.#hold(sandbox, what, undo);
  }

  #hold(
    sandbox: LiveSandbox,
    what: { readonly requests: readonly PortRequest[]; readonly gateways: Gateways },
    undo: Undo,
  ): Publication {
    const { gateways } = what;
    const families = [...(gateways.ipv4 ? [4 as const] : []), ...(gateways.ipv6 ? [6 as const] : [])];
    try {
      const held = this.#deps.ports.hold(sandbox.record.ownerId, what.requests, families);
      undo.defer(() => {
        held.release();
        sandbox.publication = undefined;
      });
      return { requests: what.requests, held };
    } catch (error) {
      throw programmingFailed(error, gateways.ipv4 ?? gateways.ipv6);
    }
  }

  /** After the packet filter: what the kernel translates must not find the relay listening before it does. */
  async #relay(sandbox: LiveSandbox, relayed: readonly RelayedPort[], undo: Undo): Promise<void> {
    if (isDeepStrictEqual(sandbox.relay?.ports ?? [], relayed)) return;
    await this.#closeRelay(sandbox);
    undo.defer(() => this.#closeRelay(sandbox));
    await this.#openRelay(sandbox, relayed);
  }

  async #openRelay(sandbox: LiveSandbox, ports: readonly RelayedPort[]): Promise<void> {
    const { relay } = this.#deps;
    if (relay === undefined || ports.length === 0) return;
    sandbox.relay = { ports, close: await relay.open(ports) };
  }

  async #closeRelay(sandbox: LiveSandbox): Promise<void> {
    const { relay } = sandbox;
    sandbox.relay = undefined;
    await relay?.close();
  }

  async #filter(sandbox: LiveSandbox, wanted: readonly FirewallEntry[], undo: Undo): Promise<void> {
    const before = sandbox.firewall;
    const change = difference(before, wanted);
    if (change.add.length === 0 && change.remove.length === 0) return;
    await this.#apply(change);
    sandbox.firewall = wanted;
    undo.defer(async () => {
      await this.#apply({ add: change.remove, remove: change.add });
      sandbox.firewall = before;
    });
  }

  async #apply(change: FirewallChange): Promise<void> {
    await this.#deps.firewall.apply(change);
    const stale = staleFlows(change);
    if (stale !== undefined) await this.#forget(stale);
  }

  async #forget(stale: (flow: Flow) => boolean): Promise<void> {
    const { host, log = silentLog } = this.#deps;
    try {
      await host.forgetFlows(stale);
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'cannot forget UDP flows: clients may reach what was there before');
    }
  }

  async #resolve(sandbox: LiveSandbox, endpoints: readonly LiveEndpoint[], undo: Undo): Promise<void> {
    if (sandbox.record.host) return;
    const before = dnsView(sandbox.record, sandbox.endpoints);
    const after = dnsView(sandbox.record, endpoints);
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    const show = (view: typeof after): Promise<void> =>
      view.networkIds.length > 0
        ? this.#deps.resolver.setView(view)
        : this.#deps.resolver.removeView(sandbox.record.id);
    // A view that was set half-way is taken back too.
    undo.defer(() => show(before));
    await show(after);
  }
}

/** All that the packet filter holds for a sandbox. */
export function firewallEntries(
  { links = [] }: SandboxRecord,
  endpoints: readonly LiveEndpoint[],
  ports: { readonly published: readonly PublishedPort[]; readonly targets: PortTargets },
): readonly FirewallEntry[] {
  return [
    ...endpoints.flatMap(({ attachment }) => attachment.firewall),
    ...portEntries(ports.published, ports.targets),
    ...linkEntries(links, endpoints),
  ];
}

function difference(before: readonly FirewallEntry[], after: readonly FirewallEntry[]): FirewallChange {
  // Mostly one of the two is empty, and the other may be thousands of ports.
  if (before.length === 0 || after.length === 0) return { add: after, remove: before };
  const texts = (entries: readonly FirewallEntry[]): readonly string[] => entries.map((entry) => JSON.stringify(entry));
  const [old, wanted] = [texts(before), texts(after)];
  const without = (entries: readonly FirewallEntry[], own: readonly string[], others: readonly string[]) => {
    const known = new Set(others);
    return entries.filter((_, index) => !known.has(own[index] ?? ''));
  };
  return { add: without(after, wanted, old), remove: without(before, old, wanted) };
}

function samePort(a: PublishedPort, b: PublishedPort): boolean {
  return a.protocol === b.protocol && a.hostIp === b.hostIp && a.hostPort === b.hostPort;
}

/** The record itself when the ports are the same. */
export function withPorts(record: SandboxRecord, published: readonly PublishedPort[]): SandboxRecord {
  if (isDeepStrictEqual(record.ports.published, published)) return record;
  return { ...record, ports: { ...record.ports, published } };
}

/** Docker's words around a port that cannot be had. */
function programmingFailed(error: unknown, endpoint: LiveEndpoint | undefined): unknown {
  if (!(error instanceof FairwayError) || endpoint === undefined) return error;
  const { name, id }: { name: string; id: Id } = endpoint.record;
  return new FairwayError(
    `driver failed programming external connectivity on endpoint ${name} (${id}): ${messageOf(error)}`,
    { code: error.code, kind: error.kind, cause: error },
  );
}
