import { conflict, type Id, type Log, type Mac, messageOf, silentLog } from '../../base/index.ts';
import { type Link, openNetns, type Rtnl } from '../../kernel/index.ts';
import type {
  Attachment,
  AttachSpec,
  Drift,
  DriverNetworkRequest,
  DriverTraits,
  FirewallEntry,
  NetworkDriver,
  NetworkRecord,
  NetworkSetup,
} from '../../model/index.ts';
import type { DiscardedLinks } from '../discarded-links.ts';
import { endpointMark, ownerOf, transparentOwner } from '../marks.ts';
import type { ParentLinks } from '../parent/index.ts';
import { guardOf } from '../port-guard.ts';
import { addressesOf, announceAddresses, setUpSandboxLink, usesSlaac } from '../sandbox-link.ts';
import { createVethPort, hostNames, portNameOf, removeVethPort, settleCarrier } from '../veth-port.ts';
import { makeGoodVethPort, type PortNames, portDrift } from '../veth-port-drift.ts';
import { parseTransparentOptions } from './options.ts';
import { bridgeNameOf, checkTransparentRequest, planTransparent, type TransparentPlan } from './plan.ts';
import { giveUplinkBack, isUplinkOf, makeGoodUplink, uplinkDrift } from './uplink.ts';

export interface TransparentDriverDeps {
  /** In the namespace of the daemon. */
  readonly rtnl: Rtnl;
  readonly discarded: DiscardedLinks;
  /** One for all drivers that stand on links of the host. */
  readonly parents: ParentLinks;
  readonly log?: Log;
}

/** Containers on the host's physical network, in one bridge with the link that leads there. */
export class TransparentDriver implements NetworkDriver {
  readonly traits: DriverTraits = {
    name: 'transparent',
    scope: 'local',
    usesIpam: true,
    allocatesGateway: false,
    takesForeignAddresses: true,
    publishesPorts: false,
    resolvesNames: true,
    predefinedOnly: false,
  };
  readonly #rtnl: Rtnl;
  readonly #discarded: DiscardedLinks;
  readonly #parents: ParentLinks;
  readonly #log: Log;

  constructor(deps: TransparentDriverDeps) {
    this.#rtnl = deps.rtnl;
    this.#discarded = deps.discarded;
    this.#parents = deps.parents;
    this.#log = deps.log ?? silentLog;
  }

  validate(request: DriverNetworkRequest, others: readonly NetworkRecord[]): void {
    checkTransparentRequest(request, others);
    const { parent } = parseTransparentOptions(request.options, request.id);
    this.#parents.check(parent);
    // Absent: a VLAN that will be made.
    const link = this.#rtnl.links.get(parent.name);
    if (link === undefined) return;
    if (link.kind === 'bridge' || link.mac === undefined) {
      const reason = link.kind === 'bridge' ? 'it is a bridge' : 'it has no Ethernet address';
      throw conflict('parent_unsuitable', `cannot use parent interface ${link.name}: ${reason}`);
    }
    if (link.masterIndex !== undefined && link.masterIndex !== 0) {
      throw conflict('parent_in_use', `cannot use parent interface ${link.name}: it belongs to another bridge or bond`);
    }
  }

  async createNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    const options = parseTransparentOptions(network.options, network.id);
    const parent = this.#parents.use(options.parent, network.id);
    try {
      makeGoodUplink(this.#rtnl, { id: network.id, name: bridgeNameOf(network.id), parent });
    } catch (error) {
      this.#parents.release(options.parent, network.id);
      throw error;
    }
    return { firewall: [], state: { parent: parent.name } };
  }

  async restoreNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    return this.createNetwork(network);
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    const bridge = this.#rtnl.links.get(bridgeNameOf(network.id));
    const { parent } = parseTransparentOptions(network.options, network.id);
    if (bridge !== undefined && isUplinkOf(bridge, network.id)) {
      giveUplinkBack(this.#rtnl, bridge, this.#rtnl.links.get(parent.name));
    }
    this.#parents.release(parent, network.id);
  }

