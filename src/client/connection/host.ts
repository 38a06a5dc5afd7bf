import { invalid } from '../../base/index.ts';

/** Where the daemon listens, as `node:net` wants it. */
export type HostAddress = { readonly path: string } | { readonly host: string; readonly port: number };

const DEFAULT_PORT = 2375;

/** Parses `unix:///path`, `tcp://host[:port]` or `http://host:port`. Throws `invalid_host`. */
export function parseHost(text: string): HostAddress {
  const match = /^([a-z]+):\/\/(.*)$/.exec(text);
  if (match === null) throw unparsable(text);
  const [, scheme, rest = ''] = match;
  if (scheme === 'unix') {
    if (rest === '') throw unparsable(text);
    return { path: rest };
  }
  if (scheme !== 'tcp' && scheme !== 'http') throw unparsable(text);
  const address = /^(\[[^\]]+\]|[^:/]*)(?::(\d+))?\/?$/.exec(rest);
  if (address === null) throw unparsable(text);
  const host = (address[1] ?? '').replace(/^\[|\]$/g, '');
  return { host: host === '' ? '127.0.0.1' : host, port: Number(address[2] ?? DEFAULT_PORT) };
}

function unparsable(text: string): Error {
  return invalid('invalid_host', `unable to parse docker host \`${text}\``);
}
