import { tryParseIp } from '../../base/index.ts';
import type { PortBinding } from '../../client/index.ts';

export interface PublishedPorts {
  /** Keys are `80/tcp`. */
  readonly exposed: Record<string, object>;
  readonly bindings: Record<string, PortBinding[]>;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

const PROTOCOLS = new Set(['tcp', 'udp', 'sctp']);

/** Reads every `--publish`: `[ip:][host[-end]:]container[-end][/proto]` or `target=80,published=8080,protocol=udp`. */
export function parsePublished(specs: readonly string[]): PublishedPorts {
  const exposed: Record<string, object> = {};
  const bindings: Record<string, PortBinding[]> = {};
  for (const spec of specs) {
    for (const [port, binding] of mappings(spec.includes('=') ? shortForm(spec) : spec)) {
      exposed[port] = {};
      bindings[port] ??= [];
      bindings[port].push(binding);
    }
  }
  return { exposed, bindings };
}

/** `80`, `80-90`, `53/udp` of `--expose`, one key for each port. */
export function parseExposed(specs: readonly string[]): string[] {
  return specs.flatMap((spec) => {
    if (spec.includes(':')) throw new Error(`invalid port format for --expose: ${spec}`);
    const { port, protocol } = splitProtocol(spec);
    const range = parseRange(port);
    if (range === undefined) throw new Error(`invalid range format for --expose: ${spec}`);
    return numbers(range).map((number) => `${number}/${protocol}`);
  });
}

function mappings(spec: string): [string, PortBinding][] {
  const { ip, hostPart, containerPart } = splitSpec(spec);
  const { port, protocol } = splitProtocol(containerPart);
  if (ip !== '' && tryParseIp(ip) === undefined) throw new Error(`invalid IP address: ${ip}`);
  if (port === '') throw new Error(`no port specified: ${spec}<empty>`);
  const container = parseRange(port);
  if (container === undefined) throw new Error(`invalid containerPort: ${port}`);
  const host = hostPart === '' ? undefined : parseRange(hostPart);
  if (hostPart !== '' && host === undefined) throw new Error(`invalid hostPort: ${hostPart}`);
  const single = container.start === container.end;
  if (host !== undefined && !single && host.end - host.start !== container.end - container.start) {
    throw new Error(`invalid ranges specified for container and host Ports: ${port} and ${hostPart}`);
  }
  if (!PROTOCOLS.has(protocol)) throw new Error(`invalid proto: ${protocol}`);
  return numbers(container).map((number, at) => [
    `${number}/${protocol}`,
    { HostIp: ip, HostPort: hostPort(host, { at, single }) },
  ]);
}

function hostPort(host: Range | undefined, which: { at: number; single: boolean }): string {
  if (host === undefined) return '';
  // One port of the container and several of the host: the daemon takes a free one of them.
  if (which.single && host.end !== host.start) return `${host.start}-${host.end}`;
  return String(host.start + which.at);
}

function splitSpec(spec: string): { ip: string; hostPart: string; containerPart: string } {
  const parts = spec.split(':');
  const containerPart = parts.pop() ?? '';
  const hostPart = parts.pop() ?? '';
  const ip = parts.join(':').replace(/^\[(.*)\]$/, '$1');
  return { ip, hostPart, containerPart };
}

function splitProtocol(text: string): { port: string; protocol: string } {
  const slash = text.lastIndexOf('/');
  if (slash < 0) return { port: text, protocol: 'tcp' };
  const protocol = text.slice(slash + 1).toLowerCase();
  return { port: text.slice(0, slash), protocol: protocol === '' ? 'tcp' : protocol };
}

function parseRange(text: string): Range | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2] ?? match[1]);
  return start > 65535 || end > 65535 || end < start ? undefined : { start, end };
}

function numbers(range: Range): number[] {
  return Array.from({ length: range.end - range.start + 1 }, (_, at) => range.start + at);
}

function shortForm(spec: string): string {
  const fields = new Map(spec.split(',').map((part) => [part.split('=')[0] ?? '', part.split('=')[1] ?? '']));
  for (const key of fields.keys()) {
    if (!['target', 'published', 'protocol', 'mode'].includes(key)) throw new Error(`invalid field key ${key}`);
  }
  const target = fields.get('target') ?? '';
  if (target === '') throw new Error(`missing target port in ${JSON.stringify(spec)}`);
  const published = fields.get('published') ?? '';
  return `${published === '' ? '' : `${published}:`}${target}/${fields.get('protocol') ?? 'tcp'}`;
}
