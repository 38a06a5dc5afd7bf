import type { DnsEndpoint, DnsView, SandboxDns, SandboxRecord } from '../../model/index.ts';
import type { ResolvConf } from '../../services/dns/index.ts';
import { copiedResolvConf, embeddedResolvConf, renderResolvConf } from '../../services/dns/index.ts';
import { resolvesNames } from '../lookup.ts';
import type { LiveEndpoint } from '../state.ts';
import { gatewayOrder } from './gateways.ts';

/** The endpoint for the resolver; undefined where names are not resolved. */
export function dnsEndpoint({ record, network, spec }: LiveEndpoint): DnsEndpoint | undefined {
  if (!resolvesNames(network)) return undefined;
  return {
    endpointId: record.id,
    networkId: record.networkId,
    networkName: network.record.name,
    names: record.dnsNames,
    ...(spec.ipv4 === undefined ? {} : { ipv4: spec.ipv4.ip }),
    ...(spec.ipv6 === undefined ? {} : { ipv6: spec.ipv6.ip }),
  };
}

/** What the sandbox may resolve with these endpoints. */
export function dnsView(sandbox: SandboxRecord, endpoints: readonly LiveEndpoint[]): DnsView {
  const resolving = gatewayOrder(endpoints).filter(({ network }) => resolvesNames(network));
  return {
    sandboxId: sandbox.id,
    sandboxPath: sandbox.path,
    networkIds: resolving.map(({ record }) => record.networkId),
    links: resolving.flatMap(({ record }) =>
      (record.request.links ?? []).map((link) => linkOf(record.networkId, link)),
    ),
    dns: dnsOf(sandbox, endpoints),
    forward: endpoints.some(({ network }) => !network.record.internal),
  };
}

/** `name:alias`, or a name that is its own alias. */
function linkOf(networkId: DnsView['networkIds'][number], link: string): DnsView['links'][number] {
  const colon = link.indexOf(':');
  const target = colon < 0 ? link : link.slice(0, colon);
  return { networkId, target, alias: colon < 0 ? link : link.slice(colon + 1) };
}

/** What the container is configured with; where that says nothing, what was lent along with its way out. */
function dnsOf({ dns }: SandboxRecord, endpoints: readonly LiveEndpoint[]): SandboxDns {
  const lease = gatewayOrder(endpoints).find(({ record }) => (record.lease?.dns.length ?? 0) > 0)?.record.lease;
  if (lease === undefined || dns.servers.length > 0) return dns;
  const search = dns.search.length > 0 || lease.domain === undefined ? dns.search : [lease.domain];
  return { ...dns, servers: lease.dns, search };
}

/** The text of /etc/resolv.conf. Without the embedded resolver it is the host's file, as far as it serves in there. */
export function sandboxResolvConf(
  sandbox: SandboxRecord,
  endpoints: readonly LiveEndpoint[],
  host: ResolvConf,
): { readonly text: string; readonly embedded: boolean } {
  const { servers, search, options } = dnsOf(sandbox, endpoints);
  const conf: ResolvConf = {
    servers: servers.length > 0 ? servers : host.servers,
    search: search.length > 0 ? search : host.search,
    options: options.length > 0 ? options : host.options,
  };
  const embedded = !sandbox.host && endpoints.some(({ network }) => resolvesNames(network));
  if (embedded) return { text: renderResolvConf(embeddedResolvConf(conf)), embedded };
  const own = sandbox.host || servers.length > 0;
  return { text: renderResolvConf(own ? conf : copiedResolvConf(conf)), embedded };
}
