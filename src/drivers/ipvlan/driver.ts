import { invalid } from '../../base/index.ts';
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
import type { ParentLinks } from '../parent/index.ts';
import { deleteSandboxLink, makeSandboxLink } from '../sandbox-link.ts';
import { repairSandboxLink, sandboxLinkDrift } from '../sandbox-link-drift.ts';
import { parseIpvlanOptions } from './options.ts';
import { type IpvlanPlan, planIpvlan } from './plan.ts';

export interface IpvlanDriverDeps {
  /** In the namespace of the daemon. */
  readonly rtnl: Rtnl;
  /** One for all drivers that stand on links of the host. */
  readonly parents: ParentLinks;
}

/** Containers beside the host on the host's own link, under the Ethernet address of that link. */
export class IpvlanDriver implements NetworkDriver {
  readonly traits: DriverTraits = {
    name: 'ipvlan',
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

  constructor(deps: IpvlanDriverDeps) {
    this.#rtnl = deps.rtnl;
    this.#parents = deps.parents;
  }

  validate(request: DriverNetworkRequest): void {
    const { parent, mode } = parseIpvlanOptions(request.options, request.id);
    if (request.ipam?.driver === 'dhcp' && mode !== 'l2') {
      throw invalid('dhcp_needs_l2', `IPAM driver dhcp needs ipvlan_mode l2: mode ${mode} carries no broadcasts`);
    }
    requireFeature('ipvlan');
    this.#parents.check(parent);
  }

  async createNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    this.#parents.use(parseIpvlanOptions(network.options, network.id).parent, network.id);
    return { firewall: [] };
  }

  async restoreNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    return this.createNetwork(network);
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    this.#parents.release(parseIpvlanOptions(network.options, network.id).parent, network.id);
  }

  async attach(spec: AttachSpec): Promise<Attachment> {
    const plan = planIpvlan(spec);
    const { parent: where, mode, flag, mtu } = plan.options;
    const parent = this.#parents.find(where.name);
    if (!parent.flags.up) this.#rtnl.links.set(parent.index, { up: true });
    makeSandboxLink(spec, plan.endpoint, (base) =>
      this.#rtnl.links.createIpvlan({ ...base, mtu, parentIndex: parent.index, mode, flag }),
    );
    return attachment(spec, plan);
  }

  async detach(spec: AttachSpec): Promise<void> {
    deleteSandboxLink(spec, 'ipvlan');
  }

  restoreAttachment(spec: AttachSpec): Attachment {
    return attachment(spec, planIpvlan({ ...withoutMac(spec) }));
  }

  verifyAttachment(spec: AttachSpec): readonly Drift[] {
    return sandboxLinkDrift(spec);
  }

  repairAttachment(spec: AttachSpec, state: Attachment['state']): Promise<Attachment> {
    return repairSandboxLink(this, spec, state);
  }

  async sweep(): Promise<void> {
    this.#parents.sweep();
  }
}

function withoutMac({ mac: _mac, ...spec }: AttachSpec): AttachSpec {
  return spec;
}

function attachment(spec: AttachSpec, plan: IpvlanPlan): Attachment {
  return { ifname: spec.ifname, ...plan.ways, firewall: [], state: {} };
}
