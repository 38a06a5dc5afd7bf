import { closeSync, openSync } from 'node:fs';
import { SystemError } from './errors.ts';

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
