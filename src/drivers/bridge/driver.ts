import { conflict, type Id, type IpFamily, type Log, type Mac, messageOf, silentLog } from '../../base/index.ts';
import { type Link, openNetns, type Rtnl, readSysctl, writeSysctl } from '../../kernel/index.ts';
import type {
  Attachment,
  AttachSpec,
  Drift,
  DriverNetworkRequest,
  DriverTraits,
  FirewallEntry,
  KnownObjects,
  NetworkDriver,
  NetworkRecord,
  NetworkSetup,
} from '../../model/index.ts';
import { BridgedPackets, bridgedPacketsAreFiltered } from '../bridged-packets.ts';
import type { DiscardedLinks } from '../discarded-links.ts';
import { endpointMark, isOverlayLink, ownerOf } from '../marks.ts';
import { guardOf } from '../port-guard.ts';
import { announceAddresses, setUpSandboxLink } from '../sandbox-link.ts';
import { createVethPort, hostNames, portNameOf, removeVethPort, settleCarrier } from '../veth-port.ts';
import { makeGoodVethPort, type PortNames, portDrift } from '../veth-port-drift.ts';
import { isOurs, makeGoodBridge, removeOwnAddresses } from './host-bridge.ts';
import { parseBridgeOptions } from './options.ts';
import { type BridgePlan, bridgeName, type PortPlan, planBridge, planPort } from './plan.ts';
import { checkBridgeRequest } from './validate.ts';
import { bridgeDrift } from './verify.ts';

export interface BridgeDriverDeps {
  /** In the namespace of the daemon. */
  readonly rtnl: Rtnl;
  readonly discarded: DiscardedLinks;
  readonly log?: Log;
}

export interface BridgeDriverOptions {
  /** Turn on forwarding of packets on the host, as dockerd's `--ip-forward`. Default true. */
  readonly ipForward?: boolean;
}

/** A Linux bridge for each network, a veth pair for each endpoint. Policy and translation are firewall entries. */
export class BridgeDriver implements NetworkDriver {
  readonly traits: DriverTraits = {
    name: 'bridge',
    scope: 'local',
    usesIpam: true,
    allocatesGateway: true,
    publishesPorts: true,
    resolvesNames: true,
    predefinedOnly: false,
  };
  readonly #rtnl: Rtnl;
  readonly #discarded: DiscardedLinks;
  readonly #log: Log;
  readonly #ipForward: boolean;
  readonly #bridgedPackets: BridgedPackets;
  /** Keys that this host does not let us write. */
  readonly #unforwarded = new Set<string>();

  constructor(deps: BridgeDriverDeps, options: BridgeDriverOptions = {}) {
    this.#rtnl = deps.rtnl;
    this.#discarded = deps.discarded;
    this.#log = deps.log ?? silentLog;
    this.#bridgedPackets = new BridgedPackets(deps);
    this.#ipForward = options.ipForward ?? true;
  }

  validate(request: DriverNetworkRequest, others: readonly NetworkRecord[]): void {
    checkBridgeRequest(request, others);
    const { name } = parseBridgeOptions(request.options, request.internal);
    const existing = name === undefined ? undefined : this.#rtnl.links.get(name);
    if (existing !== undefined) assertBridge(existing, request.name);
  }

  wantsGateway(request: DriverNetworkRequest, family: IpFamily): boolean {
    const options = parseBridgeOptions(request.options, request.internal);
    return (family === 4 ? options.gatewayMode4 : options.gatewayMode6) !== 'isolated';
  }

