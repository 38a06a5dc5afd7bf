import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { extract, pack } from 'tar-stream';
import { decodePax, encodePax, PaxTap, paxEntry } from './pax.ts';

const BINARY = Buffer.from([1, 0, 0, 2, 0xff, 0x0a, 0x3d, 0x80]);

/** One entry as tar-stream writes it. */
async function entry(header: { readonly name: string; readonly type?: 'directory' }, text = ''): Promise<Buffer> {
  const tar = pack();
  if (header.type) tar.entry(header);
  else tar.entry(header, text);
  tar.finalize();
  return Buffer.concat(await Array.fromAsync(tar as AsyncIterable<Buffer>)).subarray(0, -1024);
}

/** The bytes of an archive whose second and fourth entries have records of ours. */
async function archive(): Promise<Buffer> {
  const owner = { uid: Buffer.from('3000000'), path: Buffer.from('fourth') };
  return Buffer.concat([
    await entry({ name: 'first' }, 'one'),
    paxEntry(new Map([['SCHILY.xattr.a', BINARY]])),
    await entry({ name: 'second' }, 'x'.repeat(1500)),
    await entry({ name: 'x'.repeat(300), type: 'directory' }),
    paxEntry(new Map(Object.entries(owner))),
    await entry({ name: 'short' }),
    Buffer.alloc(1024),
  ]);
}

async function readBack(bytes: Buffer, piece: number): Promise<Record<string, Record<string, string>>> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece));
  const tap = new PaxTap();
  const source = extract();
  Readable.from(pieces)
    .pipe(tap)
    .pipe(source as unknown as NodeJS.WritableStream);
  const found: Record<string, Record<string, string>> = {};
  for await (const item of source) {
    const header = item.header as typeof item.header & { readonly byteOffset: number };
    const records = [...(tap.recordsAt(header.byteOffset) ?? [])];
    found[header.name.slice(0, 10)] = Object.fromEntries(records.map(([key, value]) => [key, value.toString('hex')]));
    item.resume();
  }
  return found;
}

describe('extended headers of archives', () => {
  it('hold bytes of every kind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1200 }), (bytes) => {
        const value = Buffer.from(bytes);
        assert.deepEqual(decodePax(encodePax(new Map([['a.b', value]]))), new Map([['a.b', value]]));
      }),
    );
    assert.equal(encodePax(new Map([['path', Buffer.from('a/b')]])).toString(), '12 path=a/b\n');
  });

  it('end where they make no sense', () => {
    for (const wrong of ['', 'x', '5', '99 a=b\n', '0 a=b\n', '-3 a=b\n', '6 ab\n\n', ' =']) {
      assert.deepEqual(decodePax(Buffer.from(wrong)), new Map(), JSON.stringify(wrong));
    }
  });

  it('are found for the entries they belong to, whatever pieces the archive comes in', async () => {
    const bytes = await archive();
    const expected = {
      first: {},
      second: { 'SCHILY.xattr.a': BINARY.toString('hex') },
      ['x'.repeat(10)]: { path: Buffer.from('x'.repeat(300)).toString('hex') },
      fourth: { uid: Buffer.from('3000000').toString('hex'), path: Buffer.from('fourth').toString('hex') },
    };
    for (const piece of [1, 7, 512, 513, 4096, bytes.length]) assert.deepEqual(await readBack(bytes, piece), expected);
  });
});
