import type { Cidr, Ip } from '../../base/index.ts';
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
}

/** The part of the machine that is nobody's driver. Synchronous, as the kernel is. */
export interface SandboxHost {
  /** A pinned namespace with loopback up and these settings. Leaves nothing when it fails. */
  createNamespace(path: string, sysctls: Readonly<Record<string, string>>): void;
  /** Repeatable. */
  removeNamespace(path: string): void;
  /** The namespace the daemon itself is in, for sandboxes that share the host's. */
  ownNamespacePath(): string;
  /** Makes these the default routes of the sandbox; `before` are those it has from an earlier call. */
  setDefaultRoutes(path: string, after: DefaultRoutes, before: DefaultRoutes): void;
  addRoutes(path: string, ifname: string, routes: readonly ExtraRoute[]): void;
  /** Subnets that the host is on: new pools stay clear of them. */
  busySubnets(): readonly Cidr[];
  /** The host's connection tracking drops these; their next packets meet the present rules. */
  forgetFlows(stale: (flow: Flow) => boolean): void;
}
