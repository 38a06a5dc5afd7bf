import type { Cidr, Id, Ip } from '../../base/index.ts';
import type { Flow } from '../../kernel/index.ts';

export interface DefaultRoute {
  readonly ifname: string;
  /** Absent: by device. */
  readonly gateway?: Ip;
}

export interface DefaultRoutes {
  readonly ipv4?: DefaultRoute;
  readonly ipv6?: DefaultRoute;
}

export interface ExtraRoute {
  readonly destination: Cidr;
  readonly gateway?: Ip;
  readonly metric?: number;
}

/** Something that can mean that somebody else took away what is ours, by the marks on links. */
export type HostChange =
  | { readonly kind: 'network'; readonly id: Id }
  | { readonly kind: 'endpoint'; readonly id: Id }
  | { readonly kind: 'namespace'; readonly path: string }
  /** Where endpoints of other nodes are was taken from the kernel: of this network, or too much happened to tell which. */
  | { readonly kind: 'peers'; readonly id: Id | undefined }
  /** Forwarding was turned off, or too much happened to tell what. */
  | { readonly kind: 'anything' };

export interface AddressChange {
  readonly add?: Cidr | undefined;
  readonly remove?: Cidr | undefined;
  readonly mtu?: number | undefined;
}

/** The part of the machine that is nobody's driver. Synchronous, as the kernel is. */
export interface SandboxHost {
  /** A pinned namespace with loopback up and these settings. Leaves nothing when it fails. */
  createNamespace(path: string, sysctls: Readonly<Record<string, string>>): void;
  /** Repeatable. */
  removeNamespace(path: string): void;
  namespaceExists(path: string): boolean;
  /** Pins the namespace that the process lives in, after somebody unpinned it. */
  pinNamespace(path: string, pid: number): void;
  /** Paths of the pinned namespaces in that folder whose names begin so. */
  namespaces(folder: string, prefix: string): readonly string[];
  /** Those of the wanted default routes that the sandbox has not. */
  missingDefaultRoutes(path: string, wanted: DefaultRoutes): readonly DefaultRoute[];
  /** Those of the wanted routes through that link that the sandbox has not; none when the link is missing. */
  missingRoutes(path: string, ifname: string, wanted: readonly ExtraRoute[]): readonly ExtraRoute[];
  /** The namespace the daemon itself is in, for sandboxes that share the host's. */
  ownNamespacePath(): string;
  /** Makes these the default routes of the sandbox; `before` are those it has from an earlier call. */
  setDefaultRoutes(path: string, after: DefaultRoutes, before: DefaultRoutes): void;
  /** An address that is there already, or gone already, is as good. */
  changeAddress(path: string, ifname: string, change: AddressChange): void;
  addRoutes(path: string, ifname: string, routes: readonly ExtraRoute[]): void;
  /** Subnets that the host is on: new pools stay clear of them. */
  busySubnets(): readonly Cidr[];
  /** Hears of such changes until it is closed; what we did ourselves is among them. */
  watch(netnsDir: string, listener: (change: HostChange) => void): Disposable;
  /** The host's connection tracking drops these; their next packets meet the present rules. */
  forgetFlows(stale: (flow: Flow) => boolean): Promise<void>;
}
