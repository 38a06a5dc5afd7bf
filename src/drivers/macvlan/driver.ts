import type { Cidr, Id, Mac } from '../../base/index.ts';
import { type Rtnl, requireFeature } from '../../kernel/index.ts';
import type {
  Attachment,
  AttachSpec,
  Drift,
  DriverNetworkRequest,
  DriverTraits,
  NetworkDriver,
  NetworkRecord,
  NetworkSetup,
} from '../../model/index.ts';
import { ownerOf } from '../marks.ts';
import type { ParentLinks } from '../parent/index.ts';
import { announceAddresses, deleteSandboxLink, makeSandboxLink } from '../sandbox-link.ts';
import { repairSandboxLink, sandboxLinkDrift } from '../sandbox-link-drift.ts';
import { addShimRoute, deleteShim, isShim, makeGoodShim, removeShimRoute } from './host-shim.ts';
import { parseMacvlanOptions } from './options.ts';
import { checkMacvlanRequest, type MacvlanPlan, planMacvlan } from './plan.ts';

export interface MacvlanDriverDeps {
  /** In the namespace of the daemon. */
  readonly rtnl: Rtnl;
  /** One for all drivers that stand on links of the host. */
  readonly parents: ParentLinks;
}

/** Containers beside the host on the host's own link, each with an Ethernet address of its own. */
export class MacvlanDriver implements NetworkDriver {
  readonly traits: DriverTraits = {
    name: 'macvlan',
    scope: 'local',
    mayBeGlobal: true,
    usesIpam: true,
    allocatesGateway: false,
    takesForeignAddresses: true,
    publishesPorts: false,
    resolvesNames: true,
    predefinedOnly: false,
  };
  readonly #rtnl: Rtnl;
  readonly #parents: ParentLinks;

  constructor(deps: MacvlanDriverDeps) {
    this.#rtnl = deps.rtnl;
    this.#parents = deps.parents;
  }

  validate(request: DriverNetworkRequest, others: readonly NetworkRecord[]): void {
    checkMacvlanRequest(request, others);
    requireFeature('macvlan');
    this.#parents.check(parseMacvlanOptions(request.options, request.id).parent);
  }

  async createNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    const { shim, mtu, ...options } = parseMacvlanOptions(network.options, network.id);
    const parent = this.#parents.use(options.parent, network.id);
    if (shim === undefined) return { firewall: [] };
    try {
      makeGoodShim(this.#rtnl, network, { parent, shim, mtu });
    } catch (error) {
      this.#parents.release(options.parent, network.id);
      throw error;
    }
    return { firewall: [] };
  }

  async restoreNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    return this.createNetwork(network);
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    deleteShim(this.#rtnl, network);
    this.#parents.release(parseMacvlanOptions(network.options, network.id).parent, network.id);
  }

  async attach(spec: AttachSpec): Promise<Attachment> {
    const plan = planMacvlan(spec);
    const { options, mac } = plan;
    const parent = this.#parents.find(options.parent.name);
    if (!parent.flags.up) this.#rtnl.links.set(parent.index, { up: true });
    let made: Mac | undefined;
    makeSandboxLink(spec, plan.endpoint, (base) => {
      const link = this.#rtnl.links.createMacvlan({
        ...base,
        mac,
        mtu: options.mtu,
        parentIndex: parent.index,
        mode: options.mode,
      });
      made = link.mac;
      return link;
    });
    try {
      for (const cidr of ownAddresses(spec)) this.moveAddress(spec, { to: cidr });
    } catch (error) {
      await this.detach(spec);
      throw error;
    }
    return attachment(spec, plan, mac ?? made);
  }

  async detach(spec: AttachSpec): Promise<void> {
    for (const cidr of ownAddresses(spec)) this.moveAddress(spec, { from: cidr });
    deleteSandboxLink(spec, 'macvlan');
  }

  /** The host's routes to its containers. */
  moveAddress({ network }: AttachSpec, { from, to }: { readonly from?: Cidr; readonly to?: Cidr }): void {
    const { parent, shim } = parseMacvlanOptions(network.options, network.id);
    if (shim === undefined) return;
    if (from !== undefined) removeShimRoute(this.#rtnl, network, from);
    if (to !== undefined) addShimRoute(this.#rtnl, network, to, this.#parents.find(parent.name));
  }

  restoreAttachment(spec: AttachSpec, state: Attachment['state']): Attachment {
    return attachment(spec, planMacvlan(spec), typeof state.mac === 'string' ? (state.mac as Mac) : undefined);
  }

  verifyAttachment(spec: AttachSpec): readonly Drift[] {
    return sandboxLinkDrift(spec);
  }

  repairAttachment(spec: AttachSpec, state: Attachment['state']): Promise<Attachment> {
    return repairSandboxLink(this, spec, state);
  }

  announce(spec: AttachSpec, state: Attachment['state']): void {
    if (typeof state.mac === 'string') announceAddresses(spec, state.mac as Mac);
  }

  async sweep({ networks }: { readonly networks: ReadonlySet<Id> }): Promise<void> {
    for (const link of this.#rtnl.links.list()) {
      const { network } = ownerOf(link);
      if (isShim(link) && network !== undefined && !networks.has(network)) this.#rtnl.links.delete(link.index);
    }
    this.#parents.sweep();
  }
}

function ownAddresses({ ipv4, ipv6 }: AttachSpec): readonly Cidr[] {
  return [ipv4, ipv6].filter((cidr) => cidr !== undefined);
}

function attachment(spec: AttachSpec, plan: MacvlanPlan, mac: Mac | undefined): Attachment {
  return {
    ifname: spec.ifname,
    ...(mac === undefined ? {} : { mac }),
    ...plan.gateways,
    firewall: [],
    state: mac === undefined ? {} : { mac },
  };
}
