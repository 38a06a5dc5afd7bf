import type { Cidr, Id, Ip, Mac } from '../base/index.ts';
import type { Lease } from './lease.ts';

export const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** One `-p` as asked: which host address and ports lead to which container port. */
export interface PortRequest {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** Absent: every address of the host, both families. */
  readonly hostIp?: Ip;
  /** Inclusive range; absent: an ephemeral port. Equal ends mean exactly that port. */
  readonly hostPorts?: { readonly first: number; readonly last: number };
}

/** A port held on the host and led to the container. A wildcard request gives one for each family. */
export interface PublishedPort {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** `0.0.0.0` or `::` for the wildcard. */
  readonly hostIp: Ip;
  /** 0 in gateway mode `routed`: nothing is held on the host, the container's own address is open. */
  readonly hostPort: number;
}

/** What a container asks of one network. Everything optional is chosen by us. */
export interface EndpointRequest {
  readonly ipv4?: Ip;
  readonly ipv6?: Ip;
  readonly linkLocal?: readonly Ip[];
  readonly mac?: Mac;
  readonly aliases?: readonly string[];
  /** `name:alias` pairs seen by this endpoint only (user-defined networks). */
  readonly links?: readonly string[];
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly gatewayPriority?: number;
  /** Ask for exactly this interface name inside the sandbox. */
  readonly ifname?: string;
}

/** An endpoint as stored while it is attached (or reserved for a stopped container). Plain JSON data. */
export interface EndpointRecord {
  readonly id: Id;
  readonly networkId: Id;
  readonly sandboxId: Id;
  /** The container's name: first DNS name and the name shown by `network inspect`. */
  readonly name: string;
  /** Every name DNS answers with this endpoint, first drives PTR; the container's name, aliases, short id, hostname. */
  readonly dnsNames: readonly string[];
  readonly request: EndpointRequest;
  readonly ipv4?: Cidr;
  readonly ipv6?: Cidr;
  readonly gateway4?: Ip;
  readonly gateway6?: Ip;
  readonly mac?: Mac;
  /** Where a DHCP server gave `ipv4`. */
  readonly lease?: Lease;
  /** Made by the engine so that the sandbox has a way out: not one of the container's networks. */
  readonly wayOut?: true;
  /** Interface name inside the sandbox (`eth0`); absent on host and none networks. */
  readonly ifname?: string;
  /** What the driver wants to remember to detach and restore it: host link names, indexes … Plain JSON. */
  readonly driverState: Readonly<Record<string, string | number | boolean>>;
}

/** A container's network namespace as stored. Plain JSON data. */
export interface SandboxRecord {
  readonly id: Id;
  /** The owner's id (container id); what events and firewall comments name. */
  readonly ownerId: Id;
  /** Path that `ip netns`-style tools can enter; for host networking the daemon's own namespace. */
  readonly path: string;
  readonly host: boolean;
  readonly ports: {
    readonly requested: readonly PortRequest[];
    readonly exposed: readonly { readonly protocol: Protocol; readonly port: number }[];
    readonly published: readonly PublishedPort[];
  };
  readonly dns: SandboxDns;
  /** What it may open connections to where containers of a network may not reach each other. */
  readonly links?: readonly SandboxLink[];
}

/** A port of a neighbour on one network. */
export interface SandboxLink {
  readonly networkId: Id;
  readonly to: Ip;
  readonly protocol: Protocol;
  readonly port: number;
}

/** Name resolution of a sandbox, as configured by the container. */
export interface SandboxDns {
  /** `--dns`; dialled from the sandbox. Empty: the host's resolvers, dialled from the host. */
  readonly servers: readonly Ip[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}
