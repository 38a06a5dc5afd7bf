import {
  type OwnedFd,
  openPipe,
  rawBytesIn,
  rawGrowPipe,
  rawMakeFifo,
  rawMakeNode,
  rawSplice,
  rawTee,
} from '../ffi/index.ts';

/** Makes a named pipe. Throws SystemError EEXIST when the path is taken. */
export function makeFifo(path: string, mode = 0o600): void {
  rawMakeFifo(path, mode);
}

const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

export interface DeviceNode {
  readonly kind: 'block' | 'character';
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
}

/** Makes a device node. Throws SystemError EEXIST when the path is taken. */
export function makeDevice(path: string, { kind, major, minor, mode }: DeviceNode): void {
  const [high, low] = [BigInt(major), BigInt(minor)];
  // As glibc packs them.
  const device = ((high & 0xfffn) << 8n) | ((high & ~0xfffn) << 32n) | (low & 0xffn) | ((low & ~0xffn) << 12n);
  rawMakeNode(path, (kind === 'block' ? S_IFBLK : S_IFCHR) | mode, device);
}

/** Asks for a larger pipe buffer; false when the kernel grants none. What is in it stays. */
export function growPipe(fd: number, bytes: number): boolean {
  return rawGrowPipe(fd, bytes);
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
