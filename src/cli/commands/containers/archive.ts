import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readlink, rm, stat, symlink, utimes } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, type Pack, pack } from 'tar-stream';

/** A tar of one file or folder, whose top entry is called `name`; an empty name leaves only the folder's content. */
export function packPath(path: string, options: { name: string; follow: boolean }): Readable {
  const tar = pack();
  const add = async (): Promise<void> => {
    const info = await (options.follow ? stat(path) : lstat(path));
    await addEntry(tar, { path, name: options.name, info });
    tar.finalize();
  };
  add().catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))));
  return tar.pipe(new PassThrough());
}

async function addEntry(tar: Pack, entry: { path: string; name: string; info: Stats }): Promise<void> {
  const { path, name, info } = entry;
  const common = { mode: info.mode & 0o7777, mtime: info.mtime, uid: info.uid, gid: info.gid };
  if (info.isDirectory()) {
    if (name !== '') tar.entry({ ...common, name: `${name}/`, type: 'directory' });
    for (const child of await readdir(path)) {
      const childPath = join(path, child);
      await addEntry(tar, { path: childPath, name: join(name, child), info: await lstat(childPath) });
    }
  } else if (info.isSymbolicLink()) {
    tar.entry({ ...common, name, type: 'symlink', linkname: await readlink(path) });
  } else if (info.isFile()) {
    const file = tar.entry({ ...common, name, size: info.size });
    await pipeline(createReadStream(path, { end: Math.max(0, info.size - 1) }), file);
  }
}

export interface UnpackOptions {
  /** Where the entries go. Nothing is ever written outside of it. */
  readonly folder: string;
  /** The name of the top entry in the archive … */
  readonly root: string;
  /** … and what it is called here; empty puts its content into the folder itself. */
  readonly rename: string;
}

export async function unpackTo(tar: Readable, options: UnpackOptions): Promise<void> {
  const entries = extract();
  tar.once('error', (error) => entries.destroy(error));
  tar.pipe(entries);
  for await (const entry of entries) {
    const target = targetOf(entry.header.name, options);
    await assertInside(target, options.folder);
    await unpackEntry(entry, entry.header, { target, options });
    entry.resume();
  }
}

function targetOf(name: string, options: UnpackOptions): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`refused to unpack ${JSON.stringify(name)}: it leaves the target folder`);
  if (parts[0] === options.root) parts.shift();
  return join(options.folder, options.rename, ...parts);
}

/** A link that an earlier entry made must not lead a later one out of the folder. */
async function assertInside(target: string, folder: string): Promise<void> {
  for (let parent = dirname(target); parent.startsWith(folder + sep); parent = dirname(parent)) {
    const info = await lstat(parent).catch(() => undefined);
    if (info?.isSymbolicLink() === true) throw new Error(`refused to unpack through the link ${parent}`);
  }
}

async function unpackEntry(
  content: AsyncIterable<unknown>,
  header: Header,
  where: { target: string; options: UnpackOptions },
): Promise<void> {
  const { target } = where;
  const mode = (header.mode ?? 0o644) & 0o7777;
  if (header.type === 'directory') {
    await mkdir(target, { recursive: true });
    await chmod(target, mode);
    return;
  }
  await mkdir(dirname(target), { recursive: true });
  const existing = await lstat(target).catch(() => undefined);
  if (existing?.isDirectory() === true) throw new Error(`cannot overwrite directory ${target} with a file`);
  await rm(target, { force: true });
  if (header.type === 'symlink') {
    await symlink(header.linkname ?? '', target);
  } else if (header.type === 'file' || header.type === 'contiguous-file') {
    await pipeline(content, createWriteStream(target, { flags: 'wx', mode }));
    await chmod(target, mode);
    if (header.mtime !== undefined) await utimes(target, header.mtime, header.mtime);
  }
}
