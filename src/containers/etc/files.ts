import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface EtcPaths {
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

export function etcPaths(folder: string): EtcPaths {
  return { hosts: join(folder, 'hosts'), hostname: join(folder, 'hostname'), resolvConf: join(folder, 'resolv.conf') };
}

/**
 * Writes into the file that is there: a running container has it mounted, so it must stay the same inode. One that says so already
 * is left alone, and none is emptied first, which costs the file system more than the rest and lets readers find nothing.
 */
export function writeEtc(path: string, text: string): void {
  const current = read(path);
  if (current === text) return;
  if (current === undefined) {
    mkdirSync(join(path, '..'), { recursive: true, mode: 0o710 });
    writeFileSync(path, text, { mode: 0o644 });
    return;
  }
  const file = openSync(path, 'r+');
  try {
    writeFileSync(file, text);
    ftruncateSync(file, Buffer.byteLength(text));
  } finally {
    closeSync(file);
  }
}

/** Like {@link writeEtc}, but leaves a file alone that was changed by hand since we wrote it. */
export function writeUnlessEdited(path: string, text: string): void {
  const current = read(path) ?? '';
  const ours = read(`${path}.hash`) ?? '';
  if (current !== '' && ours !== '' && ours !== hashOf(current)) return;
  // Nobody reads half of a file that is not written.
  if (current === text && ours !== '') return;
  writeEtc(path, text);
  writeFileSync(`${path}.hash`, hashOf(text), { mode: 0o644 });
}

/** Undefined when there is none. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
