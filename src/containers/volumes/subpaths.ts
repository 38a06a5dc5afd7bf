import { closeSync, constants, mkdirSync, openSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FairwayError, invalid, messageOf } from '../../base/index.ts';
import { bindMount, isErrno, O_PATH, unmount } from '../../kernel/index.ts';
import type { MountPoint } from '../contract.ts';
import { Tree } from '../copy/index.ts';
import type { ContainerRecord } from '../records/index.ts';

/**
 * Folders of volumes that are mounted instead of the whole (`volume-subpath`). What is in a volume is not to be trusted, and
 * it may change between a look and the mount; so the place that was found is held open and bound to a path of ours.
 */
export class Subpaths {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Where a mount's source is to be found: the volume, or the bound folder of it. */
  sourceOf(record: ContainerRecord, point: MountPoint): string {
    return point.subpath === undefined ? point.source : this.#path(record, point);
  }

  /** Throws `invalid` when there is no such path in the volume. */
  activate(record: ContainerRecord, point: MountPoint): void {
    if (point.subpath === undefined) return;
    const target = this.#path(record, point);
    this.#release(target);
    using tree = new Tree(point.source);
    const fd = openInside(tree, point);
    try {
      const isFolder = tree.find(point.subpath, { follow: true }).stat?.isDirectory() ?? true;
      mkdirSync(isFolder ? target : dirname(target), { recursive: true, mode: 0o700 });
      if (!isFolder) writeFileSync(target, '');
      bindMount(`/proc/self/fd/${fd}`, target, { recursive: true });
    } finally {
      closeSync(fd);
    }
  }

  /** Repeatable. */
  deactivate(record: ContainerRecord): void {
    const points = record.mounts.filter(({ subpath }) => subpath !== undefined);
    for (const point of points) this.#release(this.#path(record, point));
    if (points.length > 0) removeEmpty(join(this.#root, record.id));
  }

  #path(record: ContainerRecord, point: MountPoint): string {
    return join(this.#root, record.id, String(record.mounts.indexOf(point)));
  }

  /** Never recursively: what is below is the user's. */
  #release(target: string): void {
    while (unmount(target, { detach: true })) {
      // Whatever an earlier daemon has put there as well.
    }
    removeEmpty(target);
  }
}

function openInside(tree: Tree, point: MountPoint): number {
  const path = point.subpath ?? '';
  try {
    const place = tree.find(path, { follow: true });
    return openSync(Tree.hostPath(place), O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (!(error instanceof FairwayError) && !isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw invalid('no_such_subpath', `cannot access path ${join(point.source, path)}: ${reason(error)}`, error);
  }
}

function reason(error: unknown): string {
  return isErrno(error, 'ENOENT') ? 'no such file or directory' : messageOf(error);
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) rmSync(path);
    else if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
}
