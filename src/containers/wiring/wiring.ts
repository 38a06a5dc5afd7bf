import { readFileSync } from 'node:fs';
import {
  conflict,
  FairwayError,
  type Id,
  type Ip,
  internal,
  invalid,
  isKind,
  newId,
  shortId,
} from '../../base/index.ts';
import type { EndpointRecord, EndpointRequest, NetworkRecord } from '../../model/index.ts';
import type { Networks, Sandboxes } from '../../network/contract.ts';
import { type ContainersOptions, containerFolder } from '../engine.ts';
import {
  type EtcPaths,
  etcPaths,
  extraHostLines,
  type HostLine,
  hostsFile,
  ownLines,
  writeEtc,
  writeUnlessEdited,
} from '../etc/index.ts';
import type { ConfiguredNetwork } from '../options.ts';
import { type Container, isHostNetwork, type Registry, sharedNetworkRef } from '../records/index.ts';
import { legacyLinks, linkEnvironment, linkedPorts, type ParsedLink } from './links.ts';
import { orderedNetworks } from './validate.ts';

export interface WiringDeps {
  readonly networks: Networks;
  readonly sandboxes: Sandboxes;
  readonly registry: Registry;
}

interface Linked {
  readonly link: ParsedLink;
  readonly child: Container;
  readonly endpoint: EndpointRecord;
}

export interface OpenedNetwork {
  /** Path of the namespace; null for the host's. */
  readonly netns: string | null;
  readonly paths: EtcPaths;
}

/** Joins containers to their sandboxes and networks, and tells them in /etc what they are called there. */
export class Wiring {
  readonly #networks: Networks;
  readonly #sandboxes: Sandboxes;
  readonly #registry: Registry;
  readonly #options: ContainersOptions;
  /** Opened for their own processes, and not closed since. */
  readonly #opened = new Set<Id>();

  constructor(deps: WiringDeps, options: ContainersOptions) {
    this.#networks = deps.networks;
    this.#sandboxes = deps.sandboxes;
    this.#registry = deps.registry;
    this.#options = options;
  }

