import { CLONE_NEWNET, F_DUPFD_CLOEXEC, F_SETFD, FD_CLOEXEC, O_CLOEXEC, O_RDONLY } from './constants.ts';
import { check } from './errors.ts';
import { OwnedFd } from './fd.ts';
import { libc } from './libc.ts';

/** Opens a file read-only, close-on-exec. */
export function openFile(path: string): OwnedFd {
  // Safe: koffi passes a NUL-terminated copy of the string that lives until the call returns.
  const fd = check(libc().open(path, O_RDONLY | O_CLOEXEC, 0), 'open', `open ${path}`);
  return new OwnedFd(fd, path);
}

/** Another descriptor of the same open file, which stays open when the first is closed. */
export function duplicateFd(fd: number): OwnedFd {
  // Safe: takes no pointers.
  return new OwnedFd(check(libc().fcntl(fd, F_DUPFD_CLOEXEC, 3), 'fcntl', 'duplicate a descriptor'), 'duplicate');
}

/** No child inherits it: for what a library opened without saying so. */
export function closeOnExec(fd: number): void {
  // Safe: takes no pointers.
  check(libc().fcntl(fd, F_SETFD, FD_CLOEXEC), 'fcntl', 'keep a descriptor from children');
}

/** Moves the calling thread into the network namespace behind `fd`. Only `netns/` calls this. */
export function enterNetns(fd: number): void {
  // Safe: takes no pointers. CLONE_NEWNET makes the kernel refuse descriptors of anything else.
  check(libc().setns(fd, CLONE_NEWNET), 'setns', 'enter network namespace');
}

/** Moves the calling thread into a fresh network namespace. Only `netns/` calls this. */
export function unshareNetns(): void {
  // Safe: takes no pointers, and the flag concerns the calling thread alone.
  check(libc().unshare(CLONE_NEWNET), 'unshare', 'make a network namespace');
}

export interface RawMount {
  readonly source: string | null;
  readonly target: string;
  readonly type: string | null;
  readonly flags: number;
  readonly data: string | null;
}

export function rawMount(request: RawMount): void {
  const { source, target, type, flags, data } = request;
  // Safe: strings are copied and NUL-terminated for the time of the call; absent ones are NULL, which mount(2) allows.
  check(libc().mount(source, target, type, flags, data), 'mount', `mount ${source ?? type ?? 'nothing'} on ${target}`);
}

export function rawUnmount(target: string, flags: number): void {
  // Safe: the string is copied for the time of the call.
  check(libc().umount2(target, flags), 'umount2', `unmount ${target}`);
}

export function rawMakeFifo(path: string, mode: number): void {
  // Safe: the string is copied for the time of the call.
  check(libc().mkfifo(path, mode), 'mkfifo', `make named pipe ${path}`);
}

export function rawMakeNode(path: string, mode: number, device: bigint): void {
  // Safe: the string is copied for the time of the call; dev_t is 64 bits wide on Linux.
  check(libc().mknod(path, mode, device), 'mknod', `make device ${path}`);
}

/** XATTR_SIZE_MAX and XATTR_LIST_MAX: the kernel keeps nothing larger. */
const XATTR_BYTES = 64 << 10;

export function rawGetXattr(path: string, name: string): Buffer {
  const value = Buffer.alloc(XATTR_BYTES);
  // Safe: strings are copied for the time of the call; the kernel writes no more than the length of the buffer.
  const size = check(libc().lgetxattr(path, name, value, value.length), 'lgetxattr', `read ${name} of ${path}`);
  return Buffer.from(value.subarray(0, size));
}

/** Names, each with a NUL after it. */
export function rawListXattr(path: string): Buffer {
  const names = Buffer.alloc(XATTR_BYTES);
  // Safe: as rawGetXattr.
  const size = check(libc().llistxattr(path, names, names.length), 'llistxattr', `list attributes of ${path}`);
  return Buffer.from(names.subarray(0, size));
}

export function rawSetXattr(path: string, name: string, value: Buffer): void {
  // Safe: strings are copied for the time of the call; the kernel reads the buffer up to its length.
  check(libc().lsetxattr(path, name, value, value.length, 0), 'lsetxattr', `set ${name} of ${path}`);
}
