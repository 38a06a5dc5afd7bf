import {
  AF_UNIX,
  F_GETPIPE_SZ,
  F_SETPIPE_SZ,
  FIONREAD,
  O_CLOEXEC,
  O_NONBLOCK,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SPLICE_F_NONBLOCK,
} from './constants.ts';
import { check, lastErrno } from './errors.ts';
import { OwnedFd } from './fd.ts';
import { libc } from './libc.ts';

/** A nameless pipe, non-blocking. */
export function openPipe(): { readonly read: OwnedFd; readonly write: OwnedFd } {
  const ends = new Int32Array(2);
  // Safe: the kernel writes two ints, which is what the array holds.
  check(libc().pipe2(ends, O_CLOEXEC | O_NONBLOCK), 'pipe2', 'make a pipe');
  return { read: new OwnedFd(ends[0] ?? -1, 'pipe'), write: new OwnedFd(ends[1] ?? -1, 'pipe') };
}

/**
 * Moves up to `bytes` from one pipe to another (or into /dev/null), or between a pipe and a socket, without a copy. 0: there is
 * nothing and nobody can write any more. Undefined: nothing there now, or no room.
 */
export function rawSplice(from: number, to: number, bytes: number): number | undefined {
  // Safe: the offsets are NULL, as pipes demand.
  return unlessAgain(libc().splice(from, null, to, null, bytes, SPLICE_F_NONBLOCK), 'splice');
}

/**
 * At least so many. False when the kernel refuses (the user's share of pipe memory is used up). A pipe that has the size
 * already is left alone: the kernel would make its ring anew.
 */
export function rawGrowPipe(fd: number, bytes: number): boolean {
  // Safe: takes no pointers; a descriptor that is no pipe is refused.
  return libc().fcntl(fd, F_GETPIPE_SZ, 0) >= bytes || libc().fcntl(fd, F_SETPIPE_SZ, bytes) >= 0;
}

/** Shows the first bytes of a pipe to another one; they stay where they are. Undefined: nothing there, or no room. */
export function rawTee(from: number, to: number, bytes: number): number | undefined {
  // Safe: takes no pointers.
  return unlessAgain(libc().tee(from, to, bytes, SPLICE_F_NONBLOCK), 'tee');
}

/** How many bytes wait in a pipe. */
export function rawBytesIn(fd: number): number {
  const count = new Int32Array(1);
  // Safe: FIONREAD writes one int, which is what the array holds.
  check(libc().ioctl(fd, FIONREAD, count), 'ioctl');
  return count[0] ?? 0;
}

/** Two ends of one unix stream socket, non-blocking, close-on-exec. */
export function openSocketPair(): readonly [OwnedFd, OwnedFd] {
  const ends = new Int32Array(2);
  // Safe: the kernel writes two ints, which is what the array holds.
  check(
    libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
    'socketpair',
    'make a socket pair',
  );
  return [new OwnedFd(ends[0] ?? -1, 'socket pair'), new OwnedFd(ends[1] ?? -1, 'socket pair')];
}

function unlessAgain(result: number, syscall: string): number | undefined {
  // Asked before an error is made of it: this is the usual answer.
  if (result < 0 && ['EAGAIN', 'EINTR'].includes(lastErrno())) return undefined;
  return check(result, syscall);
}
