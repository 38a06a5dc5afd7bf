import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isMountPoint, MountFlags, mount, unmount } from '../../kernel/index.ts';
import type { ContainerRecord } from '../records/index.ts';

const DEFAULT_BYTES = 64 << 20;

/**
 * The /dev/shm of a container that lends it to others (`--ipc shareable`): a tmpfs of the host's mount namespace, so that
 * it can be bound into several. Private ones are the runtime's affair.
 */
export class SharedMemory {
  readonly #folder: (id: string) => string;

  constructor(folder: (id: string) => string) {
    this.#folder = folder;
  }

  /** Where it is, for the lender and its borrowers. */
  pathOf(id: string): string {
    return join(this.#folder(id), 'shm');
  }

  activate({ id, spec }: ContainerRecord): void {
    if (spec.security.ipcMode !== 'shareable') return;
    const target = this.pathOf(id);
    mkdirSync(target, { recursive: true });
    if (isMountPoint(target)) return;
    const { noSuid, noExec, noDev } = MountFlags;
    const size = spec.security.shmSize > 0 ? spec.security.shmSize : DEFAULT_BYTES;
    mount({ source: 'shm', target, type: 'tmpfs', flags: noSuid | noExec | noDev, data: `mode=1777,size=${size}` });
  }

  /** Repeatable. Whoever borrowed it keeps it until it ends. */
  deactivate({ id, spec }: ContainerRecord): void {
    if (spec.security.ipcMode !== 'shareable') return;
    const target = this.pathOf(id);
    unmount(target, { detach: true });
    rmSync(target, { recursive: true, force: true });
  }
}
