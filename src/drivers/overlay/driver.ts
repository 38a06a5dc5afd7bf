import {
  conflict,
  familyOf,
  type Id,
  type Ip,
  type Log,
  type Mac,
  messageOf,
  silentLog,
  UnsupportedError,
} from '../../base/index.ts';
import { type Link, type NetlinkError, openNetns, type Rtnl } from '../../kernel/index.ts';
import type {
  Attachment,
  AttachSpec,
  BlockPrefixes,
  Drift,
  DriverNetworkRequest,
  DriverTraits,
  FirewallEntry,
  KnownObjects,
  NetworkDriver,
  NetworkRecord,
  NetworkSetup,
  Peer,
  UnderlayEncryption,
} from '../../model/index.ts';
import { BridgedPackets } from '../bridged-packets.ts';
import type { DiscardedLinks } from '../discarded-links.ts';
import { endpointMark, isOverlayLink, ownerOf } from '../marks.ts';
import { guardOf } from '../port-guard.ts';
import { addressesOf, announceAddresses, setUpSandboxLink } from '../sandbox-link.ts';
import { makeGoodSandboxLink } from '../sandbox-link-drift.ts';
import { createVethPort, portNameOf, removeVethPort, settleCarrier } from '../veth-port.ts';
import { portDrift } from '../veth-port-drift.ts';
import { DirectPath } from './direct.ts';
import { makeGoodLinks } from './links.ts';
import { checkDirect, checkMtu, ENCRYPTED_OPTION, parseOverlayOptions } from './options.ts';
import { changePeerEntries, ofFamily, replacePeerEntries, throwRefused } from './peer-entries.ts';
import { type PeerChange, type PeerEntries, PeerTable } from './peers.ts';
import {
  bridgeNameOf,
  type OverlayPlan,
  type OverlayPortPlan,
  planOverlay,
  planOverlayPort,
  vxlanNameOf,
} from './plan.ts';
import { findUnderlay, mtuOf } from './underlay.ts';
import { overlayDrift } from './verify.ts';

export interface OverlayDriverDeps {
  /** In the namespace of the daemon. */
  readonly rtnl: Rtnl;
  readonly discarded: DiscardedLinks;
  /** The address of this node that other nodes send to, as it is now; undefined: there is none, or it is not known yet. */
  readonly underlay: () => Ip | undefined;
  /** Absent: encrypted networks are refused. */
  readonly encryption?: UnderlayEncryption;
  readonly log?: Log;
}

export interface OverlayDriverOptions {
  /** UDP port on which nodes send each other frames. Default 4789. */
  readonly dataPort?: number;
  /** Whether networks with direct routing turn forwarding on. Default true. */
  readonly ipForward?: boolean;
}

const DATA_PORT = 4789;

/** A network that exists on this node. */
interface Live {
  /** Absent: nobody has told of other nodes' endpoints yet. */
  peers: PeerTable | undefined;
}

/**
 * Containers of several nodes on one link: on each node a bridge without addresses, and in it a VXLAN link that sends the
 * frames for other nodes' containers there. Where these are is told; nothing is learnt or flooded, and ARP and neighbour
 * discovery are answered on the spot.
 */
export class OverlayDriver implements NetworkDriver {
  readonly traits: DriverTraits = {
    name: 'overlay',
    scope: 'global',
    usesIpam: true,
    allocatesGateway: true,
    publishesPorts: false,
    resolvesNames: true,
    needsGatewayNetwork: true,
    predefinedOnly: false,
  };
  readonly #deps: OverlayDriverDeps;
  readonly #rtnl: Rtnl;
  readonly #log: Log;
  readonly #ports: { readonly plain: number; readonly encrypted: number | undefined };
  readonly #bridgedPackets: BridgedPackets;
  readonly #direct: DirectPath;
  readonly #live = new Map<Id, Live>();

  constructor(deps: OverlayDriverDeps, options: OverlayDriverOptions = {}) {
    this.#deps = deps;
    this.#rtnl = deps.rtnl;
    this.#log = deps.log ?? silentLog;
    this.#bridgedPackets = new BridgedPackets(deps);
    this.#direct = new DirectPath({ ...deps, log: this.#log, ipForward: options.ipForward ?? true });
    this.#ports = { plain: options.dataPort ?? DATA_PORT, encrypted: deps.encryption?.port };
  }

