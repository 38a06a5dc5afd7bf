import { invalid } from '../../base/index.ts';
import type { EndpointRecord } from '../../model/index.ts';
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
