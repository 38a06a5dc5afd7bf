import { readFileSync } from 'node:fs';
import { isErrno, rawMount, rawUnmount } from './ffi/index.ts';

/** MS_* of mount(2). */
export const MountFlags = {
  readOnly: 0x1,
  noSuid: 0x2,
  noDev: 0x4,
  noExec: 0x8,
  remount: 0x20,
  noAtime: 0x400,
  bind: 0x1000,
  move: 0x2000,
  recursive: 0x4000,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  relAtime: 1 << 21,
} as const;

const MNT_DETACH = 0x2;
const UMOUNT_NOFOLLOW = 0x8;

export interface MountRequest {
  /** A device, a folder to bind, or the word shown for a virtual file system. */
  readonly source?: string | undefined;
  readonly target: string;
  readonly type?: string | undefined;
  readonly flags?: number | undefined;
  /** The file system's own options, comma separated. */
  readonly data?: string | undefined;
}

export interface BindOptions {
  readonly recursive?: boolean | undefined;
  readonly readOnly?: boolean | undefined;
}

export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  /** `major:minor`. */
  readonly device: string;
  /** The part of the file system that is mounted. */
  readonly root: string;
  readonly target: string;
  readonly options: readonly string[];
  /** `shared:N`, `master:N`, …; empty for private ones. */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

export function mount(request: MountRequest): void {
  rawMount({
    source: request.source ?? null,
    target: request.target,
    type: request.type ?? null,
    flags: request.flags ?? 0,
    data: request.data ?? null,
  });
}

/** False when nothing is mounted there. `detach` takes it out of the tree at once, even while it is in use. */
export function unmount(target: string, options: { readonly detach?: boolean } = {}): boolean {
  try {
    rawUnmount(target, UMOUNT_NOFOLLOW | (options.detach === true ? MNT_DETACH : 0));
    return true;
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'ENOENT')) return false;
    throw error;
  }
}

/** Shows `source` at `target` as well. */
export function bindMount(source: string, target: string, options: BindOptions = {}): void {
  const recursive = options.recursive === true ? MountFlags.recursive : 0;
  mount({ source, target, flags: MountFlags.bind | recursive });
  if (options.readOnly !== true) return;
  try {
    // The kernel ignores other flags while binding; they need a second call.
    mount({ target, flags: MountFlags.bind | MountFlags.remount | MountFlags.readOnly });
  } catch (error) {
    unmount(target, { detach: true });
    throw error;
  }
}

/** Everything mounted in this process's mount namespace, in the order of mounting. */
export function listMounts(): MountEntry[] {
  return parseMountinfo(readFileSync('/proc/thread-self/mountinfo', 'utf8'));
}

export function isMountPoint(path: string): boolean {
  return listMounts().some((entry) => entry.target === path);
}

/** The format of proc_pid_mountinfo(5); lines that do not follow it are skipped. */
export function parseMountinfo(text: string): MountEntry[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    if (dash < 0) return [];
    const field = (index: number): string => decodeOctal(fields[index] ?? '');
    return [
      {
        id: Number(field(0)),
        parentId: Number(field(1)),
        device: field(2),
        root: field(3),
        target: field(4),
        options: field(5).split(','),
        propagation: fields.slice(6, dash),
        type: field(dash + 1),
        source: field(dash + 2),
        superOptions: field(dash + 3).split(','),
      },
    ];
  });
}

/** Space, tab, line end and backslash are written as three octal digits. Only ASCII is escaped, so UTF-8 stays whole. */
function decodeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
