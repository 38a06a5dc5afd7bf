import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { FairwayError, invalid, messageOf } from '../../../base/index.ts';
import type { LeasedBlobs } from '../blobs/index.ts';
import { type Compression, decompressed, detectCompression } from './decompress.ts';

/** A file of the archive, in the content store. */
export interface StoredFile {
  readonly digest: string;
  readonly size: number;
  readonly compression: Compression;
}

/** An image archive after one pass: its tables in memory, everything else in the content store by digest. */
export interface StoredArchive {
  readonly tables: ReadonlyMap<string, Buffer>;
  readonly files: ReadonlyMap<string, StoredFile>;
  readonly links: ReadonlyMap<string, string>;
}

const TABLES = new Set(['manifest.json', 'index.json', 'oci-layout']);
const TABLE_MAX = 8 << 20;
const ENTRIES_MAX = 100_000;

/** Files of older `docker save` formats that say nothing new. */
const IGNORED = /(?:^|\/)(?:VERSION|repositories|json)$/;

const BLOB_PATH = /^blobs\/sha256\/([0-9a-f]{64})$/;

/**
 * Reads an archive, compressed or not, in one pass. Names in it are only keys of a table: nothing is ever written to a
 * path that an archive names.
 */
export async function readArchive(
  source: AsyncIterable<Uint8Array>,
  blobs: LeasedBlobs,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<StoredArchive> {
  const tables = new Map<string, Buffer>();
  const files = new Map<string, StoredFile>();
  const links = new Map<string, string>();
  const tar = extract();
  const feeding = pipeline(Readable.from(await decompressed(source), { objectMode: false }), tar);
  feeding.catch(() => {});
  let entries = 0;
  try {
    for await (const entry of tar) {
      options.signal?.throwIfAborted();
      entries += 1;
      if (entries > ENTRIES_MAX) throw invalid('invalid_archive', 'cannot load archive: it has too many entries');
      const body = entry as AsyncIterable<Buffer>;
      const path = normal(entry.header.name);
      if (entry.header.type === 'file' && TABLES.has(path)) tables.set(path, await table(path, body));
      else if (isStored(entry.header, path)) files.set(path, await store(path, body, blobs, options.signal));
      else {
        keepLink(entry.header, path, links);
        for await (const _ of body);
      }
    }
    await feeding;
  } catch (error) {
    tar.destroy();
    if (error instanceof FairwayError || options.signal?.aborted) throw error;
    throw invalid('invalid_archive', `cannot load archive: ${messageOf(error)}`, error);
  }
  return { tables, files, links };
}

/** Where a path of the archive leads, links followed. */
export function storedFile(archive: StoredArchive, path: string): StoredFile | null {
  let at = normal(path);
  for (let hops = 0; hops < 16; hops += 1) {
    const file = archive.files.get(at);
    if (file) return file;
    const next = archive.links.get(at);
    if (next === undefined) return null;
    at = next;
  }
  return null;
}

function normal(path: string): string {
  return posix.normalize(`/${path}`).slice(1).replace(/\/$/, '');
}

function isStored(header: Header, path: string): boolean {
  const regular = header.type === 'file' || header.type === 'contiguous-file';
  return regular && !IGNORED.test(path);
}

function keepLink(header: Header, path: string, links: Map<string, string>): void {
  const target = header.linkname;
  if (!target) return;
  if (header.type === 'symlink') links.set(path, normal(posix.join(posix.dirname(path), target)));
  if (header.type === 'link') links.set(path, normal(target));
}

async function table(path: string, body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > TABLE_MAX) throw invalid('invalid_archive', `cannot load archive: its ${path} is too large`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function store(
  path: string,
  body: AsyncIterable<Buffer>,
  blobs: LeasedBlobs,
  signal: AbortSignal | undefined,
): Promise<StoredFile> {
  const { compression, source } = await detectCompression(body);
  const hex = BLOB_PATH.exec(path)?.[1];
  const written = await blobs.writeStream(source, { signal, ...(hex && { expected: `sha256:${hex}` }) });
  return { ...written, compression };
}
