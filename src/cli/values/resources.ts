import { tryParseIp } from '../../base/index.ts';
import type { DeviceSpec, RestartPolicySpec, UlimitSpec } from '../../client/index.ts';

/** `/dev/host[:/dev/container][:rwm]`. */
export function parseDevice(text: string): DeviceSpec {
  const parts = text.split(':');
  const [host = '', second, third] = parts;
  if (parts.length > 3 || host === '') throw new Error(`invalid device specification: ${text}`);
  const isMode = (part: string | undefined): boolean => part !== undefined && /^[rwm]{1,3}$/.test(part);
  if (third !== undefined && !isMode(third)) throw new Error(`invalid device specification: ${text}`);
  if (second === undefined) return { PathOnHost: host, PathInContainer: host, CgroupPermissions: 'rwm' };
  if (third === undefined && isMode(second)) {
    return { PathOnHost: host, PathInContainer: host, CgroupPermissions: second };
  }
  return { PathOnHost: host, PathInContainer: second, CgroupPermissions: third ?? 'rwm' };
}

const ULIMITS = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' '),
);

/** `nofile=1024[:2048]`. */
export function parseUlimit(text: string): UlimitSpec {
  const [name = '', limits] = text.split('=');
  if (limits === undefined) throw new Error(`invalid ulimit argument: ${text}`);
  if (!ULIMITS.has(name)) throw new Error(`invalid ulimit type: ${name}`);
  const values = limits.split(':');
  if (values.length > 2 || values.some((value) => !/^-?\d+$/.test(value))) {
    throw new Error(`invalid ulimit argument: ${text}`);
  }
  const soft = Number(values[0]);
  const hard = Number(values[1] ?? values[0]);
  if (hard !== -1 && (soft > hard || soft === -1)) {
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: name, Soft: soft, Hard: hard };
}

/** `no`, `always`, `unless-stopped`, `on-failure[:3]`; which names exist is the daemon's to say. */
export function parseRestart(text: string): RestartPolicySpec {
  const [name = '', count, more] = text.split(':');
  if (name === '' && count !== undefined)
    throw new Error('invalid restart policy format: no policy provided before colon');
  if (more !== undefined) throw new Error('invalid restart policy format');
  if (count !== undefined && !/^\d+$/.test(count)) {
    throw new Error('invalid restart policy format: maximum retry count must be an integer');
  }
  return { Name: name, MaximumRetryCount: Number(count ?? 0) };
}

/** `host:ip` or `host=ip`, where the ip may be `host-gateway`; brackets around IPv6 are taken off. */
export function parseExtraHost(text: string): string {
  const mark = /[=:]/.exec(text)?.index ?? -1;
  const name = text.slice(0, Math.max(0, mark));
  if (name === '') throw new Error(`bad format for add-host: ${JSON.stringify(text)}`);
  const address = text.slice(mark + 1).replace(/^\[(.*)\]$/, '$1');
  if (address !== 'host-gateway' && tryParseIp(address) === undefined) {
    throw new Error(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
  return `${name}:${address}`;
}

export function checkMac(text: string): void {
  if (!/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text)) throw new Error(`${text} is not a valid mac address`);
}

export function checkDns(text: string): void {
  if (tryParseIp(text) === undefined) throw new Error(`${text} is not an ip address`);
}

/** `name[:alias]`. */
export function checkLink(text: string): void {
  const parts = text.split(':');
  if (text === '' || parts.length > 2) throw new Error(`bad format for links: ${text}`);
}

/** `/path[:options]`. */
export function parseTmpfs(specs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    specs.map((spec) => {
      const colon = spec.indexOf(':');
      return colon < 0 ? [spec, ''] : [spec.slice(0, colon), spec.slice(colon + 1)];
    }),
  );
}
