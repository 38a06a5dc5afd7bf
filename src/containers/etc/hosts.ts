/** One line of `/etc/hosts`. */
export interface HostLine {
  readonly ip: string;
  readonly names: readonly string[];
}

const V4 = '127.0.0.1\tlocalhost\n';
const V6 = [
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
  '',
].join('\n');

export function hostsFile(options: { readonly ipv6: boolean; readonly lines: readonly HostLine[] }): string {
  const lines = options.lines.map(({ ip, names }) => `${ip}\t${names.join(' ')}\n`);
  return V4 + (options.ipv6 ? V6 : '') + lines.join('');
}

/** `host:ip` and `host:host-gateway`, one line for each address. */
export function extraHostLines(extraHosts: readonly string[], hostGateways: readonly string[]): HostLine[] {
  return extraHosts.flatMap((entry) => {
    const at = entry.search(/[:=]/);
    const name = entry.slice(0, at);
    const ip = entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
    const ips = ip === 'host-gateway' ? hostGateways : [ip];
    return ips.map((address) => ({ ip: address, names: [name] }));
  });
}

/** The container's own name at each of its addresses: `fqdn short`. */
export function ownLines(ips: readonly string[], hostname: string, domainname: string | undefined): HostLine[] {
  const dot = hostname.indexOf('.');
  const fqdn = domainname ? `${hostname}.${domainname}` : hostname;
  const short = dot > 0 && !domainname ? hostname.slice(0, dot) : hostname;
  return ips.map((ip) => ({ ip, names: fqdn === short ? [fqdn] : [fqdn, short] }));
}
