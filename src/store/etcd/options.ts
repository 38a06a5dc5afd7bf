/** Where an etcd is, and who we are to it. */
export interface EtcdStoreOptions {
  /** `host:port` of its members, as many as are known. */
  readonly endpoints: readonly string[];
  /** Begins with any of them, so that many nodes do not all ask the same member; else with the first. */
  readonly spread?: boolean;
  /** What all keys begin with, before a slash. */
  readonly prefix: string;
  /** Present: spoken to by TLS. Paths of PEM files; without `caFile` the machine's authorities are trusted. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  readonly login?: { readonly user: string; readonly password: string };
}