  pathsOf(container: Container): EtcPaths {
    const { sharesSandboxOf } = container.record;
    return etcPaths(containerFolder(this.#options, sharesSandboxOf ?? container.id));
  }

  /** Opens the namespace, or finds the one to share. Undone by {@link close}. */
  async open(container: Container): Promise<OpenedNetwork> {
    const { spec } = container.record;
    const ref = sharedNetworkRef(spec.network.mode);
    if (ref !== null) return this.#share(container, ref);
    this.#opened.add(container.id);
    this.#assertLinkTargetsRun(container);
    const kept = this.#keptSandbox(container);
    if (kept) {
      this.refresh(container);
      return { netns: kept.host ? null : kept.path, paths: this.pathsOf(container) };
    }
    const host = isHostNetwork(container.record);
    const sandboxId = newId();
    const net = Object.entries(spec.security.sysctls).filter(([key]) => key.startsWith('net.'));
    container.change({ sandboxId });
    const sandbox = await this.#sandboxes.open({
      id: sandboxId,
      ownerId: container.id,
      host,
      ports: spec.network.ports,
      exposed: container.record.effective.exposed.flatMap(({ protocol, port }) =>
        protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp' ? [{ protocol, port }] : [],
      ),
      publishAll: spec.network.publishAll,
      dns: { servers: spec.network.dns, search: spec.network.dnsSearch, options: spec.network.dnsOptions },
      sysctls: Object.fromEntries(net),
    });
    const paths = this.pathsOf(container);
    this.#writeNames(container, []);
    writeUnlessEdited(paths.resolvConf, this.#sandboxes.resolvConf(sandboxId).text);
    return { netns: host ? null : sandbox.path, paths };
  }

  /** Attaches every configured network and writes the addresses into /etc. */
  async attachAll(container: Container): Promise<void> {
    const { sandboxId, spec } = container.record;
    if (sandboxId === undefined) return;
    const resolved: ConfiguredNetwork[] = [];
    const present = this.#sandboxes.endpoints(sandboxId);
    for (const configured of orderedNetworks(spec, container.record.networks)) {
      const id = configured.networkId ?? this.#find(configured.name)?.id;
      const endpoint =
        present.find(({ networkId }) => networkId === id) ??
        (await this.#attach(container, sandboxId, configured).catch(asSetUpFailure));
      resolved.push({ ...configured, networkId: endpoint.networkId });
    }
    container.change({ networks: resolved });
    // A network may have been made anew since the container was.
    this.reserve(container);
    this.refresh(container);
    await this.#openLinks(container);
    await this.#linkersFollow(container);
  }

  /** Writes /etc/hosts and /etc/resolv.conf as the present endpoints want them. */
  refresh(container: Container): void {
    const { sandboxId } = container.record;
    if (sandboxId === undefined) return;
    this.#writeNames(container, this.#sandboxes.endpoints(sandboxId));
    this.refreshResolvConf(container);
  }

  /** As the host's resolv.conf and the present endpoints want it, unless somebody has edited it in the container. */
  refreshResolvConf(container: Container): void {
    const { sandboxId } = container.record;
    if (sandboxId === undefined || this.#sandboxes.get(sandboxId) === undefined) return;
    writeUnlessEdited(this.pathsOf(container).resolvConf, this.#sandboxes.resolvConf(sandboxId).text);
  }

  /**
   * Leaves all networks; repeatable. Configured addresses stay reserved. While others share its sandbox a container keeps
   * it, until it is removed, so that they stay connected and it can come back to them.
   */
  async close(container: Container): Promise<void> {
    const { sharesSandboxOf, state } = container.record;
    this.#opened.delete(container.id);
    if (state.status !== 'removing' && this.isShared(container)) return;
    await this.#close(container);
    const owner = sharesSandboxOf === undefined ? undefined : this.#registry.find(sharesSandboxOf);
    if (!owner || owner.running || this.#opened.has(owner.id) || this.isShared(owner)) return;
    await this.#close(owner);
    await this.#registry.save(owner);
  }

  /** Others are in its sandbox. */
  isShared({ id }: Container): boolean {
    return this.#registry.all().some(({ record }) => record.sharesSandboxOf === id);
  }

  #keptSandbox({ record: { sandboxId } }: Container): { readonly host: boolean; readonly path: string } | undefined {
    return sandboxId === undefined ? undefined : this.#sandboxes.get(sandboxId);
  }

  async #close(container: Container): Promise<void> {
    const { sandboxId } = container.record;
    const linkers = sandboxId === undefined ? [] : this.#linkersOf(container);
    if (sandboxId !== undefined) await this.#sandboxes.close(sandboxId);
    container.dropSandbox();
    for (const linker of linkers) await this.#openLinks(linker);
  }

  /** Keeps the configured addresses of these networks, and no others, for the container until {@link forget}. */
  reserve(container: Container, networks = container.record.networks): void {
    const addresses = networks.flatMap(({ networkId, name, request }) => {
      const id = networkId ?? this.#find(name)?.id;
      if (id === undefined) return [];
      const ips = [request.ipv4, request.ipv6].filter((ip): ip is Ip => ip !== undefined);
      return ips.map((ip) => ({ networkId: id, ip }));
    });
    this.#sandboxes.reserve(container.id, addresses);
  }

  forget(container: Container): void {
    this.#sandboxes.unreserve(container.id);
  }

  endpointsOf(container: Container): readonly EndpointRecord[] {
    const { sandboxId } = container.record;
    return sandboxId === undefined ? [] : this.#sandboxes.endpoints(sandboxId);
  }

  /** `ALIAS_…` variables of legacy links. */
  linkEnvironment(container: Container): string[] {
    return this.#links(container).flatMap(({ link, child, endpoint }) =>
      linkEnvironment(container.name, link, child, endpoint),
    );
  }

  async rename(container: Container): Promise<void> {
    const { sandboxId, networks } = container.record;
    if (sandboxId === undefined) return;
    await this.#sandboxes.rename(sandboxId, container.name, (networkId) => {
      const configured = networks.find((one) => one.networkId === networkId);
      return this.#dnsNames(container, configured?.request ?? {});
    });
  }