  async attach(spec: AttachSpec): Promise<Attachment> {
    const plan = planTransparent(spec);
    const bridge = this.#rtnl.links.get(plan.bridge);
    if (bridge === undefined) {
      throw conflict(
        'bridge_missing',
        `cannot attach to network "${spec.network.name}": bridge ${plan.bridge} is missing`,
      );
    }
    this.#discarded.postpone();
    using ns = openNetns(spec.sandboxPath);
    using undo = new DisposableStack();
    const host = createVethPort(this.#rtnl, spec, { ...plan, place: { bridge, ns } });
    undo.defer(() => this.#rtnl.links.delete(host.index));
    this.#rtnl.links.set(host.index, { up: true, alias: endpointMark(spec.endpointId) });
    const [addresses, slaac] = [addressesOf(spec), usesSlaac(spec)];
    setUpSandboxLink(ns, {
      ifname: spec.ifname,
      index: host.peerIndex,
      addresses,
      slaac,
      sysctls: plan.endpoint.sysctls,
    });
    settleCarrier(this.#rtnl, host);
    undo.move();
    return attachment(spec, plan, host.name);
  }

  async detach(spec: AttachSpec, state: Attachment['state']): Promise<void> {
    removeVethPort({ rtnl: this.#rtnl, discarded: this.#discarded }, spec, state);
  }

  restoreAttachment(spec: AttachSpec, state: Attachment['state']): Attachment {
    const plan = planTransparent(spec);
    return attachment(spec, plan, String(state.hostLink ?? plan.hostNames[0]));
  }

  verifyNetwork({ id, options }: NetworkRecord): readonly Drift[] {
    return uplinkDrift(this.#rtnl, {
      id,
      name: bridgeNameOf(id),
      parent: parseTransparentOptions(options, id).parent.name,
    });
  }

  verifyAttachment(spec: AttachSpec, state: Attachment['state']): readonly Drift[] {
    return portDrift(this.#rtnl, spec, portNames(spec, state));
  }

  async repairAttachment(spec: AttachSpec, state: Attachment['state']): Promise<Attachment> {
    if (makeGoodVethPort(this.#rtnl, spec, portNames(spec, state))) return this.restoreAttachment(spec, state);
    await this.detach(spec, state);
    return this.attach(spec);
  }

  guard(spec: AttachSpec, state?: Attachment['state']): readonly FirewallEntry[] {
    if (!parseTransparentOptions(spec.network.options, spec.network.id).antiSpoofing) return [];
    return [guardOf(spec, { port: portNameOf(this.#rtnl, spec.endpointId, state), mac: planTransparent(spec).mac })];
  }

  announce(spec: AttachSpec, state: Attachment['state']): void {
    if (typeof state.mac === 'string') announceAddresses(spec, state.mac as Mac);
  }

  /** A bridge of a forgotten network gives back what it has, to its first port that is not a container's. */
  async sweep({ networks }: { readonly networks: ReadonlySet<Id> }): Promise<void> {
    const links = this.#rtnl.links.list();
    for (const bridge of links) {
      const network = transparentOwner(bridge);
      if (network === undefined || networks.has(network)) continue;
      const ports = links.filter((link) => link.masterIndex === bridge.index);
      const parent = ports.find((link) => !isContainerPort(link));
      this.#log.warn({ link: bridge.name, network, parent: parent?.name }, 'giving a link of a forgotten network back');
      try {
        giveUplinkBack(this.#rtnl, bridge, parent);
        for (const port of ports) if (isContainerPort(port)) this.#discarded.discard(port);
      } catch (error) {
        this.#log.error({ link: bridge.name, reason: messageOf(error) }, 'cannot give a link back');
      }
    }
    this.#parents.sweep();
  }
}

function isContainerPort(link: Link): boolean {
  return link.kind === 'veth' && ownerOf(link).endpoint !== undefined;
}

function portNames(spec: AttachSpec, state: Attachment['state']): PortNames {
  return { host: String(state.hostLink ?? hostNames(spec.endpointId)[0]), bridge: bridgeNameOf(spec.network.id) };
}

function attachment(spec: AttachSpec, plan: TransparentPlan, hostLink: string): Attachment {
  const { mac, gateways } = plan;
  return { ifname: spec.ifname, mac, ...gateways, firewall: [], state: { hostLink, mac } };
}
