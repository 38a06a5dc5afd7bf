import { type FairwayError, familyOf, type Ip, internal, messageOf, unavailable } from '../../base/index.ts';
import { isErrno } from '../../kernel/index.ts';
import type { Protocol } from '../../model/index.ts';

/** What is to be held: an address of the host, `0.0.0.0` for both wildcards. */
export interface HostPort {
  readonly protocol: Protocol;
  readonly ip: Ip;
  readonly port: number;
}

/** We hold it already. Docker's text, which its clients look for. */
export function alreadyAllocated({ ip, port }: HostPort): FairwayError {
  return internal('port_allocated', `Bind for ${ip}:${port} failed: port is already allocated`);
}

/** The kernel said no: another process has it, the address is not ours, … */
export function bindFailed(wanted: HostPort, cause: unknown): FairwayError {
  return internal(
    'port_bind_failed',
    `failed to bind host port for ${hostPortText(wanted)}: ${reasonOf(cause)}`,
    cause,
  );
}

export function allAllocated(): FairwayError {
  return internal('ports_exhausted', 'all ports are allocated');
}

export function outOfDescriptors(wanted: HostPort, limit: number, cause?: unknown): FairwayError {
  return unavailable(
    'too_many_ports',
    `cannot hold host port ${hostPortText(wanted)}: no file descriptors left (limit ${limit}), raise the limit of open files`,
    cause,
  );
}

export function hostPortText({ protocol, ip, port }: HostPort): string {
  return `${familyOf(ip) === 4 ? ip : `[${ip}]`}:${port}/${protocol}`;
}

const REASONS: readonly (readonly [string, string])[] = [
  ['EADDRINUSE', 'address already in use'],
  ['EADDRNOTAVAIL', 'cannot assign requested address'],
  ['EACCES', 'permission denied'],
  ['EPROTONOSUPPORT', 'this kernel lacks CONFIG_IP_SCTP'],
];

function reasonOf(cause: unknown): string {
  return REASONS.find(([errno]) => isErrno(cause, errno))?.[1] ?? messageOf(cause);
}
