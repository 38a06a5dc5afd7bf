import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { invalid } from '../../../base/index.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

const MAGIC: readonly (readonly [string, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
];
const MAGIC_BYTES = 5;

/** Looks at the beginning of a stream without taking it away. Refuses formats that we cannot read. */
export async function detectCompression(
  source: AsyncIterable<Uint8Array>,
): Promise<{ compression: Compression; source: AsyncIterable<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Buffer[] = [];
  let size = 0;
  let ended = false;
  while (size < MAGIC_BYTES && !ended) {
    const { value, done } = await iterator.next();
    if (done) ended = true;
    else {
      head.push(Buffer.from(value));
      size += value.length;
    }
  }
  const start = Buffer.concat(head);
  const found = MAGIC.find(([, bytes]) => bytes.every((byte, index) => start[index] === byte))?.[0] ?? 'none';
  if (found !== 'none' && found !== 'gzip' && found !== 'zstd') {
    await iterator.return?.();
    throw invalid('unsupported_compression', `cannot read archive: ${found} compression is not supported`);
  }
  return { compression: found, source: joined(start, iterator, ended) };
}

async function* joined(
  start: Buffer,
  iterator: AsyncIterator<Uint8Array>,
  ended: boolean,
): AsyncGenerator<Buffer, void, undefined> {
  let finished = ended;
  try {
    if (start.length > 0) yield start;
    while (!finished) {
      const { value, done } = await iterator.next();
      if (done) finished = true;
      else yield Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  } finally {
    if (!finished) await iterator.return?.();
  }
}

/** The stream without its compression, whichever of ours it has. */
export async function decompressed(source: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Buffer>> {
  const { compression, source: whole } = await detectCompression(source);
  if (compression === 'none') return whole;
  return through(whole, compression === 'gzip' ? createGunzip() : createZstdDecompress(), compression);
}

async function* through(
  source: AsyncIterable<Buffer>,
  transform: Transform,
  compression: string,
): AsyncGenerator<Buffer, void, undefined> {
  const fed = pipeline(Readable.from(source, { objectMode: false }), transform);
  // The loop below hears of the same failure; this keeps it from being nobody's.
  fed.catch(() => {});
  try {
    for await (const chunk of transform) yield chunk as Buffer;
  } catch (error) {
    throw invalid('corrupt_archive', `cannot read archive: its ${compression} compression is damaged`, error);
  }
  await fed;
}
