import { rawMakeFifo, rawSetPipeSize } from './ffi/index.ts';

/** Makes a named pipe. Throws SystemError EEXIST when the path is taken. */
export function makeFifo(path: string, mode = 0o600): void {
  rawMakeFifo(path, mode);
}

/** Asks for a larger pipe buffer; false when the kernel grants none. What is in it stays. */
export function growPipe(fd: number, bytes: number): boolean {
  return rawSetPipeSize(fd, bytes);
}
