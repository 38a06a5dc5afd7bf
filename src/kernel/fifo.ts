import { type OwnedFd, openPipe, rawBytesIn, rawMakeFifo, rawSetPipeSize, rawSplice, rawTee } from './ffi/index.ts';

/** Makes a named pipe. Throws SystemError EEXIST when the path is taken. */
export function makeFifo(path: string, mode = 0o600): void {
  rawMakeFifo(path, mode);
}

/** Asks for a larger pipe buffer; false when the kernel grants none. What is in it stays. */
export function growPipe(fd: number, bytes: number): boolean {
  return rawSetPipeSize(fd, bytes);
}

/** A nameless pipe, non-blocking, close-on-exec. */
export function makePipe(): { readonly read: OwnedFd; readonly write: OwnedFd } {
  return openPipe();
}

/**
 * Moves up to `bytes` from one pipe to another (or to /dev/null) without a copy, and in one step: a process that is
 * killed meanwhile leaves each byte on one side or the other. 0: nothing is there and nobody can write any more.
 * Undefined: nothing there now, or no room.
 */
export function movePipe(from: number, to: number, bytes: number): number | undefined {
  return rawSplice(from, to, bytes);
}

/** Lets another pipe have the first bytes of this one too, without a copy. Undefined: nothing there, or no room. */
export function showPipe(from: number, to: number, bytes: number): number | undefined {
  return rawTee(from, to, bytes);
}

/** How many bytes wait in a pipe. */
export function bytesInPipe(fd: number): number {
  return rawBytesIn(fd);
}
