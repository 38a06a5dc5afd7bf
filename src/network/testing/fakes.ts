import type { Id, Ip } from '../../base/index.ts';
import type {
  Attachment,
  AttachSpec,
  DnsEndpoint,
  DnsView,
  DriverTraits,
  Firewall,
  FirewallEntry,
  HeldPorts,
  NetworkDriver,
  NetworkRecord,
  NetworkSetup,
  Peer,
  PortAllocator,
  PortRelay,
  PortRequest,
  PublishedPort,
  RelayedPort,
  Resolver,
} from '../../model/index.ts';
import type { AddressChange, DefaultRoute, DefaultRoutes, HostChange, SandboxHost } from '../host/index.ts';

/** A bridge driver without a kernel: remembers what exists. */
export class FakeDriver implements NetworkDriver {
  readonly networks = new Set<Id>();
  readonly links = new Map<Id, string>();
  /** Of other hosts, by network. */
  readonly peers = new Map<Id, Map<Id, Peer>>();
  readonly traits: DriverTraits;

  constructor(traits: Partial<DriverTraits> = {}) {
    this.traits = {
      name: 'bridge',
      scope: 'local',
      usesIpam: true,
      allocatesGateway: true,
      publishesPorts: true,
      resolvesNames: true,
      predefinedOnly: false,
      ...traits,
    };
  }

  validate(): void {}

  async createNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    this.networks.add(network.id);
    return this.#setup(network);
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    this.networks.delete(network.id);
    this.peers.delete(network.id);
  }

  async restoreNetwork(network: NetworkRecord): Promise<NetworkSetup> {
    return this.createNetwork(network);
  }

  async attach(spec: AttachSpec): Promise<Attachment> {
    if (this.traits.usesIpam) this.links.set(spec.endpointId, `${spec.sandboxPath} ${spec.ifname}`);
    return this.restoreAttachment(spec);
  }

  async detach(spec: AttachSpec): Promise<void> {
    this.links.delete(spec.endpointId);
  }

  restoreAttachment(spec: AttachSpec): Attachment {
    if (!this.traits.usesIpam) return { firewall: [], state: {} };
    const gateway = (family: 4 | 6): Ip | undefined =>
      spec.network.internal || this.traits.needsGatewayNetwork === true
        ? undefined
        : spec.network.pools.find((pool) => pool.family === family)?.gateway;
    const [gateway4, gateway6] = [gateway(4), gateway(6)];
    return {
      ifname: spec.ifname,
      ...(gateway4 === undefined ? {} : { gateway4 }),
      ...(gateway6 === undefined ? {} : { gateway6 }),
      ...(spec.mac === undefined ? {} : { mac: spec.mac }),
      firewall: [],
      state: { link: spec.endpointId },
    };
  }

  identifier(): { readonly needed: boolean } {
    return { needed: this.traits.name === 'overlay' };
  }

  replacePeers(network: NetworkRecord, peers: readonly Peer[]): void {
    this.peers.set(network.id, new Map(peers.map((peer) => [peer.endpointId, peer])));
  }

  changePeers(network: NetworkRecord, { set, remove }: { set: readonly Peer[]; remove: readonly Id[] }): void {
    const peers = this.peers.get(network.id) ?? new Map<Id, Peer>();
    this.peers.set(network.id, peers);
    for (const id of remove) peers.delete(id);
    for (const peer of set) peers.set(peer.endpointId, peer);
  }

  #setup(network: NetworkRecord): NetworkSetup {
    const mode = network.options['com.docker.network.bridge.gateway_mode_ipv4'] === 'routed' ? 'routed' : 'nat';
    return {
      firewall: network.pools.map((pool) => ({
        kind: 'network',
        networkId: network.id,
        bridge: `br-${network.name}`,
        subnet: pool.subnet,
        internal: network.internal,
        icc: true,
        gatewayMode: mode,
        masquerade: true,
        trustedInterfaces: [],
      })),
    };
  }
}

export class FakeHost implements SandboxHost {
  readonly addressChanges: AddressChange[] = [];
  readonly pinned = new Set<string>();
  readonly routes = new Map<string, DefaultRoutes>();

  createNamespace(path: string): void {
    this.pinned.add(path);
  }

  removeNamespace(path: string): void {
    this.pinned.delete(path);
    this.routes.delete(path);
  }

  namespaceExists(path: string): boolean {
    return this.pinned.has(path);
  }

