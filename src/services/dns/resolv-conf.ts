import { type Ip, isLoopbackIp, tryParseIp } from '../../base/index.ts';

/** What resolv.conf(5) says, as far as it concerns containers. */
export interface ResolvConf {
  readonly servers: readonly Ip[];
  readonly search: readonly string[];
  readonly options: readonly string[];
  /**
   * Where `servers` are on the host's loopback alone: those that they ask in turn, which a container can ask as well. Of
   * systemd-resolved.
   */
  readonly behind?: readonly Ip[];
}

/** Reads any text; lines that make no sense are passed over, as resolvers do. The last `search` or `domain` counts. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: Ip[] = [];
  const options: string[] = [];
  let search: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver') {
      const ip = tryParseIp(words[0] ?? '');
      if (ip !== undefined) servers.push(ip);
    } else if (keyword === 'search' || keyword === 'domain') {
      search = words;
    } else if (keyword === 'options') {
      options.push(...words);
    }
  }
  return { servers, search, options };
}

export function renderResolvConf({ servers, search, options }: ResolvConf): string {
  const lines = servers.map((ip) => `nameserver ${ip}`);
  // A single dot: no search at all, as with `--dns-search .`.
  const domains = search.filter((domain) => domain !== '.');
  if (domains.length > 0) lines.push(`search ${domains.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return `${lines.join('\n')}\n`;
}

/** The file of a sandbox with the embedded resolver: names without a dot are asked as they are first. */
export function embeddedResolvConf(conf: Omit<ResolvConf, 'servers'>): ResolvConf {
  const hasNdots = conf.options.some((option) => option.startsWith('ndots:'));
  return {
    servers: ['127.0.0.11' as Ip],
    search: conf.search,
    options: hasNdots ? conf.options : [...conf.options, 'ndots:0'],
  };
}

/** The host's file as a container without the embedded resolver can use it: its loopback is not the host's. */
export function copiedResolvConf(host: ResolvConf): ResolvConf {
  const reachable = host.servers.filter((ip) => !isLoopbackIp(ip));
  return { ...host, servers: reachable.length > 0 ? reachable : (host.behind ?? []) };
}
