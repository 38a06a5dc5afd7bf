import {
  constants,
  createWriteStream,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { invalid } from '../../base/index.ts';
import { changeMode, makeDevice, makeFifo, writeAttribute } from '../../kernel/index.ts';
import { type PaxRecords, PaxTap, XATTR } from './pax.ts';
import { Tree } from './tree.ts';

const NO_RECORDS: PaxRecords = new Map();

export interface UnpackOptions {
  readonly noOverwriteDirNonDir: boolean;
  /** Give everything to this user instead of the one the archive names. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** Unpacks an archive into a folder of a tree. Nothing is written outside the tree, whatever the archive names. */
export async function unpackInto(tree: Tree, folder: string, archive: Readable, options: UnpackOptions): Promise<void> {
  const source = extract();
  const tap = new PaxTap();
  archive.pipe(tap).pipe(source as unknown as NodeJS.WritableStream);
  archive.once('error', (error) => source.destroy(error));
  const late: { readonly path: string; readonly mtime: Date }[] = [];
  for await (const item of source) {
    const { header } = item;
    const records = tap.recordsAt(offsetOf(header)) ?? NO_RECORDS;
    header.uid = idOf(records, 'uid') ?? header.uid;
    header.gid = idOf(records, 'gid') ?? header.gid;
    const path = `${folder}/${header.name}`;
    await unpackOne(tree, { folder, path, header, records, content: item as unknown as Readable }, options);
    if (header.type === 'directory' && header.mtime) late.push({ path, mtime: header.mtime });
  }
  for (const { path, mtime } of late.reverse()) {
    const place = tree.find(path);
    lutimesSync(Tree.hostPath(place), mtime, mtime);
  }
}

interface Item {
  readonly folder: string;
  readonly path: string;
  readonly header: Header;
  readonly records: PaxRecords;
  readonly content: Readable;
}

async function unpackOne(tree: Tree, item: Item, options: UnpackOptions): Promise<void> {
  const { header, content, path } = item;
  const place = tree.find(path, { create: true });
  const host = Tree.hostPath(place);
  const isFolder = header.type === 'directory';
  if (place.stat && options.noOverwriteDirNonDir && place.stat.isDirectory() !== isFolder) {
    throw invalid(
      'overwrite_refused',
      place.stat.isDirectory()
        ? `cannot overwrite directory "${place.path}" with non-directory "${header.name}"`
        : `cannot overwrite non-directory "${place.path}" with directory "${header.name}"`,
    );
  }
  const keeps = isFolder && place.stat?.isDirectory();
  if (place.stat && !keeps && place.name !== '.') rmSync(host, { recursive: true, force: true });
  switch (header.type) {
    case 'directory':
      if (!keeps) mkdirSync(host, 0o755);
      break;
    case 'symlink':
      symlinkSync(header.linkname ?? '', host);
      break;
    case 'link':
      linkSync(Tree.hostPath(tree.find(`${item.folder}/${header.linkname ?? ''}`)), host);
      break;
    case 'fifo':
      makeFifo(host, header.mode ?? 0o600);
      break;
    case 'file':
    case 'contiguous-file': {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      await pipeline(content, createWriteStream('', { fd: openSync(host, flags, 0o600) }));
      break;
    }
    case 'block-device':
    case 'character-device':
      makeDevice(host, {
        kind: header.type === 'block-device' ? 'block' : 'character',
        major: header.devmajor ?? 0,
        minor: header.devminor ?? 0,
        mode: header.mode ?? 0o600,
      });
      break;
    default:
      content.resume();
      return;
  }
  content.resume();
  setMeta(host, item, options);
}

function setMeta(host: string, { header, records }: Item, options: UnpackOptions): void {
  if (header.type === 'link') return;
  lchownSync(host, options.owner?.uid ?? header.uid ?? 0, options.owner?.gid ?? header.gid ?? 0);
  if (header.type !== 'symlink') changeMode(host, (header.mode ?? 0o644) & 0o7777);
  // After the owner: a change of that takes a file's capabilities away.
  for (const [key, value] of records) {
    const name = key.startsWith(XATTR) ? key.slice(XATTR.length) : '';
    // The layers' own bookkeeping is nothing to bring along.
    if (name !== '' && !name.startsWith('trusted.')) writeAttribute(host, name, value);
  }
  if (header.mtime) lutimesSync(host, header.mtime, header.mtime);
}

/** Where its content begins in the archive: tar-stream says it, its types do not. */
function offsetOf(header: Header): number {
  return (header as Header & { readonly byteOffset: number }).byteOffset;
}

/** Numbers that the classic header has no room for. */
function idOf(records: PaxRecords, key: 'uid' | 'gid'): number | undefined {
  const text = records.get(key)?.toString() ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
