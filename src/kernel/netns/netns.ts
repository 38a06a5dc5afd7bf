import { closeSync, mkdirSync, openSync, statfsSync, statSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno, type OwnedFd, openFile, rawMount, rawUnmount, SystemError } from '../ffi/index.ts';
import { CURRENT_NETNS_PATH, type NetnsHandle, runInNewNetns } from './run.ts';

const NSFS_MAGIC = 0x6e736673;
const MS_BIND = 0x1000;
const MNT_DETACH = 2;

/** An open network namespace. It cannot go away while this is open, even when its path is deleted. */
export class Netns implements NetnsHandle, Disposable {
  readonly path: string;
  readonly #fd: OwnedFd;

  constructor(path: string, fd: OwnedFd) {
    this.path = path;
    this.#fd = fd;
  }

  get fd(): number {
    return this.#fd.fd;
  }

  /** Equal exactly for the same namespace, whatever path it was opened by. */
  get identity(): string {
    return netnsInode(`/proc/self/fd/${this.fd}`);
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Makes a namespace and pins it to `path` (for `ip netns exec NAME`: /run/netns/NAME), making parent folders. A leftover
 * plain file at the path is taken over; a namespace already pinned there is EEXIST.
 */
export function createNetns(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (netnsExists(path)) throw new SystemError('EEXIST', { syscall: 'mount', action: `create namespace ${path}` });
  closeSync(openSync(path, 'a', 0o444));
  try {
    runInNewNetns(() => rawMount({ source: CURRENT_NETNS_PATH, target: path, type: null, flags: MS_BIND, data: null }));
  } catch (error) {
    deleteNetns(path);
    throw error;
  }
}

/** Pins an existing namespace (`/proc/PID/ns/net`) to `path`, which may be a leftover plain file; undone by {@link deleteNetns}. */
export function pinNetns(source: string, path: string): void {
  if (!netnsExists(source)) {
    throw new SystemError('EINVAL', {
      syscall: 'mount',
      action: `pin ${source}`,
      detail: 'the file is not a namespace',
    });
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (netnsExists(path)) throw new SystemError('EEXIST', { syscall: 'mount', action: `pin namespace ${path}` });
  closeSync(openSync(path, 'a', 0o444));
  try {
    rawMount({ source, target: path, type: null, flags: MS_BIND, data: null });
  } catch (error) {
    deleteNetns(path);
    throw error;
  }
}

/** Opens a pinned namespace, or that of a process (`/proc/PID/ns/net`). Throws EINVAL when the file is something else. */
export function openNetns(path: string): Netns {
  const fd = openFile(path);
  if (netnsExists(path)) return new Netns(path, fd);
  fd.close();
  throw new SystemError('EINVAL', {
    syscall: 'open',
    action: `open namespace ${path}`,
    detail: 'the file is not a namespace',
  });
}

/** The namespace the calling thread is in. */
export function currentNetns(): Netns {
  return new Netns(CURRENT_NETNS_PATH, openFile(CURRENT_NETNS_PATH));
}

/** Unpins and removes the path; a namespace with no other user ends. True when there was something. */
export function deleteNetns(path: string): boolean {
  // More than one mount can be stacked on the path when a creation was interrupted and repeated.
  while (unmountOnce(path)) {
    // The next one, until the plain file is left.
  }
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

function unmountOnce(path: string): boolean {
  try {
    rawUnmount(path, MNT_DETACH);
    return true;
  } catch (error) {
    // EINVAL: not a mount point.
    if (isErrno(error, 'EINVAL', 'ENOENT')) return false;
    throw error;
  }
}

/** True when a namespace is pinned at the path; false for a missing file and for a plain one left by an interruption. */
export function netnsExists(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ESRCH')) return false;
    throw error;
  }
}

/** `device:inode` of a namespace, equal exactly for the same one. */
export function netnsInode(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}
