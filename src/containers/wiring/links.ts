import { invalid } from '../../base/index.ts';
import type { EndpointRecord, SandboxLink } from '../../model/index.ts';
import type { Container } from '../records/index.ts';

export interface ParsedLink {
  readonly target: string;
  readonly alias: string;
}

/** `container[:alias]`; the alias is the container's name when it is not given. */
export function parseLink(text: string): ParsedLink {
  const [target = '', alias = '', ...more] = text.replace(/^\//, '').split(':');
  if (target === '' || more.length > 0) throw invalid('invalid_link', `bad format for links: ${text}`);
  const parts = alias.split('/');
  return { target, alias: alias === '' ? target : (parts.at(-1) ?? target) };
}

/** The environment that a legacy link gives: `ALIAS_NAME`, `ALIAS_PORT_80_TCP…`, `ALIAS_ENV_…`. */
export function linkEnvironment(own: string, link: ParsedLink, child: Container, endpoint: EndpointRecord): string[] {
  const ip = endpoint.ipv4?.ip ?? endpoint.ipv6?.ip ?? '';
  const alias = link.alias.replaceAll('-', '_').toUpperCase();
  const ports = [...child.record.effective.exposed].sort((a, b) => a.port - b.port);
  const env: string[] = [];
  const [first] = ports;
  if (first) env.push(`${alias}_PORT=${first.protocol}://${ip}:${first.port}`);
  for (const { protocol, port } of ports) {
    const prefix = `${alias}_PORT_${port}_${protocol.toUpperCase()}`;
    env.push(
      `${prefix}=${protocol}://${ip}:${port}`,
      `${prefix}_ADDR=${ip}`,
      `${prefix}_PORT=${port}`,
      `${prefix}_PROTO=${protocol}`,
    );
  }
  env.push(`${alias}_NAME=/${own}/${link.alias}`);
  for (const entry of child.record.effective.env) {
    const [name = '', ...value] = entry.split('=');
    if (name !== 'HOME' && name !== 'PATH' && name !== '') env.push(`${alias}_ENV_${name}=${value.join('=')}`);
  }
  return env;
}

/** Links of the default bridge, which are hosts entries and environment; those of other networks are names in DNS. */
export function legacyLinks(container: Container): readonly ParsedLink[] {
  const { mode, links } = container.record.spec.network;
  return mode === 'bridge' ? links.map(parseLink) : [];
}

/** The exposed ports of a link's target, where it is now. */
export function linkedPorts(child: Container, { networkId, ipv4, ipv6 }: EndpointRecord): readonly SandboxLink[] {
  const addresses = [ipv4?.ip, ipv6?.ip].filter((ip) => ip !== undefined);
  return child.record.effective.exposed.flatMap(({ protocol, port }) =>
    protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp'
      ? addresses.map((to) => ({ networkId, to, protocol, port }))
      : [],
  );
}
