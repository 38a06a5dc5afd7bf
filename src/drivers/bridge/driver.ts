import { conflict, type Id, type IpFamily, type Log, type Mac, messageOf, silentLog } from '../../base/index.ts';
import { type Link, openNetns, type Rtnl, writeSysctl } from '../../kernel/index.ts';
import type {
  Attachment,
  AttachSpec,
  DriverNetworkRequest,
  DriverTraits,
  NetworkDriver,
  NetworkRecord,
  NetworkSetup,
} from '../../model/index.ts';
import type { DiscardedLinks } from '../discarded-links.ts';
import { endpointMark, ownerOf } from '../marks.ts';
import { ignoreRouterAdvertisements } from '../router-advertisements.ts';
import { announceAddresses, setUpSandboxLink } from '../sandbox-link.ts';
import { createVethPort, removeVethPort } from '../veth-port.ts';
import { bridgedPacketsAreFiltered, leaveBridgedPacketsAlone } from './bridged-packets.ts';
import { isOurs, makeGoodBridge, removeOwnAddresses } from './host-bridge.ts';
import { parseBridgeOptions } from './options.ts';
import { bridgeName, type PortPlan, planBridge, planPort } from './plan.ts';
import { checkBridgeRequest } from './validate.ts';

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
  #bridgedPacketsSettled = false;
  readonly #forwarding = new Set<IpFamily>();

  constructor(deps: BridgeDriverDeps, options: BridgeDriverOptions = {}) {
    this.#rtnl = deps.rtnl;
    this.#discarded = deps.discarded;
    this.#log = deps.log ?? silentLog;
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
    const name = bridgeName(spec.network.id, parseBridgeOptions(spec.network.options, spec.network.internal));
    const bridge = this.#rtnl.links.get(name);
    if (bridge === undefined) {
      throw conflict('bridge_missing', `cannot attach to network "${spec.network.name}": bridge ${name} is missing`);
    }
    using ns = openNetns(spec.sandboxPath);
    using undo = new DisposableStack();
    const host = createVethPort(this.#rtnl, spec, { ...plan, place: { bridge, ns } });
    undo.defer(() => this.#rtnl.links.delete(host.index));
    ignoreRouterAdvertisements(host.name);
    this.#rtnl.links.set(host.index, {
      up: true,
      alias: endpointMark(spec.endpointId),
      ipv6AddressGeneration: 'none',
    });
    // Where bridged packets pass the packet filter, a container's way to its own published port leads out by its own port.
    const hairpin = bridgedPacketsAreFiltered();
    if (plan.isolated || hairpin) {
      this.#rtnl.links.setBridgePort(host.index, { isolated: plan.isolated, ...(hairpin ? { hairpin } : {}) });
    }
    setUpSandboxLink(ns, { ifname: spec.ifname, addresses: plan.addresses, sysctls: plan.endpoint.sysctls });
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

  announce(spec: AttachSpec, state: Attachment['state']): void {
    if (typeof state.mac === 'string') announceAddresses(spec, state.mac as Mac);
  }

  async sweep(known: { readonly networks: ReadonlySet<Id>; readonly endpoints: ReadonlySet<Id> }): Promise<void> {
    for (const link of this.#rtnl.links.list()) {
      const { network, endpoint } = ownerOf(link);
      const orphan =
        (link.kind === 'bridge' && network !== undefined && !known.networks.has(network)) ||
        (link.kind === 'veth' && endpoint !== undefined && !known.endpoints.has(endpoint));
      if (!orphan) continue;
      this.#log.warn({ link: link.name, network, endpoint }, 'removing a link that belongs to nothing known');
      this.#discarded.discard(link);
    }
    this.#discarded.flush();
  }

  #makeGood(network: NetworkRecord): NetworkSetup {
    const plan = planBridge(network);
    this.#forward(network);
    this.#settleBridgedPackets();
    const state = makeGoodBridge(this.#rtnl, network, plan);
    const { hostBinding } = plan.options;
    return { firewall: plan.firewall, state, ...(hostBinding === undefined ? {} : { hostBinding }) };
  }

  /** Once for each daemon. */
  #settleBridgedPackets(): void {
    if (this.#bridgedPacketsSettled) return;
    this.#bridgedPacketsSettled = true;
    try {
      leaveBridgedPacketsAlone(this.#rtnl.links.list());
    } catch (error) {
      this.#log.warn(
        { reason: messageOf(error) },
        'bridged packets go on passing the packet filter, and are slower for it',
      );
    }
  }

  /** Once for each family and daemon. */
  #forward(network: NetworkRecord): void {
    if (!this.#ipForward) return;
    const families: readonly IpFamily[] = [
      ...(network.enableIpv4 ? [4 as const] : []),
      ...(network.enableIpv6 ? [6 as const] : []),
    ];
    for (const family of families.filter((one) => !this.#forwarding.has(one))) {
      const keys =
        family === 4 ? ['net.ipv4.ip_forward'] : ['net.ipv6.conf.default.forwarding', 'net.ipv6.conf.all.forwarding'];
      try {
        for (const key of keys) writeSysctl(key, 1);
        this.#forwarding.add(family);
      } catch (error) {
        this.#log.warn({ family, reason: messageOf(error) }, 'cannot turn on forwarding: containers may not get out');
      }
    }
  }
}

function attachment(spec: AttachSpec, plan: PortPlan, hostLink: string): Attachment {
  return {
    ifname: spec.ifname,
    mac: plan.mac,
    ...plan.gateways,
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
