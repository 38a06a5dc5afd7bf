import type { Cidr, Ip } from '../base/index.ts';
import type { LogLevel } from './defaults.ts';
import type { ListenAddress } from './listen.ts';

/** How `fairwayd` is to run: everything resolved, nothing left to read. */
export interface DaemonConfig {
  readonly configFile: string;
  readonly hosts: readonly ListenAddress[];
  /** Group of the unix socket; one that does not exist is left out. */
  readonly group: string;
  readonly tls?: TlsConfig;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly shutdownTimeoutSeconds: number;
  readonly experimental: boolean;
  readonly storageDriver?: string;
  readonly containerd: {
    /** Address of a containerd that is not ours; absent: one of our own is started. */
    readonly address?: string;
    readonly namespace: string;
  };
  readonly network: NetworkConfig;
  readonly cluster: ClusterConfig;
  readonly containers: ContainersConfig;
  readonly proxies: ProxyConfig;
  readonly reloadable: ReloadableConfig;
  /** Accepted and without effect, one sentence each. */
  readonly warnings: readonly string[];
}

/** Through whom registries are asked; URLs, and hosts with commas between them. */
export interface ProxyConfig {
  readonly http?: string;
  readonly https?: string;
  readonly none?: string;
}

export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must show a certificate of this authority. */
  readonly caFile?: string;
}

export interface NetworkConfig {
  /** Link of the default network; `none`: no default network. */
  readonly bridge?: string;
  readonly bip?: Cidr;
  readonly bip6?: Cidr;
  readonly fixedCidr?: Cidr;
  readonly fixedCidr6?: Cidr;
  readonly defaultGateway?: Ip;
  readonly defaultGateway6?: Ip;
  readonly ipv6: boolean;
  readonly mtu: number;
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Address that published ports are bound to; absent: all. */
  readonly hostBinding?: Ip;
  /** false: the host's forwarding switches are left alone. */
  readonly ipForward: boolean;
  /** false: no rule is made for that family. */
  readonly firewall4: boolean;
  readonly firewall6: boolean;
  /** false: nothing is relayed that the kernel cannot translate (IPv6 to containers with IPv4 only). */
  readonly userlandProxy: boolean;
  /** true: published ports are reached from outside only where the host's input chains let packets through. */
  readonly respectHostFirewall: boolean;
  readonly addressPools: readonly AddressPoolConfig[];
  readonly dns: readonly Ip[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly hostGatewayIps: readonly Ip[];
}

export interface AddressPoolConfig {
  readonly base: Cidr;
  /** Prefix length of the subnets it is cut into. */
  readonly size: number;
}

/** Networks that several hosts share. */
export interface ClusterConfig {
  /** Where their state is; absent: nowhere, or in a store that `fairway cluster` manages. */
  readonly store?: ClusterStoreConfig;
  /** Where other hosts reach this one (`--cluster-advertise`); the port, Docker's, is only shown. */
  readonly advertise?: { readonly on: AddressOrLink; readonly port?: number };
  /** Where frames and packets between hosts go. */
  readonly dataPath: {
    /** Absent: where the host is reached. */
    readonly on?: AddressOrLink;
    /** UDP port of VXLAN. */
    readonly port: number;
  };
}

/** A link stands for the first address that it has when the daemon starts. */
export type AddressOrLink =
  | { readonly address: Ip; readonly link?: undefined }
  | { readonly link: string; readonly address?: undefined };

export interface ClusterStoreConfig {
  /** As it was given. */
  readonly url: string;
  /** `host:port` of its members; any of them is asked. */
  readonly endpoints: readonly string[];
  /** What its keys begin with, before a slash. */
  readonly prefix: string;
  /** Present: spoken to by TLS. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  readonly login?: { readonly user: string; readonly password?: string; readonly passwordFile?: string };
  /** How often a host tells that it lives, and after how long without it is taken for dead. */
  readonly heartbeatSeconds: number;
  readonly presenceSeconds: number;
}

export interface ContainersConfig {
  readonly cgroupParent?: string;
  readonly cgroupDriver?: 'cgroupfs' | 'systemd';
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly defaultUlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly shmSizeBytes: number;
  readonly ipcMode: 'private' | 'shareable';
  readonly cgroupnsMode?: 'private' | 'host';
  readonly init: boolean;
  readonly initPath?: string;
  readonly seccompProfile?: string;
  readonly noNewPrivileges: boolean;
}

/** What a SIGHUP may change in a running daemon. */
export interface ReloadableConfig {
  readonly debug: boolean;
  readonly logLevel: LogLevel;
  readonly labels: readonly string[];
  readonly liveRestore: boolean;
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  readonly maxDownloadAttempts: number;
}
