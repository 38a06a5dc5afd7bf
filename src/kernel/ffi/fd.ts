import { closeSync, openSync } from 'node:fs';
import { internal } from '../../base/index.ts';
import { SystemError } from './errors.ts';
import { libc } from './libc.ts';

let open = 0;

/** How many owned descriptors are open in this thread; a test that ends with more than it began with leaks. */
export function openFdCount(): number {
  return open;
}

/** A file descriptor with exactly one owner, who closes it or releases it to somebody else. */
export class OwnedFd implements Disposable {
  readonly #what: string;
  #fd: number;

  /** `fd` must be open and owned by nobody else; `what` names it in errors. */
  constructor(fd: number, what: string) {
    if (fd < 0) throw internal('bad_fd', `cannot own file descriptor ${fd} (${what})`);
    this.#fd = fd;
    this.#what = what;
    open += 1;
  }

  get fd(): number {
    if (this.#fd < 0) throw internal('closed_fd', `cannot use ${this.#what}: it is closed`);
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /** Closes it; a second time is nothing. */
  close(): void {
    if (this.#fd < 0) return;
    // Safe: we are the only owner and forget the number before anybody can reuse it. Linux frees the number even when
    // close reports an error, so there is nothing to retry.
    libc().close(this.release());
  }

  /** Hands the number to a new owner, who must close it. */
  release(): number {
    const fd = this.fd;
    this.#fd = -1;
    open -= 1;
    return fd;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** FD_SETSIZE of glibc: a library that waits with select() is ended by glibc's checks when its descriptor is not below this. */
const FD_SETSIZE = 1024;
/** More than one, because other threads open files too. */
const RESERVED = 4;

const held: number[] = [];

/** Takes numbers that are still free below FD_SETSIZE, for later. */
export function reserveLowDescriptors(): void {
  while (held.length < RESERVED) {
    const fd = openSync('/dev/null', 'r');
    if (fd >= FD_SETSIZE) {
      closeSync(fd);
      return;
    }
    held.push(fd);
  }
}

/** Runs what opens one descriptor, which gets a number below FD_SETSIZE however many others are open; else EMFILE. */
export function withLowDescriptor<T>(open: () => T): T {
  reserveLowDescriptors();
  if (held.length === 0) throw new SystemError('EMFILE', { syscall: 'open', action: 'find a descriptor below 1024' });
  for (const fd of held.splice(0)) closeSync(fd);
  try {
    return open();
  } finally {
    reserveLowDescriptors();
  }
}
