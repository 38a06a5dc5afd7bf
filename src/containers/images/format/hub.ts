/** The registry that a name without a host means. These names appear nowhere else; only a pull or push goes there. */
export const HUB = {
  /** In normalized names. */
  domain: 'docker.io',
  /** An older spelling of the domain. */
  legacyDomain: 'index.docker.io',
  /** Where its HTTP API answers. */
  registryHost: 'registry-1.docker.io',
  /** What clients call it in their credentials. */
  indexServer: 'https://index.docker.io/v1/',
  /** The path of names that have none: `busybox` is `docker.io/library/busybox`. */
  officialPath: 'library/',
} as const;
