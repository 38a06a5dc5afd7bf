import { invalid, parseIp } from '../../base/index.ts';
import { type PortRequest, PROTOCOLS, type Protocol } from '../../model/index.ts';

interface PortSpec {
  readonly protocol: Protocol;
  readonly first: number;
  readonly last: number;
}

type Bindings = Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>>;

function invalidPort(text: string): Error {
  return invalid('invalid_port', `invalid port specification: ${JSON.stringify(text)}`);
}

/** `80`, `80/udp`, `8000-8010/tcp`. */
export function parsePort(text: string): PortSpec {
  const [ports = '', protocol = 'tcp', ...rest] = text.toLowerCase().split('/');
  const known = PROTOCOLS.find((one) => one === (protocol === '' ? 'tcp' : protocol));
  if (known === undefined || rest.length > 0) throw invalidPort(text);
  const { first, last } = parseRange(ports, text);
  if (first === 0) throw invalidPort(text);
  return { protocol: known, first, last };
}

function parseRange(ports: string, shown: string): { readonly first: number; readonly last: number } {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports);
  if (!match) throw invalidPort(shown);
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (first > last || last > 65_535) throw invalidPort(shown);
  return { first, last };
}

/** `ExposedPorts`: each key a port or a range. */
export function parseExposed(set: Readonly<Record<string, unknown>>): { protocol: Protocol; port: number }[] {
  return Object.keys(set).flatMap((key) => {
    const { protocol, first, last } = parsePort(key);
    return Array.from({ length: last - first + 1 }, (_, at) => ({ protocol, port: first + at }));
  });
}

/** `PortBindings`: a range of container ports goes pairwise with a host range of the same length. */
export function parseBindings(bindings: Bindings): PortRequest[] {
  return Object.entries(bindings).flatMap(([key, targets]) => {
    const spec = parsePort(key);
    // A key without a target asks for an ephemeral port, as `-p 80` does.
    const wanted = targets.length > 0 ? targets : [{ HostIp: '', HostPort: '' }];
    return wanted.flatMap((target) => requestsOf(spec, target));
  });
}

function requestsOf(spec: PortSpec, target: { readonly HostIp: string; readonly HostPort: string }): PortRequest[] {
  const hostIp = target.HostIp === '' ? {} : { hostIp: parseIp(target.HostIp.replace(/^\[(.*)\]$/, '$1')) };
  const host = hostRange(target.HostPort);
  const length = spec.last - spec.first + 1;
  return Array.from({ length }, (_, at) => {
    const base = { protocol: spec.protocol, containerPort: spec.first + at, ...hostIp };
    if (!host) return base;
    if (length === 1) return { ...base, hostPorts: host };
    if (host.last - host.first + 1 !== length) throw invalidPort(target.HostPort);
    return { ...base, hostPorts: { first: host.first + at, last: host.first + at } };
  });
}

function hostRange(text: string): { readonly first: number; readonly last: number } | undefined {
  if (text === '') return undefined;
  const [ports = ''] = text.split('/');
  const range = parseRange(ports, text);
  return range.first === 0 && range.last === 0 ? undefined : range;
}
