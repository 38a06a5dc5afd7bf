import { constants } from 'node:os';
import { F_SETFL, F_SETOWN, F_SETSIG, O_ASYNC, O_NONBLOCK, SOCK_CLOEXEC } from './constants.ts';
import { check, lastErrno, SystemError } from './errors.ts';
import { OwnedFd } from './fd.ts';
import { libc } from './libc.ts';
import { readInetAddress } from './socket-address.ts';

/** A socket, close-on-exec. It belongs to the network namespace the thread is in now, for as long as it lives. */
export function openSocket(domain: number, type: number, protocol: number): OwnedFd {
  // Safe: takes no pointers.
  return new OwnedFd(check(libc().socket(domain, type | SOCK_CLOEXEC, protocol), 'socket', 'open a socket'), 'socket');
}

export function bindSocket(fd: number, address: Uint8Array, action?: string): void {
  // Safe: the kernel reads `length` bytes, and the length is the buffer's own.
  check(libc().bind(fd, address, address.length), 'bind', action);
}

/** Connects a blocking socket; on loopback that takes no time. */
export function connectSocket(fd: number, address: Uint8Array): void {
  // Safe: the kernel reads `length` bytes, and the length is the buffer's own.
  check(libc().connect(fd, address, address.length), 'connect');
}

export function listenSocket(fd: number, backlog: number): void {
  // Safe: takes no pointers.
  check(libc().listen(fd, backlog), 'listen');
}

export function setSocketOption(fd: number, level: number, name: number, value: number | Uint8Array): void {
  const bytes = typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value;
  // Safe: the kernel reads `length` bytes, and the length is the buffer's own.
  check(libc().setsockopt(fd, level, name, bytes, bytes.length), 'setsockopt');
}

/** The port a bound IPv4 or IPv6 socket has, which the kernel chose when it was bound to port 0. */
export function localPort(fd: number): number {
  const address = new Uint8Array(128);
  const length = new Uint8Array(Uint32Array.of(address.length).buffer);
  // Safe: the kernel writes at most `length` bytes (the buffer's size) into the first and four into the second.
  check(libc().getsockname(fd, address, length), 'getsockname');
  return readInetAddress(address)?.port ?? 0;
}

/** Sends one datagram on a socket whose peer is the default (netlink: the kernel). */
export function sendDatagram(fd: number, data: Uint8Array): void {
  for (;;) {
    // Safe: the kernel reads `length` bytes, and the length is the buffer's own.
    const sent = libc().send(fd, data, data.length, 0);
    if (sent >= 0 || !wasInterrupted('send')) return;
  }
}

/**
 * {@link sendDatagram} in a thread of libuv's pool, for what the kernel takes long over. The descriptor must stay open until `done`
 * is called, with false when the kernel did not take it.
 */
export function sendDatagramAside(fd: number, data: Uint8Array, done: (taken: boolean) => void): void {
  // Not in V8's heap, which may move while the thread reads.
  const copy = Buffer.allocUnsafeSlow(data.length);
  copy.set(data);
  // Safe: the kernel reads `length` bytes of the copy, which the callback holds until the call has returned.
  libc().send.async(fd, copy, copy.length, 0, (error, sent) => done(error === null && sent === copy.length));
}

export function sendDatagramTo(fd: number, data: Uint8Array, to: Uint8Array): void {
  // Safe: both lengths are the buffers' own.
  check(libc().sendto(fd, data, data.length, 0, to, to.length), 'sendto');
}

/**
 * Receives one datagram into `buffer` and returns its length, which is larger than the buffer when MSG_TRUNC is given and
 * it did not fit. Undefined when nothing is there on a non-blocking socket, or when the receive timeout passed.
 */
export function receiveDatagram(fd: number, buffer: Uint8Array, flags: number): number | undefined {
  for (;;) {
    // Safe: the kernel writes at most `length` bytes, and the length is the buffer's own.
    const received = libc().recv(fd, buffer, buffer.length, flags);
    if (received >= 0) return received;
    if (!wasInterrupted('recv')) return undefined;
  }
}

/**
 * Makes the kernel send SIGURG to this process whenever something arrives on the socket; also makes it non-blocking.
 * SIGURG instead of the usual SIGIO, because a process without a handler (one that is just ending) ignores it.
 */
export function signalOnArrival(fd: number): void {
  // Safe: none of the calls takes a pointer.
  check(libc().fcntl(fd, F_SETOWN, process.pid), 'fcntl');
  check(libc().fcntl(fd, F_SETSIG, constants.signals.SIGURG), 'fcntl');
  check(libc().fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK), 'fcntl');
}

/** After a failed call. True: do it again. False: nothing there, which is usual, and so costs no error. Others are thrown. */
function wasInterrupted(syscall: string): boolean {
  const errno = lastErrno();
  if (errno === 'EINTR') return true;
  if (errno === 'EAGAIN') return false;
  throw new SystemError(errno, { syscall });
}