  async createNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    this.#discarded.postpone();
    return this.#makeGood(network);
  }

  async restoreNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    return this.#makeGood(network);
  }

  adoptNetwork(network: NetworkRecord): NetworkSetup | undefined {
    const plan = planBridge(network);
    const link = this.#rtnl.links.get(plan.name);
    const whole = link?.kind === 'bridge' && link.flags.up && ownerOf(link).network === network.id;
    return whole && isOurs(link, network, plan) ? setup(plan, {}) : undefined;
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    const plan = planBridge(network);
    const link = this.#rtnl.links.get(plan.name);
    if (link === undefined) return;
    if (isOurs(link, network, plan) && isUsedBy(link, network.id)) this.#discarded.discard(link);
    else removeOwnAddresses(this.#rtnl, link, network);
  }

  async attach(spec: AttachSpec): Promise<Attachment> {
    const plan = planPort(spec);
    this.#discarded.postpone();
    const { bridge: name } = this.#portNames(spec, {});
    const bridge = this.#rtnl.links.get(name);
    if (bridge === undefined) {
      throw conflict('bridge_missing', `cannot attach to network "${spec.network.name}": bridge ${name} is missing`);
    }
    using ns = openNetns(spec.sandboxPath);
    using undo = new DisposableStack();
    const host = createVethPort(this.#rtnl, spec, { ...plan, place: { bridge, ns } });
    undo.defer(() => this.#rtnl.links.delete(host.index));
    this.#rtnl.links.set(host.index, { up: true, alias: endpointMark(spec.endpointId) });
    this.#settlePort(host, plan);
    setUpSandboxLink(ns, {
      ifname: spec.ifname,
      index: host.peerIndex,
      addresses: plan.addresses,
      sysctls: plan.endpoint.sysctls,
    });
    settleCarrier(this.#rtnl, host);
    // The host would tell it to take the short way, which is closed.
    if (plan.routes.length > 0) writeSysctl(['net', 'ipv6', 'conf', spec.ifname, 'accept_redirects'], 0, ns);
    undo.move();
    return attachment(spec, plan, host.name);
  }

  async detach(spec: AttachSpec, state: Attachment['state']): Promise<void> {
    removeVethPort({ rtnl: this.#rtnl, discarded: this.#discarded }, spec, state);
  }

  restoreAttachment(spec: AttachSpec, state: Attachment['state']): Attachment {
    const plan = planPort(spec);
    return attachment(spec, plan, String(state.hostLink ?? plan.hostNames[0]));
  }

  verifyNetwork(network: NetworkRecord): readonly Drift[] {
    return [...bridgeDrift(this.#rtnl, network, planBridge(network)), ...this.#forwardingDrift(network)];
  }

  verifyAttachment(spec: AttachSpec, state: Attachment['state']): readonly Drift[] {
    return portDrift(this.#rtnl, spec, this.#portNames(spec, state));
  }

  async repairAttachment(spec: AttachSpec, state: Attachment['state']): Promise<Attachment> {
    const names = this.#portNames(spec, state);
    if (!makeGoodVethPort(this.#rtnl, spec, names)) {
      await this.detach(spec, state);
      return this.attach(spec);
    }
    const host = this.#rtnl.links.get(names.host);
    if (host !== undefined) this.#settlePort(host, planPort(spec));
    return this.restoreAttachment(spec, state);
  }

  guard(spec: AttachSpec, state?: Attachment['state']): readonly FirewallEntry[] {
    if (!parseBridgeOptions(spec.network.options, spec.network.internal).antiSpoofing) return [];
    return [guardOf(spec, { port: portNameOf(this.#rtnl, spec.endpointId, state), mac: planPort(spec).mac })];
  }

  announce(spec: AttachSpec, state: Attachment['state']): void {
    if (typeof state.mac === 'string') announceAddresses(spec, state.mac as Mac);
  }

  orphans(known: KnownObjects): readonly Drift[] {
    return this.#orphanLinks(known).map((link) => {
      const { network, endpoint } = ownerOf(link);
      return {
        ...{ kind: 'link', problem: 'orphan', object: link.name },
        ...(network === undefined ? {} : { networkId: network }),
        ...(endpoint === undefined ? {} : { endpointId: endpoint }),
      };
    });
  }

  async sweep(known: KnownObjects): Promise<void> {
    for (const link of this.#orphanLinks(known)) {
      this.#log.warn({ link: link.name, ...ownerOf(link) }, 'removing a link that belongs to nothing known');
      this.#discarded.discard(link);
    }
    this.#discarded.flush();
    this.#bridgedPackets.settle();
  }

  #orphanLinks(known: KnownObjects): readonly Link[] {
    return this.#rtnl.links.list().filter((link) => {
      const { network, endpoint } = ownerOf(link);
      return (
        (link.kind === 'bridge' && network !== undefined && !isOverlayLink(link) && !known.networks.has(network)) ||
        (link.kind === 'veth' && endpoint !== undefined && !known.endpoints.has(endpoint))
      );
    });
  }

  #settlePort(host: Link, { isolated }: PortPlan): void {
    // Where bridged packets pass the packet filter, a container's way to its own published port leads out by its own port.
    const hairpin = bridgedPacketsAreFiltered();
    if (!isolated && !hairpin) return;
    this.#rtnl.links.setBridgePort(host.index, { isolated, ...(hairpin ? { hairpin } : {}) });
  }

  #portNames(spec: AttachSpec, state: Attachment['state']): PortNames {
    const { id, options, internal } = spec.network;
    return {
      host: String(state.hostLink ?? hostNames(spec.endpointId)[0]),
      bridge: bridgeName(id, parseBridgeOptions(options, internal)),
    };
  }

  #makeGood(network: NetworkRecord): NetworkSetup {
    const plan = planBridge(network);
    this.#forward(network);
    this.#bridgedPackets.settle();
    return setup(plan, makeGoodBridge(this.#rtnl, network, plan));
  }

  /** Once for each family and daemon, and whenever somebody turned it off. */
  #forward(network: NetworkRecord): void {
    if (!this.#ipForward) return;
    for (const key of forwardingKeys(network)) {
      try {
        writeSysctl(key, 1);
      } catch (error) {
        if (this.#unforwarded.has(key)) continue;
        this.#unforwarded.add(key);
        this.#log.warn({ key, reason: messageOf(error) }, 'cannot turn on forwarding: containers may not get out');
      }
    }
  }

  #forwardingDrift(network: NetworkRecord): readonly Drift[] {
    if (!this.#ipForward) return [];
    return forwardingKeys(network)
      .filter((key) => !this.#unforwarded.has(key) && readSysctl(key) !== '1')
      .map((key) => ({
        ...{ networkId: network.id, kind: 'sysctl', problem: 'different', object: key },
        detail: 'off, should be on',
      }));
  }
}

function forwardingKeys({ enableIpv4, enableIpv6 }: NetworkRecord): readonly string[] {
  return [
    ...(enableIpv4 ? ['net.ipv4.ip_forward'] : []),
    ...(enableIpv6 ? ['net.ipv6.conf.default.forwarding', 'net.ipv6.conf.all.forwarding'] : []),
  ];
}

function setup({ firewall, options: { hostBinding } }: BridgePlan, state: NetworkSetup['state'] & {}): NetworkSetup {
  return { firewall, state, ...(hostBinding === undefined ? {} : { hostBinding }) };
}

function attachment(spec: AttachSpec, plan: PortPlan, hostLink: string): Attachment {
  return {
    ifname: spec.ifname,
    mac: plan.mac,
    ...plan.gateways,
    ...(plan.routes.length > 0 ? { routes: plan.routes } : {}),
    firewall: [],
    state: { hostLink, mac: plan.mac },
  };
}

/** Another network may have taken over the bridge meanwhile. */
function isUsedBy(link: Link, id: Id): boolean {
  const { network } = ownerOf(link);
  return network === undefined || network === id;
}

function assertBridge(link: Link, network: string): void {
  if (link.kind === 'bridge') return;
  throw conflict(
    'not_a_bridge',
    `cannot create network "${network}": there is a link named ${link.name} which is not a bridge`,
  );
}
