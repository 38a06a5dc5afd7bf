import { constants, copyFile, lchown, link, lstat, lutimes, mkdir, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { changeMode, listAttributes, makeDevice, makeFifo, readAttribute, writeAttribute } from '../../kernel/index.ts';
import type { Mount } from '../containerd/index.ts';
import { deviceNumber } from '../limits/index.ts';
import { layersOf, listTree } from '../spec/index.ts';

interface Job {
  readonly layers: readonly string[];
  /** A file with several names → the first of them in the volume. */
  readonly names: Map<string, string>;
}

/** Fills an empty volume with what the image has at its target. Anything in the volume: nothing is done. */
export async function populateVolume(rootfs: readonly Mount[], target: string, volume: string): Promise<void> {
  if ((await readdir(volume)).length > 0) return;
  const layers = layersOf(rootfs);
  const root = listTree(layers, target);
  if (!root) return;
  await copyChildren({ layers, names: new Map() }, target, volume);
  await copyMeta(root.path, volume);
}

async function copyChildren(job: Job, target: string, folder: string): Promise<void> {
  for (const { name, path } of listTree(job.layers, target)?.children ?? []) {
    const to = join(folder, name);
    const stat = await lstat(path);
    if (stat.isDirectory()) {
      await mkdir(to);
      await copyChildren(job, join(target, name), to);
    } else if (!(await copyNode(job, path, to))) continue;
    await copyMeta(path, to);
  }
}

/** Everything but folders; false for a socket, which nobody listens to, and for a further name of a file that is there. */
async function copyNode({ names }: Job, path: string, to: string): Promise<boolean> {
  const stat = await lstat(path);
  const inode = `${stat.dev}:${stat.ino}`;
  const first = stat.nlink > 1 ? names.get(inode) : undefined;
  if (first !== undefined) {
    await link(first, to);
    return false;
  }
  if (stat.isSymbolicLink()) await symlink(await readlink(path), to);
  else if (stat.isFile()) await copyFile(path, to, constants.COPYFILE_EXCL);
  else if (stat.isFIFO()) makeFifo(to);
  else if (stat.isBlockDevice() || stat.isCharacterDevice()) {
    makeDevice(to, { kind: stat.isBlockDevice() ? 'block' : 'character', ...deviceNumber(stat.rdev), mode: 0o600 });
  } else return false;
  if (stat.nlink > 1) names.set(inode, to);
  return true;
}

async function copyMeta(from: string, to: string): Promise<void> {
  const stat = await lstat(from);
  await lchown(to, stat.uid, stat.gid);
  if (!stat.isSymbolicLink()) changeMode(to, stat.mode & 0o7777);
  // After the owner: a change of that takes a file's capabilities away.
  for (const name of listAttributes(from)) {
    const value = name.startsWith('trusted.') ? undefined : readAttribute(from, name);
    if (value) writeAttribute(to, name, value);
  }
  await lutimes(to, stat.atime, stat.mtime);
}