  async connect(container: Container, ref: string, request: EndpointRequest): Promise<void> {
    const { record } = container;
    if (sharedNetworkRef(record.spec.network.mode) !== null || isHostNetwork(record)) {
      throw invalid(
        'network_conflict',
        'container sharing network namespace with another container or host cannot be connected to any other network',
      );
    }
    const network = this.#networks.find(ref);
    if (network.driver === 'host') {
      throw invalid(
        'network_conflict',
        'cannot connect container to host network - container must be created in host network mode',
      );
    }
    if (record.networks.some(({ name }) => this.#find(name)?.driver === 'null') || network.driver === 'null') {
      throw invalid(
        'network_conflict',
        'container cannot be connected to multiple networks with one of the networks in private (none) mode',
      );
    }
    const configured: ConfiguredNetwork = { name: network.name, networkId: network.id, request };
    const others = record.networks.filter((one) => !this.#isSame(one, network));
    const networks = [...others, configured];
    if (record.sandboxId === undefined) {
      this.reserve(container, networks);
      container.change({ networks });
      return;
    }
    await this.#attach(container, record.sandboxId, configured);
    this.reserve(container, networks);
    container.change({ networks });
    this.refresh(container);
    await this.#linkersFollow(container);
  }

  async disconnect(container: Container, ref: string, options: { readonly force: boolean }): Promise<void> {
    const { record } = container;
    if (isHostNetwork(record) && ref === 'host') {
      throw invalid(
        'network_conflict',
        'cannot disconnect container from host network - container was created in host network mode',
      );
    }
    const network = this.#networks.find(ref);
    const kept = record.networks.filter((one) => !this.#isSame(one, network));
    const { sandboxId } = record;
    if (sandboxId === undefined) {
      if (kept.length === record.networks.length && !options.force) {
        throw internal('not_connected', `container ${container.id} is not connected to the network ${network.name}`);
      }
      container.change({ networks: kept });
      this.reserve(container);
      return;
    }
    if (!this.#sandboxes.endpoints(sandboxId).some(({ networkId }) => networkId === network.id)) {
      throw internal('not_connected', `container ${container.id} is not connected to network ${network.name}`);
    }
    await this.#sandboxes.detach(sandboxId, network.id);
    container.change({ networks: kept });
    this.reserve(container);
    this.refresh(container);
    await this.#linkersFollow(container);
  }

  #attach(container: Container, sandboxId: Id, configured: ConfiguredNetwork): Promise<EndpointRecord> {
    const mac = configured.request.mac ?? container.record.spec.network.mac;
    return this.#sandboxes.attach({
      sandboxId,
      network:
        configured.networkId !== undefined && this.#find(configured.networkId) ? configured.networkId : configured.name,
      name: container.name,
      dnsNames: this.#dnsNames(container, configured.request),
      request: {
        ...configured.request,
        ...(mac !== undefined && configured.name === container.record.spec.network.mode && { mac }),
      },
    });
  }

