import { Transform, type TransformCallback } from 'node:stream';

/** Of an entry, what tar's classic header has no room for. Values are bytes: attributes are not text. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

/** Before the name of an extended attribute. */
export const XATTR = 'SCHILY.xattr.';

const BLOCK = 512;
/** As tar-stream: larger ones are nobody's honest header. */
const MAX_RECORDS = 4 << 20;
const [SIZE_AT, TYPE_AT] = [124, 156];
const [EXTENDED, GLOBAL, LONG_NAME, LONG_LINK, OLD_LONG_NAME] = ['x', 'g', 'L', 'K', 'N'];

/** POSIX.1-2001's records: `LENGTH KEY=VALUE\n`, the length counting itself. */
export function encodePax(records: PaxRecords): Buffer {
  return Buffer.concat(
    [...records].map(([key, value]) => {
      const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
      let length = rest.length;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return Buffer.concat([Buffer.from(String(length)), rest]);
    }),
  );
}

/** The records as an entry of an archive, to stand before the one that they describe. */
export function paxEntry(records: PaxRecords): Buffer {
  const body = encodePax(records);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  for (const [at, text] of [
    [0, 'PaxHeader'],
    [100, octal(0o644, 7)],
    [108, octal(0, 7)],
    [116, octal(0, 7)],
    [SIZE_AT, octal(body.length, 11)],
    [136, octal(0, 11)],
    // The checksum is made with blanks in its own place.
    [148, ' '.repeat(8)],
    [TYPE_AT, EXTENDED],
    [257, 'ustar\x0000'],
  ] as const) {
    header.write(text, at, 'latin1');
  }
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)} `, 148, 'latin1');
  return Buffer.concat([header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)]);
}

/** What cannot be read ends the list, as in tar-stream, which reads the same bytes. */
export function decodePax(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let rest = bytes; rest.length > 0; ) {
    const space = rest.indexOf(' ');
    const length = Number.parseInt(rest.subarray(0, Math.max(space, 0)).toString(), 10);
    const equals = rest.indexOf('=');
    if (!(length > 0) || length > rest.length || equals < space || equals >= length) break;
    records.set(rest.subarray(space + 1, equals).toString(), rest.subarray(equals + 1, length - 1));
    rest = rest.subarray(length);
  }
  return records;
}

/**
 * Passes an archive on as it is and remembers the extended headers in it as bytes, by the offset of the content of the entry
 * they belong to: what tar-stream calls `byteOffset`. tar-stream itself takes them for text.
 */
export class PaxTap extends Transform {
  readonly #found = new Map<number, PaxRecords>();
  #offset = 0;
  /** Of the present header or body, as far as it is here. */
  #pending: Buffer[] = [];
  #have = 0;
  /** Bytes of a body that still come, and whether they are kept. */
  #body: { left: number; readonly size: number; readonly keep: boolean } | undefined;
  #next: Map<string, Buffer> = new Map();

  /** Undefined when the entry has none. To be asked once. */
  recordsAt(byteOffset: number): PaxRecords | undefined {
    const records = this.#found.get(byteOffset);
    this.#found.delete(byteOffset);
    return records;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#body ? this.#intoBody(this.#body, rest) : this.#intoHeader(rest);
    done(null, chunk);
  }

  #intoHeader(chunk: Buffer): Buffer {
    const part = this.#keep(chunk, BLOCK - this.#have);
    if (this.#have === BLOCK) this.#header(this.#takePending());
    return chunk.subarray(part);
  }

  #intoBody(body: { left: number; readonly size: number; readonly keep: boolean }, chunk: Buffer): Buffer {
    const part = body.keep ? this.#keep(chunk, body.left) : Math.min(chunk.length, body.left);
    if (!body.keep) this.#offset += part;
    body.left -= part;
    if (body.left === 0) {
      this.#body = undefined;
      if (body.keep) this.#next = decodePax(this.#takePending().subarray(0, body.size));
    }
    return chunk.subarray(part);
  }

  #header(block: Buffer): void {
    const type = String.fromCharCode(block[TYPE_AT] ?? 0);
    // Two empty blocks end an archive; whatever comes then is no concern of ours.
    if (block.every((byte) => byte === 0)) return;
    let size = sizeIn(block.subarray(SIZE_AT, SIZE_AT + 12));
    const extended = type === EXTENDED;
    const describes = extended || [GLOBAL, LONG_NAME, LONG_LINK, OLD_LONG_NAME].includes(type);
    if (!describes) {
      const own = Number.parseInt(this.#next.get('size')?.toString() ?? '', 10);
      if (own > 0) size = own;
      if (this.#next.size > 0) this.#found.set(this.#offset, this.#next);
      this.#next = new Map();
    }
    // What tar-stream refuses it refuses for both of us.
    const keep = extended && size <= MAX_RECORDS;
    // A folder has no body, whatever it says; old programs know one by its name alone.
    const named = ['0', '\0'].includes(type) && /^[^\0]*\/(\0|$)/.test(block.subarray(0, 100).toString('latin1'));
    const length = type === '5' || named || !(size > 0) ? 0 : size + ((BLOCK - (size % BLOCK)) % BLOCK);
    if (length > 0) this.#body = { left: length, size, keep };
  }

  #keep(chunk: Buffer, most: number): number {
    const part = chunk.subarray(0, most);
    this.#pending.push(part);
    this.#have += part.length;
    this.#offset += part.length;
    return part.length;
  }

  #takePending(): Buffer {
    const all = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#have = 0;
    return all;
  }
}

/** Octal digits, or a number of base 256 with the highest bit set, as GNU tar writes large ones. */
function sizeIn(field: Buffer): number {
  const first = field[0] ?? 0;
  if (first & 0x80) return Number(BigInt(`0x${field.subarray(1).toString('hex')}`));
  return Number.parseInt(field.toString('latin1').replace(/\0.*$/, '').trim(), 8);
}
