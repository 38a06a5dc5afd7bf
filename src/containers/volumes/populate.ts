import { chmod, copyFile, lchown, lstat, lutimes, mkdir, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mount } from '../containerd/index.ts';
import { layersOf, listTree } from '../spec/index.ts';

/** Fills an empty volume with what the image has at its target. Anything in the volume: nothing is done. */
export async function populateVolume(rootfs: readonly Mount[], target: string, volume: string): Promise<void> {
  if ((await readdir(volume)).length > 0) return;
  const root = listTree(layersOf(rootfs), target);
  if (!root) return;
  await copyMeta(root.path, volume);
  await copyChildren(rootfs, target, volume);
}

async function copyChildren(rootfs: readonly Mount[], target: string, folder: string): Promise<void> {
  const found = listTree(layersOf(rootfs), target);
  for (const { name, path } of found?.children ?? []) {
    const to = join(folder, name);
    const stat = await lstat(path);
    if (stat.isDirectory()) {
      await mkdir(to);
      await copyChildren(rootfs, join(target, name), to);
    } else if (stat.isSymbolicLink()) await symlink(await readlink(path), to);
    else if (stat.isFile()) await copyFile(path, to);
    else continue;
    await copyMeta(path, to);
  }
}

async function copyMeta(from: string, to: string): Promise<void> {
  const stat = await lstat(from);
  await lchown(to, stat.uid, stat.gid);
  if (!stat.isSymbolicLink()) await chmod(to, stat.mode & 0o7777);
  await lutimes(to, stat.atime, stat.mtime);
}
