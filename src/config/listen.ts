import { invalid } from '../base/index.ts';
import { DEFAULTS } from './defaults.ts';

/** Where the API is served. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Sockets that systemd opened for us. */
  | { readonly kind: 'fd'; readonly name: string };

/** `unix:///path`, `tcp://host:port`, `fd://`, and Docker's short forms `/path` and `host:port`. */
export function parseListen(text: string, options: { readonly tls: boolean } = { tls: false }): ListenAddress {
  const bad = (why: string): Error =>
    invalid('invalid_host', `invalid value ${JSON.stringify(text)} for "hosts": ${why}`);
  const [, scheme = '', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/.exec(text.trim()) ?? [];
  if (scheme === 'unix' || (scheme === '' && rest.startsWith('/'))) {
    const path = rest === '' ? DEFAULTS.host.slice('unix://'.length) : rest;
    if (!path.startsWith('/')) throw bad('the path of a unix socket must be absolute');
    return { kind: 'unix', path };
  }
  if (scheme === 'fd') return { kind: 'fd', name: rest };
  if (scheme !== 'tcp' && scheme !== '') throw bad(`the scheme "${scheme}" is not one of unix, tcp, fd`);
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:/[\]]*)(?::(\d*))?\/?$/.exec(rest);
  if (!match) throw bad('it must be tcp://host:port');
  const port = match[2] ? Number(match[2]) : options.tls ? DEFAULTS.tlsPort : DEFAULTS.tcpPort;
  if (port > 65_535) throw bad(`${port} is no port`);
  return { kind: 'tcp', host: (match[1] ?? '').replace(/^\[(.*)\]$/, '$1') || 'localhost', port };
}

export function listenText(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  if (address.kind === 'fd') return `fd://${address.name}`;
  return `tcp://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}