  #dnsNames(container: Container, request: EndpointRequest): string[] {
    const { hostname } = container.record.effective;
    return [...new Set([container.name, ...(request.aliases ?? []), shortId(container.id), hostname])];
  }

  #share(container: Container, ref: string): OpenedNetwork {
    const owner = this.#registry.find(ref);
    if (!owner) {
      throw internal('namespace_owner_missing', `joining network namespace of container: No such container: ${ref}`);
    }
    if (owner === container) throw internal('own_namespace', 'cannot join own network namespace');
    if (owner.record.state.status === 'restarting') {
      throw conflict(
        'namespace_owner_restarting',
        `cannot join network namespace of container: Container ${ref} is restarting, wait until the container is running`,
      );
    }
    if (!owner.running) {
      throw conflict(
        'namespace_owner_not_running',
        `cannot join network namespace of a non running container: container ${owner.name} is ${owner.record.state.status}`,
      );
    }
    const root = owner.record.sharesSandboxOf === undefined ? owner : this.#registry.get(owner.record.sharesSandboxOf);
    const { sandboxId } = root.record;
    const sandbox = sandboxId === undefined ? undefined : this.#sandboxes.get(sandboxId);
    if (!sandbox) throw conflict('namespace_gone', `cannot join network namespace of container ${ref}: it has none`);
    container.change({
      sharesSandboxOf: root.id,
      effective: { ...container.record.effective, hostname: root.record.effective.hostname },
    });
    return { netns: sandbox.host ? null : sandbox.path, paths: this.pathsOf(root) };
  }

  #writeNames(container: Container, endpoints: readonly EndpointRecord[]): void {
    const { spec, effective } = container.record;
    const paths = this.pathsOf(container);
    writeEtc(paths.hostname, `${effective.hostname}\n`);
    const host = isHostNetwork(container.record);
    if (host && spec.network.extraHosts.length === 0) {
      writeEtc(paths.hosts, readFileSync('/etc/hosts', 'utf8'));
      return;
    }
    const ips = endpoints.flatMap(({ ipv4, ipv6 }) => [ipv4?.ip, ipv6?.ip].filter((ip) => ip !== undefined));
    const lines: HostLine[] = [
      ...extraHostLines(spec.network.extraHosts, this.#hostGateways()),
      ...this.#links(container).flatMap(({ link, child, endpoint }) => {
        const names = [...new Set([link.alias, child.record.effective.hostname, child.name])];
        return [endpoint.ipv4?.ip, endpoint.ipv6?.ip].flatMap((ip) => (ip === undefined ? [] : [{ ip, names }]));
      }),
      ...ownLines(ips, effective.hostname, spec.network.domainname),
    ];
    const ipv6 = host || endpoints.length === 0 || endpoints.some((endpoint) => endpoint.ipv6 !== undefined);
    writeEtc(paths.hosts, hostsFile({ ipv6, lines }));
  }

  /** Legacy links, on the default bridge alone. */
  #links(container: Container): readonly Linked[] {
    const bridge = this.#find('bridge');
    return legacyLinks(container).flatMap((link) => {
      const child = this.#registry.find(link.target);
      const endpoint = child && this.endpointsOf(child).find(({ networkId }) => networkId === bridge?.id);
      return child && endpoint ? [{ link, child, endpoint }] : [];
    });
  }

  #assertLinkTargetsRun(container: Container): void {
    const links = legacyLinks(container);
    if (links.length === 0) return;
    const present = this.#links(container);
    for (const link of links) {
      const child = this.#registry.find(link.target);
      if (!child) throw invalid('link_target_missing', `could not get container for ${link.target}`);
      if (child.running && present.some((one) => one.child === child)) continue;
      throw internal(
        'link_target_not_running',
        `Cannot link to a non running container: /${child.name} AS /${container.name}/${link.alias}`,
      );
    }
  }

  /** Lets it reach the exposed ports of what it is linked to, as things are now. */
  async #openLinks(container: Container): Promise<void> {
    const { sandboxId } = container.record;
    if (sandboxId === undefined || legacyLinks(container).length === 0) return;
    const links = this.#links(container).flatMap(({ child, endpoint }) => linkedPorts(child, endpoint));
    await this.#sandboxes.setLinks(sandboxId, links);
  }

  #linkersOf(target: Container): readonly Container[] {
    return this.#registry
      .all()
      .filter(
        (other) =>
          other !== target &&
          other.record.sandboxId !== undefined &&
          legacyLinks(other).some((link) => this.#registry.find(link.target) === target),
      );
  }

  /** Those that are linked to it find it where it is now. */
  async #linkersFollow(target: Container): Promise<void> {
    for (const linker of this.#linkersOf(target)) {
      this.refresh(linker);
      await this.#openLinks(linker);
    }
  }

  #hostGateways(): readonly string[] {
    if (this.#options.hostGatewayIps && this.#options.hostGatewayIps.length > 0) return this.#options.hostGatewayIps;
    return (this.#find('bridge')?.pools ?? []).flatMap(({ gateway }) => (gateway === undefined ? [] : [gateway]));
  }

  #isSame(configured: ConfiguredNetwork, network: NetworkRecord): boolean {
    return configured.networkId === undefined
      ? configured.name === network.name || network.id.startsWith(configured.name)
      : configured.networkId === network.id;
  }

  #find(ref: string): NetworkRecord | undefined {
    try {
      return this.#networks.find(ref);
    } catch (error) {
      if (isKind(error, 'notFound') || isKind(error, 'invalid')) return undefined;
      throw error;
    }
  }
}

/** In Docker's words, with the kind of the cause. */
function asSetUpFailure(error: unknown): never {
  if (!(error instanceof FairwayError)) throw error;
  const { code, kind } = error;
  throw new FairwayError(`failed to set up container networking: ${error.message}`, { code, kind, cause: error });
}
