import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../ffi/index.ts';

/** Makes a folder and those above it; one that is there is fine. The error says why the folder cannot be made. */
export function makeFolders(path: string, mode: number): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    // Node says the same whatever the reason is, a read-only file system for one.
    if (!isErrno(error, 'ENOENT')) throw error;
    makeFolders(dirname(path), mode);
    mkdirSync(path, { mode });
  }
}
