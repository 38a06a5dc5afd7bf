import { constants, createReadStream, openSync, readlinkSync, type Stats } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Header, type Pack, pack } from 'tar-stream';
import { readAttribute } from '../../kernel/index.ts';
import { deviceNumber } from '../limits/index.ts';
import { type PaxRecords, paxEntry, XATTR } from './pax.ts';
import { type Place, Tree } from './tree.ts';

export interface PackOptions {
  /** What the place is called in the archive; empty: its children have no folder before their names, and it has no entry. */
  readonly name: string;
  /** Mounts inside the tree that belong to it; others (/proc, /dev …) are shown as empty folders. */
  readonly mounts?: ReadonlySet<string>;
  readonly done: () => void;
}

/** A tar of a place in a tree, its entries beginning with `name`. The tree is closed when the archive ends. */
export function packTree(tree: Tree, place: Place, options: PackOptions): Readable {
  const archive = pack();
  const links = new Map<string, string>();
  const work = async (): Promise<void> => {
    try {
      await addPlace({ archive, tree, links, mounts: options.mounts ?? new Set() }, place, options.name);
      archive.finalize();
    } catch (error) {
      archive.destroy(error instanceof Error ? error : new Error(String(error)));
    } finally {
      tree[Symbol.dispose]();
      options.done();
    }
  };
  void work();
  // tar-stream's own stream is not one of Node's. A reader that leaves destroys it, and so ends the work.
  return Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false });
}

type EntryHeader = Partial<Header> & Pick<Header, 'name'>;

interface Job {
  readonly archive: Pack;
  readonly tree: Tree;
  /** Files with several names: the first one carries the content. */
  readonly links: Map<string, string>;
  readonly mounts: ReadonlySet<string>;
}

async function addPlace(job: Job, place: Place, name: string): Promise<void> {
  const { stat } = place;
  if (!stat || job.archive.destroyed) return;
  const header = headerOf(stat, name);
  if (stat.isDirectory()) {
    if (name !== '') {
      await entry(job.archive, { ...header, name: name.endsWith('/') ? name : `${name}/`, type: 'directory' });
    }
    for (const child of Tree.list(place)) {
      const found = job.tree.child(place, child);
      const childName = name === '' || name.endsWith('/') ? `${name}${child}` : `${name}/${child}`;
      const elsewhere = found.stat?.isDirectory() && found.stat.dev !== stat.dev && !job.mounts.has(found.path);
      if (elsewhere && found.stat) {
        await entry(job.archive, { ...headerOf(found.stat, `${childName}/`), type: 'directory' });
      } else await addPlace(job, found, childName);
      if (place.name !== '.') job.tree.leave(found.folder);
    }
  } else if (stat.isSymbolicLink()) {
    await entry(job.archive, { ...header, type: 'symlink', linkname: readlinkSync(Tree.hostPath(place)) });
  } else if (stat.isFile()) {
    await addFile(job, place, stat, header);
  } else if (stat.isFIFO()) {
    await entry(job.archive, { ...header, type: 'fifo' });
  } else if (stat.isCharacterDevice() || stat.isBlockDevice()) {
    const { major, minor } = deviceNumber(stat.rdev);
    const type = stat.isBlockDevice() ? 'block-device' : 'character-device';
    await entry(job.archive, { ...header, type, devmajor: major, devminor: minor });
  }
}

async function addFile({ archive, links }: Job, place: Place, stat: Stats, header: EntryHeader): Promise<void> {
  const inode = `${stat.dev}:${stat.ino}`;
  const known = links.get(inode);
  if (known !== undefined) {
    await entry(archive, { ...header, type: 'link', linkname: known, size: 0 });
    return;
  }
  if (stat.nlink > 1) links.set(inode, header.name);
  const described = describe(archive, header, attributesOf(place));
  if (stat.size === 0) {
    await entry(archive, { ...described, type: 'file', size: 0 }, true);
    return;
  }
  const fd = openSync(Tree.hostPath(place), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const source = createReadStream('', { fd, end: stat.size - 1 });
  const sink = archive.entry({ ...described, type: 'file', size: stat.size });
  await pipeline(source, padded(stat.size), sink as unknown as NodeJS.WritableStream);
}

const CAPABILITY = 'security.capability';
/** A file capability of the third revision names the user that is root in its user namespace, which means nothing elsewhere. */
const [REVISION_AT, THIRD, SECOND, SECOND_BYTES] = [3, 3, 2, 20];
/** The largest owner that fits into the classic header. */
const MAX_ID = 0o777777;

/** As in Docker: the capabilities of a file, and no other attributes. */
function attributesOf(place: Place): PaxRecords {
  const value = readAttribute(Tree.hostPath(place), CAPABILITY);
  if (!value) return new Map();
  const third = value[REVISION_AT] === THIRD;
  const portable = third ? Buffer.from(value.subarray(0, SECOND_BYTES)) : value;
  if (third) portable[REVISION_AT] = SECOND;
  return new Map([[XATTR + CAPABILITY, portable]]);
}

/**
 * Writes the extended header an entry needs and gives the classic one that goes with it. tar-stream would write text; and where
 * there are two extended headers, readers believe the last alone, so ours has the long names too.
 */
function describe(archive: Pack, header: EntryHeader, attributes: PaxRecords): EntryHeader {
  const records = new Map(attributes);
  const { uid = 0, gid = 0 } = header;
  if (uid > MAX_ID) records.set('uid', Buffer.from(String(uid)));
  if (gid > MAX_ID) records.set('gid', Buffer.from(String(gid)));
  if (records.size === 0) return header;
  const { name, linkname } = header;
  records.set('path', Buffer.from(name));
  if (linkname) records.set('linkpath', Buffer.from(linkname));
  const short = {
    ...header,
    name: shortened(name),
    ...(linkname && { linkname: shortened(linkname) }),
    uid: Math.min(uid, MAX_ID),
    gid: Math.min(gid, MAX_ID),
  };
  // Between two entries, which come one after the other.
  archive.push(paxEntry(records));
  return short;
}

/** Something that fits; a folder's keeps its mark. */
function shortened(name: string): string {
  const plain = name.replace(/[^ -~]/g, '_');
  return plain.length <= 100 ? plain : plain.slice(-100).replace(/^\/+/, '');
}

/** A file that shrinks while it is read must not break the archive: the rest is zeros. */
function padded(size: number): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    let left = size;
    for await (const chunk of source) {
      left -= chunk.length;
      yield chunk;
    }
    while (left > 0) {
      const zeros = Buffer.alloc(Math.min(left, 64 << 10));
      left -= zeros.length;
      yield zeros;
    }
  };
}

/** A file without bytes must be ended by hand; everything else has no body to end. */
function entry(archive: Pack, header: EntryHeader, isFile = false): Promise<void> {
  const described = isFile ? header : describe(archive, header, new Map());
  return new Promise((resolve, reject) => {
    const sink = archive.entry(described, (error) => (error ? reject(error) : resolve()));
    if (isFile) sink.end(Buffer.alloc(0));
  });
}

function headerOf(stat: Stats, name: string): EntryHeader {
  return { name, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: stat.mtime };
}