  validate(request: DriverNetworkRequest): void {
    const options = parseOverlayOptions(request.options);
    checkMtu(options.mtu, request.enableIpv6);
    if (options.direct !== undefined) {
      checkDirect(options, request);
      this.#direct.check(request);
    }
    if (options.encrypted) this.#requireEncryption(request.name).requireSupport();
  }

  identifier({ options }: DriverNetworkRequest): { readonly needed: boolean; readonly chosen?: number } {
    const { vni, direct } = parseOverlayOptions(options);
    return { needed: direct === undefined, ...(vni === undefined ? {} : { chosen: vni }) };
  }

  nodeBlocks({ options }: DriverNetworkRequest): BlockPrefixes | undefined {
    return parseOverlayOptions(options).direct;
  }

  async createNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    if (isDirect(network)) return this.#makeGoodDirect(network);
    const plan = this.#plan(network);
    this.#deps.discarded.postpone();
    if (!plan.options.encrypted) return this.#makeGood(network, plan);
    const encryption = this.#requireEncryption(network.name);
    encryption.requireSupport();
    await encryption.hold(network.id);
    try {
      return this.#makeGood(network, plan);
    } catch (error) {
      await encryption.release(network.id);
      throw error;
    }
  }

  async restoreNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    if (isDirect(network)) return this.#makeGoodDirect(network, true);
    const plan = this.#plan(network);
    if (plan.options.encrypted) this.#requireEncryption(network.name).restore(network.id);
    return this.#makeGood(network, plan, true);
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    this.#live.delete(network.id);
    for (const name of [vxlanNameOf(network.id), bridgeNameOf(network.id)]) {
      const link = this.#rtnl.links.get(name);
      if (link !== undefined && isOverlayLink(link)) this.#deps.discarded.discard(link);
    }
    if (isDirect(network)) this.#direct.remove(network);
    if (parseOverlayOptions(network.options).encrypted) await this.#deps.encryption?.release(network.id);
  }

  async attach(spec: AttachSpec): Promise<Attachment> {
    const plan = planOverlayPort(spec);
    const bridge = this.#rtnl.links.get(plan.bridge);
    if (bridge === undefined) {
      const failed = `cannot attach to network "${spec.network.name}"`;
      throw conflict('bridge_missing', `${failed}: bridge ${plan.bridge} is missing`);
    }
    const direct = isDirect(spec.network);
    if (direct) this.#direct.assertReachable(spec.network);
    this.#deps.discarded.postpone();
    using ns = openNetns(spec.sandboxPath);
    using undo = new DisposableStack();
    const host = createVethPort(this.#rtnl, spec, { ...plan, place: { bridge, ns } });
    undo.defer(() => this.#rtnl.links.delete(host.index));
    this.#rtnl.links.set(host.index, { up: true, alias: endpointMark(spec.endpointId) });
    setUpSandboxLink(ns, {
      ifname: spec.ifname,
      index: host.peerIndex,
      addresses: addressesOf(spec),
      sysctls: plan.endpoint.sysctls,
    });
    settleCarrier(this.#rtnl, host);
    // Its address may have come from another node, of whose end we hear later: until it speaks, frames would go there.
    this.#rtnl.fdb.replace({ linkIndex: host.index, mac: plan.mac, master: true });
    if (direct) this.#direct.attached(spec);
    undo.move();
    return attachment(spec, plan, host.name);
  }

  async detach(spec: AttachSpec, state: Attachment['state']): Promise<void> {
    removeVethPort({ rtnl: this.#rtnl, discarded: this.#deps.discarded }, spec, state);
    if (isDirect(spec.network)) this.#direct.detached(spec);
  }

  restoreAttachment(spec: AttachSpec, state: Attachment['state']): Attachment {
    const plan = planOverlayPort(spec);
    if (isDirect(spec.network)) this.#direct.remember(spec);
    return attachment(spec, plan, String(state.hostLink ?? plan.hostNames[0]));
  }

  guard(spec: AttachSpec, state?: Attachment['state']): readonly FirewallEntry[] {
    const { options, mac } = planOverlayPort(spec);
    if (!options.antiSpoofing) return [];
    return [guardOf(spec, { port: portNameOf(this.#rtnl, spec.endpointId, state), mac })];
  }

  announce(spec: AttachSpec, state: Attachment['state']): void {
    if (typeof state.mac === 'string') announceAddresses(spec, state.mac as Mac);
  }

  replacePeers(network: NetworkRecord, peers: readonly Peer[]): void {
    if (isDirect(network)) {
      this.#direct.replacePeers(network, peers);
      return;
    }
    const table = new PeerTable(peers);
    this.#live.set(network.id, { peers: table });
    const link = this.#vxlan(network.id);
    if (link === undefined) return;
    const entries = this.#reachable(link, table.entries());
    throwRefused(replacePeerEntries(this.#rtnl, link, entries));
  }

  changePeers(network: NetworkRecord, change: PeerChange): void {
    if (isDirect(network)) {
      this.#direct.changePeers(network, change);
      return;
    }
    const live = this.#live.get(network.id) ?? { peers: undefined };
    this.#live.set(network.id, live);
    live.peers ??= new PeerTable();
    const { set, remove } = live.peers.change(change);
    const link = this.#vxlan(network.id);
    if (link === undefined) return;
    const difference = { set: this.#reachable(link, set), remove };
    throwRefused(changePeerEntries(this.#rtnl, link, difference));
  }

  verifyNetwork(network: NetworkRecord): readonly Drift[] {
    if (isDirect(network)) return this.#direct.verify(network);
    const peers = this.#live.get(network.id)?.peers?.entries();
    return overlayDrift(this.#rtnl, { plan: this.#plan(network), local: this.#deps.underlay(), peers });
  }

  verifyAttachment(spec: AttachSpec, state: Attachment['state']): readonly Drift[] {
    const { bridge, hostNames } = planOverlayPort(spec);
    return portDrift(this.#rtnl, spec, { host: String(state.hostLink ?? hostNames[0]), bridge });
  }

  async repairAttachment(spec: AttachSpec, state: Attachment['state']): Promise<Attachment> {
    const plan = planOverlayPort(spec);
    const host = this.#rtnl.links.get(String(state.hostLink ?? plan.hostNames[0]));
    const bridge = this.#rtnl.links.get(plan.bridge);
    const whole = host !== undefined && ownerOf(host).endpoint === spec.endpointId && makeGoodSandboxLink(spec);
    if (!whole || bridge === undefined) {
      await this.detach(spec, state);
      return this.attach(spec);
    }
    this.#rtnl.links.set(host.index, { up: true, masterIndex: bridge.index });
    return this.restoreAttachment(spec, state);
  }

  orphans(known: KnownObjects): readonly Drift[] {
    const links = this.#orphanLinks(known).map((link): Drift => {
      const { network } = ownerOf(link);
      const about = network === undefined ? {} : { networkId: network };
      return { ...about, kind: 'link', problem: 'orphan', object: link.name };
    });
    return [...links, ...this.#direct.orphans()];
  }

  /** Ports of containers go with their endpoints. */
  async sweep(known: KnownObjects): Promise<void> {
    await this.#deps.encryption?.sweep();
    this.#direct.sweep();
    const orphans = this.#orphanLinks(known);
    if (orphans.length === 0) return;
    const bridges = new Set(orphans.map(({ index }) => index));
    const ports = this.#rtnl.links.list().filter((link) => {
      const { endpoint } = ownerOf(link);
      return bridges.has(link.masterIndex ?? 0) && endpoint !== undefined && !known.endpoints.has(endpoint);
    });
    for (const link of [...ports, ...orphans]) {
      this.#log.warn({ link: link.name, ...ownerOf(link) }, 'removing a link that belongs to nothing known');
      this.#deps.discarded.discard(link);
    }
    this.#deps.discarded.flush();
  }

  /** A network that the cluster knows and that has no endpoints here has no links here either. */
  #orphanLinks(known: KnownObjects): readonly Link[] {
    return this.#rtnl.links.list().filter((link) => {
      const { network } = ownerOf(link);
      if (!isOverlayLink(link) || network === undefined) return false;
      return !this.#live.has(network) || !known.networks.has(network);
    });
  }

  #plan(network: NetworkRecord): OverlayPlan {
    return planOverlay(network, this.#ports);
  }

  #makeGood(network: NetworkRecord, plan: OverlayPlan, restoring = false): NetworkSetup {
    this.#bridgedPackets.settle();
    const running = this.#live.get(network.id);
    const { local, mtu } = restoring ? this.#placeOfBefore(network, plan) : this.#place(network, plan);
    this.#live.set(network.id, running ?? { peers: undefined });
    try {
      const { rtnl, discarded } = this.#deps;
      const place = { plan, local, mtu, name: network.name };
      const link = makeGoodLinks({ rtnl, discarded, live: new Set(this.#live.keys()) }, place);
      if (running?.peers !== undefined) {
        const entries = this.#reachable(link, running.peers.entries());
        this.#report(network, link, replacePeerEntries(rtnl, link, entries));
      }
    } catch (error) {
      if (running === undefined) this.#live.delete(network.id);
      throw error;
    }
    return { firewall: plan.firewall };
  }

  #makeGoodDirect(network: NetworkRecord, restoring = false): NetworkSetup {
    this.#deps.discarded.postpone();
    this.#bridgedPackets.settle();
    const setup = this.#direct.makeGood(network, restoring);
    this.#live.set(network.id, this.#live.get(network.id) ?? { peers: undefined });
    return setup;
  }

  /** From where the network's link sends, and what its containers' links bear. */
  #place(network: NetworkRecord, plan: OverlayPlan): { readonly local: Ip; readonly mtu: number } {
    const underlay = findUnderlay(this.#rtnl, this.#deps.underlay(), network);
    const encryption = this.#deps.encryption?.overhead ?? 0;
    return { local: underlay.address, mtu: mtuOf(underlay, plan.options, { network, encryption }) };
  }

  /** The underlay may be on its way back, or be another: what runs goes on as it is then. */
  #placeOfBefore(network: NetworkRecord, plan: OverlayPlan): { readonly local: Ip; readonly mtu: number } {
    try {
      return this.#place(network, plan);
    } catch (error) {
      const link = this.#vxlan(network.id);
      const local = link?.details.local;
      if (link === undefined || local === undefined) throw error;
      const context = { network: network.name, address: local, reason: messageOf(error) };
      this.#log.warn(context, 'the network goes on as it was: where this host is for others is not known');
      return { local, mtu: link.mtu };
    }
  }

  #vxlan(id: Id): Link | undefined {
    const link = this.#rtnl.links.get(vxlanNameOf(id));
    return link?.kind === 'vxlan' ? link : undefined;
  }

  #reachable(link: Link, entries: PeerEntries): PeerEntries {
    const { local } = link.details;
    return local === undefined ? entries : ofFamily(entries, familyOf(local));
  }

  /** Nothing is lost by it: what is remembered is compared with what is there, and made good. */
  #report(network: NetworkRecord, link: Link, failures: readonly NetlinkError[]): void {
    if (failures.length === 0) return;
    const [first] = failures;
    const context = { network: network.name, link: link.name, failures: failures.length, first: first?.message };
    this.#log.error(context, 'the kernel does not take where endpoints of other nodes are');
  }

  #requireEncryption(name: string): UnderlayEncryption {
    const { encryption } = this.#deps;
    if (encryption !== undefined) return encryption;
    const reason = 'this daemon is in no cluster that has keys';
    throw new UnsupportedError(`cannot use option "${ENCRYPTED_OPTION}" of network "${name}": ${reason}`, 'encryption');
  }
}

function attachment(spec: AttachSpec, plan: OverlayPortPlan, hostLink: string): Attachment {
  const { mac, routes } = plan;
  return {
    ifname: spec.ifname,
    mac,
    ...(routes.length > 0 ? { routes } : {}),
    firewall: [],
    state: { hostLink, mac },
  };
}

function isDirect({ options }: NetworkRecord): boolean {
  return parseOverlayOptions(options).direct !== undefined;
}
