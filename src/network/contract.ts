import type { Id, Ip } from '../base/index.ts';
import type {
  Cluster,
  EndpointRecord,
  EndpointRequest,
  NetworkRecord,
  NetworkRequest,
  PortRequest,
  Protocol,
  SandboxDns,
  SandboxLink,
  SandboxRecord,
} from '../model/index.ts';

/** What a container needs of its network namespace. */
export interface SandboxSpec {
  readonly id: Id;
  readonly ownerId: Id;
  /** true: no namespace of its own; the host's. Endpoints may only be on the host network. */
  readonly host: boolean;
  readonly ports: readonly PortRequest[];
  readonly exposed: readonly { readonly protocol: Protocol; readonly port: number }[];
  /** `-P`: publish every exposed port on an ephemeral one. */
  readonly publishAll: boolean;
  readonly dns: SandboxDns;
  /** `net.*` sysctls, keys with dots. */
  readonly sysctls: Readonly<Record<string, string>>;
}

/** What joins a sandbox to a network. */
export interface AttachRequest {
  readonly sandboxId: Id;
  /** Network id, name or id prefix. */
  readonly network: string;
  /** Container name without the slash. */
  readonly name: string;
  /** All DNS names, in order (container name, aliases, short id, hostname). */
  readonly dnsNames: readonly string[];
  readonly request: EndpointRequest;
  /** As {@link EndpointRecord.wayOut}. */
  readonly wayOut?: true;
}

/**
 * Networks of this host. Errors carry Docker's texts (reference: engine-api.md §2); `api/` only maps kinds to statuses.
 */
export interface Networks {
  /** Validates everything, then allocates, then touches the kernel; a failure leaves nothing. */
  create(request: NetworkRequest): Promise<{ readonly network: NetworkRecord; readonly warning: string }>;
  /** Refuses predefined networks and such with endpoints. */
  remove(ref: string): Promise<NetworkRecord>;
  /** Full id, then full name, then unique id prefix; throws notFound `network X not found` or invalid (ambiguous). */
  find(ref: string): NetworkRecord;
  list(): readonly NetworkRecord[];
  endpointsOf(networkId: Id): readonly EndpointRecord[];
  /** Of global scope: the nodes that have endpoints on it, by name. Empty where the cluster cannot say. */
  peersOf(networkId: Id): Promise<readonly { readonly name: string; readonly ip: Ip }[]>;
  /** Frames that were not an endpoint's own, dropped since the packet filter's tables were last made; only guarded ones. */
  spoofedFrames(networkId: Id): ReadonlyMap<Id, number>;
  /** Removes the unused, not predefined ones that `keep` does not hold; returns their names. */
  prune(keep: (network: NetworkRecord) => boolean): Promise<readonly string[]>;
}

export interface LeavingOptions {
  /** Containers of this host are taken off its networks; else it is refused while there are any. */
  readonly force: boolean;
  /** Takes a container (by the owner of its sandbox) off a network, as its user would; what that leaves is taken off after it. */
  readonly takeOff: (ownerId: Id, networkId: Id) => Promise<void>;
}

/** Networks of global scope as a whole. Local networks, sandboxes and their traffic notice nothing. One call at a time. */
export interface GlobalScope {
  /** This host is in that cluster from now on, which has not begun: it is started. Returns at once. */
  begin(cluster: Cluster): void;
  /**
   * This host leaves the cluster: nobody joins its networks from the call on, what was under way ends first, and then nothing
   * of them is left in kernel, packet filter, resolver and store. The cluster itself stays the caller's to end. Throws conflict
   * `cluster_in_use` (then all is as before), or, when everything was tried, what could not be removed.
   */
  end(options: LeavingOptions): Promise<void>;
}

/**
 * Sandboxes and their endpoints. Calls on one sandbox are serialized. Everything here is stored, so that a restarted daemon
 * finds it again by {@link restore}.
 */
export interface Sandboxes {
  /** Makes the namespace (loopback up, sysctls) and stores the record. Undone by {@link close}. */
  open(spec: SandboxSpec): Promise<SandboxRecord>;
  /** Allocates addresses, attaches the link, publishes ports, tells DNS. A failure leaves nothing. */
  attach(request: AttachRequest): Promise<EndpointRecord>;
  /** Repeatable. The default route and published ports move to the network that now gives the gateway. */
  detach(sandboxId: Id, networkId: Id): Promise<void>;
  /** Detaches all, removes the namespace; repeatable, also for unknown ids. */
  close(sandboxId: Id): Promise<void>;
  get(sandboxId: Id): SandboxRecord | undefined;
  /** In the order in which they were attached, without those of {@link EndpointRecord.wayOut}. */
  endpoints(sandboxId: Id): readonly EndpointRecord[];
  /** Replaces what the sandbox may reach of its neighbours on networks without icc. */
  setLinks(sandboxId: Id, links: readonly SandboxLink[]): Promise<void>;
  /** New DNS names after a rename. */
  rename(sandboxId: Id, name: string, dnsNames: (networkId: Id) => readonly string[]): Promise<void>;
  /**
   * Keeps configured addresses for their owner, while it is stopped too: dynamic allocation passes them by. Several owners
   * may have the same one reserved; attaching the second of them is refused. Replaces what the owner had reserved. Refuses
   * an address outside the network's subnets. On a network of global scope only this host keeps them: another may take one.
   */
  reserve(ownerId: Id, addresses: readonly { readonly networkId: Id; readonly ip: Ip }[]): void;
  unreserve(ownerId: Id): void;
  /** After a restart: closes the sandboxes that `alive` does not name and makes the others good, tearing nothing down. */
  restore(alive: (sandbox: SandboxRecord) => boolean | Promise<boolean>): Promise<void>;
  /** Nameservers, search and options for the `/etc/resolv.conf` of a container in that sandbox, and whether DNS is ours. */
  resolvConf(sandboxId: Id): { readonly text: string; readonly embedded: boolean };
}
