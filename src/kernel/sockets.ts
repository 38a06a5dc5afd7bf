import { familyOf, type Ip, parseIp } from '../base/index.ts';
import {
  AF_INET,
  AF_INET6,
  bindSocket,
  connectSocket,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  inetAddress,
  listenSocket,
  type OwnedFd,
  openSocket,
  SO_BINDTODEVICE,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  setSocketOption,
} from './ffi/index.ts';
import { type NetnsHandle, runInNetns } from './netns/index.ts';

export type TransportProtocol = 'tcp' | 'udp' | 'sctp';

const PROTOCOL_NUMBERS: Readonly<Record<TransportProtocol, number>> = {
  tcp: IPPROTO_TCP,
  udp: IPPROTO_UDP,
  sctp: IPPROTO_SCTP,
};

export interface HeldPort {
  readonly protocol: TransportProtocol;
  readonly ip: Ip;
  /** 0: the kernel picks one, see `localPort(fd)`. */
  readonly port: number;
  /** For an IPv6 address: leave the same port of IPv4 to others. `::` without it holds both families. */
  readonly v6only?: boolean | undefined;
  /**
   * TCP: takes the port although connections on it linger in TIME_WAIT. The socket then listens, which keeps others with
   * SO_REUSEADDR away.
   */
  readonly overLingering?: boolean | undefined;
  /** Default: the namespace the thread is in. */
  readonly netns?: NetnsHandle | undefined;
}

const LISTEN_BACKLOG = 511;
const ANY_IPV4 = parseIp('0.0.0.0');

/**
 * Takes a port for as long as the descriptor is open, by a bound socket that receives nothing: a TCP one does not listen,
 * and packets to a UDP one are expected to be translated before they reach it. Throws EADDRINUSE when somebody has it. No
 * SO_REUSEADDR, with which another process could bind beside it.
 */
export function holdPort(held: HeldPort): OwnedFd {
  const { protocol, ip, port } = held;
  return inNetns(held.netns, () => {
    const type = protocol === 'udp' ? SOCK_DGRAM : SOCK_STREAM;
    const fd = openSocket(afOf(ip), type | SOCK_NONBLOCK, PROTOCOL_NUMBERS[protocol]);
    return prepared(fd, () => {
      if (familyOf(ip) === 6) setSocketOption(fd.fd, IPPROTO_IPV6, IPV6_V6ONLY, Number(held.v6only === true));
      if (held.overLingering === true) allowLingering(fd.fd);
      bindSocket(fd.fd, inetAddress(ip, port), `hold ${protocol} port ${joined(ip, port)}`);
      if (held.overLingering === true) listenSocket(fd.fd, LISTEN_BACKLOG);
    });
  });
}

/**
 * Lets later connections of a held TCP socket linger in TIME_WAIT without keeping the port from `overLingering`. For a
 * socket that is about to listen: while it does not, others could bind beside it.
 */
export function allowLingering(fd: number): void {
  setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/** Lets a bound TCP socket take connections. Throws EADDRINUSE when another listens on the port. */
export function listenOn(fd: number): void {
  listenSocket(fd, LISTEN_BACKLOG);
}

/**
 * A bound, non-blocking UDP socket in `ns`, to be handed to `dgram` with `bind({ fd })`, which then owns it and emits
 * `listening` within that call. It stays in `ns` whoever reads it. `waitingBytes`: how much may wait in it to be read; a
 * small datagram counts for about 800.
 */
export function openUdpSocketIn(
  ns: NetnsHandle | undefined,
  ip: Ip,
  port: number,
  options: { readonly waitingBytes?: number } = {},
): number {
  return inNetns(ns, () => {
    const fd = openSocket(afOf(ip), SOCK_DGRAM | SOCK_NONBLOCK, 0);
    return prepared(fd, () => {
      if (options.waitingBytes !== undefined) allowWaiting(fd.fd, options.waitingBytes);
      bindSocket(fd.fd, inetAddress(ip, port), `bind udp ${joined(ip, port)}`);
    });
  }).release();
}

/**
 * A non-blocking UDP socket in `ns` that is connected to that peer from the beginning, from a port that the kernel chose at
 * random: nothing else was ever received by it. To be handed to `dgram`, as above. Throws when there is no way to the peer.
 */
export function openConnectedUdpSocketIn(ns: NetnsHandle | undefined, ip: Ip, port: number): number {
  return inNetns(ns, () => {
    const fd = openSocket(afOf(ip), SOCK_DGRAM | SOCK_NONBLOCK, 0);
    return prepared(fd, () => connectSocket(fd.fd, inetAddress(ip, port)));
  }).release();
}

/** More than the administrator's limit, where that is allowed. */
function allowWaiting(fd: number, bytes: number): void {
  try {
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
  } catch {
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, bytes);
  }
}

/** The same for one link of `ns` alone, whatever address it has; others may be bound to the port, too. */
export function openUdpSocketOn(ns: NetnsHandle, ifname: string, port: number): number {
  return inNetns(ns, () => {
    const fd = openSocket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    return prepared(fd, () => {
      setSocketOption(fd.fd, SOL_SOCKET, SO_REUSEADDR, 1);
      setSocketOption(fd.fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${ifname}\0`));
      bindSocket(fd.fd, inetAddress(ANY_IPV4, port), `bind udp port ${port} on link ${ifname}`);
    });
  }).release();
}

/**
 * A listening, non-blocking TCP socket in `ns`, to be handed to `net` with `listen({ fd })`, which then owns it. On `::` it
 * leaves IPv4 to others.
 */
export function openTcpListenerIn(ns: NetnsHandle | undefined, ip: Ip, port: number): number {
  return inNetns(ns, () => {
    const fd = openSocket(afOf(ip), SOCK_STREAM | SOCK_NONBLOCK, 0);
    return prepared(fd, () => {
      // As every server does, so that connections in TIME_WAIT do not keep the port after a restart.
      setSocketOption(fd.fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (familyOf(ip) === 6) setSocketOption(fd.fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
      bindSocket(fd.fd, inetAddress(ip, port), `listen on tcp ${joined(ip, port)}`);
      listenSocket(fd.fd, LISTEN_BACKLOG);
    });
  }).release();
}

function inNetns<T>(ns: NetnsHandle | undefined, work: () => T): T {
  return ns === undefined ? work() : runInNetns(ns, work);
}

function prepared(fd: OwnedFd, prepare: () => void): OwnedFd {
  try {
    prepare();
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

function afOf(ip: Ip): number {
  return familyOf(ip) === 4 ? AF_INET : AF_INET6;
}

function joined(ip: Ip, port: number): string {
  return familyOf(ip) === 4 ? `${ip}:${port}` : `[${ip}]:${port}`;
}
