import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface EtcPaths {
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

export function etcPaths(folder: string): EtcPaths {
  return { hosts: join(folder, 'hosts'), hostname: join(folder, 'hostname'), resolvConf: join(folder, 'resolv.conf') };
}

/** Writes into the file that is there: a running container has it mounted, so it must stay the same inode. */
export function writeEtc(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o710 });
  writeFileSync(path, text, { mode: 0o644 });
}

/** Like {@link writeEtc}, but leaves a file alone that was changed by hand since we wrote it. */
export function writeUnlessEdited(path: string, text: string): void {
  const current = readOrEmpty(path);
  const ours = readOrEmpty(`${path}.hash`);
  if (current !== '' && ours !== '' && ours !== hashOf(current)) return;
  // Nobody reads half of a file that is not written.
  if (current === text && ours !== '') return;
  writeEtc(path, text);
  writeFileSync(`${path}.hash`, hashOf(text), { mode: 0o644 });
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