  pinNamespace(path: string): void {
    this.pinned.add(path);
  }

  namespaces(): readonly string[] {
    return [...this.pinned];
  }

  missingDefaultRoutes(path: string, wanted: DefaultRoutes): readonly DefaultRoute[] {
    const there = JSON.stringify(this.routes.get(path) ?? {});
    return there === JSON.stringify(wanted) ? [] : [wanted.ipv4, wanted.ipv6].filter((route) => route !== undefined);
  }

  missingRoutes(): [] {
    return [];
  }

  ownNamespacePath(): string {
    return '/proc/1/ns/net';
  }

  setDefaultRoutes(path: string, after: DefaultRoutes): void {
    if (after.ipv4 === undefined && after.ipv6 === undefined) this.routes.delete(path);
    else this.routes.set(path, after);
  }

  /** Who listens; a test calls it. */
  changed: (change: HostChange) => void = () => {};

  watch(_netnsDir: string, listener: (change: HostChange) => void): Disposable {
    this.changed = listener;
    return { [Symbol.dispose]: () => undefined };
  }

  changeAddress(_path: string, _ifname: string, change: AddressChange): void {
    this.addressChanges.push(change);
  }

  addRoutes(): void {}

  busySubnets(): [] {
    return [];
  }

  async forgetFlows(): Promise<void> {}
}

export class FakeFirewall implements Firewall {
  #entries = new Map<string, FirewallEntry>();

  async replaceAll(entries: readonly FirewallEntry[]): Promise<void> {
    this.#entries = new Map(entries.map((entry) => [JSON.stringify(entry), entry]));
  }

  async apply(change: { add?: readonly FirewallEntry[]; remove?: readonly FirewallEntry[] }): Promise<void> {
    for (const entry of change.remove ?? []) this.#entries.delete(JSON.stringify(entry));
    for (const entry of change.add ?? []) this.#entries.set(JSON.stringify(entry), entry);
  }

  async verify(): Promise<readonly []> {
    return [];
  }

  entries(): readonly FirewallEntry[] {
    return [...this.#entries.values()];
  }

  spoofedFrames(): [] {
    return [];
  }

  async tearDown(): Promise<void> {
    this.#entries.clear();
  }
}

export class FakeResolver implements Resolver {
  readonly endpoints = new Map<Id, DnsEndpoint>();
  readonly views = new Map<Id, DnsView>();

  async addEndpoint(endpoint: DnsEndpoint): Promise<void> {
    this.endpoints.set(endpoint.endpointId, endpoint);
  }

  async removeEndpoint(endpointId: Id): Promise<void> {
    this.endpoints.delete(endpointId);
  }

  async setView(view: DnsView): Promise<void> {
    this.views.set(view.sandboxId, view);
  }

  async removeView(sandboxId: Id): Promise<void> {
    this.views.delete(sandboxId);
  }

  setHostServers(): void {}

  async close(): Promise<void> {}
}

/** Ephemeral ports count up from 40000; a port is held once. */
export class FakePorts implements PortAllocator {
  readonly held = new Set<string>();
  #next = 40_000;

  hold(_owner: Id, requests: readonly PortRequest[]): HeldPorts {
    const published = requests.flatMap(({ protocol, containerPort, hostIp, hostPorts }) => {
      const hostPort = hostPorts?.first ?? this.#next++;
      const ips = hostIp === undefined ? ['0.0.0.0' as Ip, '::' as Ip] : [hostIp];
      return ips.map((ip) => ({ protocol, containerPort, hostIp: ip, hostPort }));
    });
    return this.restore(_owner, published);
  }

  restore(_owner: Id, published: readonly PublishedPort[]): HeldPorts {
    const keys = published.map(({ protocol, hostIp, hostPort }) => `${protocol} ${hostIp} ${hostPort}`);
    const taken = keys.find((key) => this.held.has(key));
    if (taken !== undefined) throw new Error(`taken: ${taken}`);
    for (const key of keys) this.held.add(key);
    return {
      published,
      lost: [],
      unheld: () => [],
      reclaim: () => [],
      release: () => {
        for (const key of keys) this.held.delete(key);
      },
    };
  }
}

export class FakeRelay implements PortRelay {
  readonly open_ = new Set<readonly RelayedPort[]>();

  async open(ports: readonly RelayedPort[]): Promise<() => Promise<void>> {
    this.open_.add(ports);
    return async () => {
      this.open_.delete(ports);
    };
  }
}
