import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  SHUT_WR,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from './constants.ts';
import { check, lastErrno } from './errors.ts';
import { OwnedFd } from './fd.ts';
import { libc } from './libc.ts';
import { openSocket, setSocketOption } from './sockets.ts';

const ON = new Uint8Array(Int32Array.of(1).buffer);
/** struct linger: on, no time at all. */
const AT_ONCE = new Uint8Array(Int32Array.of(1, 0).buffer);
const LATER = ['EAGAIN', 'EINTR'];

/** The next connection of a listener, non-blocking and without Nagle's delay. Undefined: none waits. */
export function acceptStream(listener: number): OwnedFd | undefined {
  // Safe: the peer's address is not asked for.
  const fd = libc().accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  // Asked before an error is made of it: one of the two comes in every round.
  if (fd < 0 && [...LATER, 'ECONNABORTED'].includes(lastErrno())) return undefined;
  const accepted = new OwnedFd(check(fd, 'accept4'), 'connection');
  setSocketOption(accepted.fd, IPPROTO_TCP, TCP_NODELAY, ON);
  return accepted;
}

/** Begins to connect to a sockaddr, in a non-blocking socket without Nagle's delay. */
export function connectStream(address: Uint8Array): OwnedFd {
  const family = address.length === 16 ? AF_INET : AF_INET6;
  const socket = openSocket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  try {
    setSocketOption(socket.fd, IPPROTO_TCP, TCP_NODELAY, ON);
    // Safe: the kernel reads `length` bytes, and the length is the buffer's own.
    const result = libc().connect(socket.fd, address, address.length);
    if (result < 0 && lastErrno() !== 'EINPROGRESS') check(result, 'connect');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Says that nothing more will be sent. An error only says that the connection is over. */
export function endStream(fd: number): void {
  // Safe: takes no pointers.
  libc().shutdown(fd, SHUT_WR);
}

/** Closes a connection with a reset: what has not been delivered is lost, and the other side knows. */
export function resetStream(socket: OwnedFd): void {
  if (socket.closed) return;
  setSocketOption(socket.fd, SOL_SOCKET, SO_LINGER, AT_ONCE);
  socket.close();
}
