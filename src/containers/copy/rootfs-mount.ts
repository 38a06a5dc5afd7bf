import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../../base/index.ts';
import { bindMount, MountFlags, mount, unmount } from '../../kernel/index.ts';
import type { Mount } from '../containerd/index.ts';
import { layersOf } from '../spec/index.ts';

/** A container's file tree, mounted on the host for as long as it is used. */
export interface MountedRootfs {
  readonly path: string;
  close(): void;
}

/** Mounts it somewhere below `folder`. Read-only ones can be had while the container runs. */
export function mountRootfs(
  mounts: readonly Mount[],
  options: { readonly folder: string; readonly writable: boolean },
): MountedRootfs {
  const path = join(options.folder, `rootfs-${newId().slice(0, 12)}`);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  try {
    if (options.writable) for (const one of mounts) mountAs(one, path);
    else mountReadOnly(mounts, path);
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
  return {
    path,
    close: () => {
      unmount(path, { detach: true });
      rmdirSync(path);
    },
  };
}

/** The same folders with the writable one as just another lower one: nothing shares a work folder with the container. */
function mountReadOnly(mounts: readonly Mount[], target: string): void {
  const layers = layersOf(mounts);
  const [only] = layers;
  if (layers.length === 1 && only !== undefined) {
    bindMount(only, target, { readOnly: true });
    return;
  }
  mount({
    source: 'overlay',
    target,
    type: 'overlay',
    flags: MountFlags.readOnly,
    data: `lowerdir=${layers.join(':')}`,
  });
}

const FLAGS: Readonly<Record<string, number>> = {
  ro: MountFlags.readOnly,
  rw: 0,
  bind: MountFlags.bind,
  rbind: MountFlags.bind | MountFlags.recursive,
};

function mountAs(one: Mount, target: string): void {
  let flags = 0;
  const data: string[] = [];
  for (const option of one.options) {
    const flag = FLAGS[option];
    if (flag === undefined) data.push(option);
    else flags |= flag;
  }
  mount({ source: one.source, target, type: one.type, flags, data: data.join(',') });
}
