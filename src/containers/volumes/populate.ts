import { closeSync, constants, openSync } from 'node:fs';
import { copyFile, lchown, link, lstat, lutimes, mkdir, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  changeMode,
  listAttributes,
  makeDevice,
  makeFifo,
  O_PATH,
  readAttribute,
  writeAttribute,
} from '../../kernel/index.ts';
import type { Mount } from '../containerd/index.ts';
import { deviceNumber } from '../limits/index.ts';
import { layersOf, listTree } from '../spec/index.ts';

interface Job {
  readonly layers: readonly string[];
  /** The volume's own folder, open. */
  readonly root: number;
  /** A file with several names → where the first of them is, from the root on. */
  readonly names: Map<string, readonly string[]>;
}

const FOLDER = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Fills an empty volume with what the image has at its target. Anything in the volume: nothing is done. A container that has
 * the volume already may change it meanwhile, so every step goes from an open folder to one name in it.
 */
export async function populateVolume(rootfs: readonly Mount[], target: string, volume: string): Promise<void> {
  if ((await readdir(volume)).length > 0) return;
  const layers = layersOf(rootfs);
  const tree = listTree(layers, target);
  if (!tree) return;
  const root = openSync(volume, FOLDER);
  try {
    await copyChildren({ layers, root, names: new Map() }, { target, folder: root, way: [] });
    await copyMeta(tree.path, within(root, '.'));
  } finally {
    closeSync(root);
  }
}

/** A path of the host that means this name in this folder and nothing else, while the folder is open. */
function within(folder: number, name: string): string {
  return `/proc/self/fd/${folder}/${name}`;
}

async function copyChildren(
  job: Job,
  { target, folder, way }: { readonly target: string; readonly folder: number; readonly way: readonly string[] },
): Promise<void> {
  for (const { name, path } of listTree(job.layers, target)?.children ?? []) {
    const to = within(folder, name);
    const stat = await lstat(path);
    if (stat.isDirectory()) {
      await mkdir(to);
      const child = openSync(to, FOLDER);
      try {
        await copyChildren(job, { target: join(target, name), folder: child, way: [...way, name] });
      } finally {
        closeSync(child);
      }
    } else if (!(await copyNode(job, path, { to, way: [...way, name] }))) continue;
    await copyMeta(path, to);
  }
}

/** Everything but folders; false for a socket, which nobody listens to, and for a further name of a file that is there. */
async function copyNode(
  { root, names }: Job,
  path: string,
  { to, way }: { readonly to: string; readonly way: readonly string[] },
): Promise<boolean> {
  const stat = await lstat(path);
  const inode = `${stat.dev}:${stat.ino}`;
  const first = stat.nlink > 1 ? names.get(inode) : undefined;
  if (first !== undefined) {
    await linkTo(root, first, to);
    return false;
  }
  if (stat.isSymbolicLink()) await symlink(await readlink(path), to);
  else if (stat.isFile()) await copyFile(path, to, constants.COPYFILE_EXCL);
  else if (stat.isFIFO()) makeFifo(to);
  else if (stat.isBlockDevice() || stat.isCharacterDevice()) {
    makeDevice(to, { kind: stat.isBlockDevice() ? 'block' : 'character', ...deviceNumber(stat.rdev), mode: 0o600 });
  } else return false;
  if (stat.nlink > 1) names.set(inode, way);
  return true;
}

async function linkTo(root: number, way: readonly string[], to: string): Promise<void> {
  using opened = new DisposableStack();
  let folder = root;
  for (const name of way.slice(0, -1)) {
    folder = openSync(within(folder, name), FOLDER);
    const fd = folder;
    opened.defer(() => closeSync(fd));
  }
  await link(within(folder, way.at(-1) ?? '.'), to);
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
