import type { LogLine } from '../contract.ts';

/** Longer lines are written in parts; only the last one ends with a newline. As Docker does. */
export const LINE_BYTES = 16 << 10;

/** What an entry can need at most: every byte escaped as `\u00XX`, and what stands around it. */
const ESCAPED_BYTES = 6;
const HEAD = Buffer.from('{"log":"');
const NEWLINE = 10;

const PLAIN = 0;
const ESCAPED = 1;
const WIDE = 2;

/** What each byte needs within a JSON string. */
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return WIDE;
  // Docker escapes the three that HTML minds, too.
  return byte < 0x20 || '"\\<>&'.includes(String.fromCharCode(byte)) ? ESCAPED : PLAIN;
});

const ESCAPES: readonly Buffer[] = Array.from({ length: 0x80 }, (_, byte) => {
  const short = new Map([
    [8, '\\b'],
    [9, '\\t'],
    [10, '\\n'],
    [12, '\\f'],
    [13, '\\r'],
    [34, '\\"'],
    [92, '\\\\'],
  ]).get(byte);
  return Buffer.from(short ?? `\\u${byte.toString(16).padStart(4, '0')}`);
});
const REPLACEMENT = Buffer.from('\\ufffd');

/** How entries end: their stream, the attributes of the container, the moment they were read. */
export function entryTail(stream: LogLine['stream'], time: string, attributes?: string): Buffer {
  const attrs = attributes === undefined ? '' : `,"attrs":${attributes}`;
  return Buffer.from(`","stream":"${stream}"${attrs},"time":"${time}"}\n`);
}

export interface EncodeOptions {
  /** Where in the source to begin. */
  readonly from: number;
  readonly tail: Buffer;
  /** A last line without a newline is an entry too. */
  readonly final: boolean;
  /** Stops after the entry that reaches so many bytes. */
  readonly limit: number;
}

/** How many bytes must be free in the target for one more entry. */
export function entryBytes(tail: Buffer): number {
  return HEAD.length + LINE_BYTES * ESCAPED_BYTES + tail.length;
}

/**
 * Makes entries of Docker's `json-file` format of the lines in `source`, byte by byte and into `target`, until one of them
 * is used up. Bytes that are no UTF-8 become U+FFFD. Lines longer than 16 KiB are cut, between characters.
 */
export function encodeEntries(
  source: Uint8Array,
  target: Buffer,
  { from, tail, final, limit }: EncodeOptions,
): { readonly consumed: number; readonly written: number } {
  const worst = entryBytes(tail);
  let at = from;
  let out = 0;
  while (at < source.length && out < limit && target.length - out >= worst) {
    const end = lineEnd(source, at, final);
    if (end < 0) break;
    target.set(HEAD, out);
    out = encodeText(source, at, end, target, out + HEAD.length);
    target.set(tail, out);
    out += tail.length;
    at = end;
  }
  return { consumed: at - from, written: out };
}

/** Whether there is an entry to be made of what begins at `at`. */
export function hasEntry(source: Uint8Array, at: number, final: boolean): boolean {
  return at < source.length && lineEnd(source, at, final) >= 0;
}

/** Where the entry that begins at `at` ends; -1: its newline has not come yet. */
function lineEnd(source: Uint8Array, at: number, final: boolean): number {
  const newline = source.indexOf(NEWLINE, at);
  if (newline >= 0 && newline - at < LINE_BYTES) return newline + 1;
  if (source.length - at >= LINE_BYTES) return at + LINE_BYTES - cutCharacter(source, at + LINE_BYTES);
  return final ? source.length : -1;
}

/** How many bytes before `end` belong to a character that goes on behind it. */
function cutCharacter(source: Uint8Array, end: number): number {
  for (let back = 1; back <= 3; back += 1) {
    const byte = source[end - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    return sequenceLength(byte) > back ? back : 0;
  }
  return 0;
}

function encodeText(source: Uint8Array, from: number, end: number, target: Buffer, start: number): number {
  let at = from;
  let out = start;
  while (at < end) {
    const begin = at;
    while (at < end && KINDS[source[at] as number] === PLAIN) at += 1;
    out = copy(source, begin, at, target, out);
    if (at === end) break;
    const byte = source[at] as number;
    if (byte < 0x80) {
      const written = ESCAPES[byte] as Buffer;
      for (let index = 0; index < written.length; index += 1) target[out + index] = written[index] as number;
      out += written.length;
      at += 1;
      continue;
    }
    const length = characterLength(source, at, end);
    if (length > 0) {
      for (let index = 0; index < length; index += 1) target[out + index] = source[at + index] as number;
      out += length;
      at += length;
    } else {
      target.set(REPLACEMENT, out);
      out += REPLACEMENT.length;
      at += 1;
    }
  }
  return out;
}

/** Below this a loop is faster than a call. */
const SHORT_BYTES = 48;

function copy(source: Uint8Array, from: number, end: number, target: Buffer, out: number): number {
  const length = end - from;
  if (length > SHORT_BYTES) target.set(source.subarray(from, end), out);
  else for (let index = 0; index < length; index += 1) target[out + index] = source[from + index] as number;
  return out + length;
}

function sequenceLength(lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

/** The length of the UTF-8 sequence at `at`; 0 when it is none (overlong, a surrogate, cut). */
function characterLength(source: Uint8Array, at: number, end: number): number {
  const lead = source[at] as number;
  const length = sequenceLength(lead);
  if (length === 1 || at + length > end) return 0;
  const second = source[at + 1] as number;
  if (second < (lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80)) return 0;
  if (second > (lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf)) return 0;
  for (let index = 2; index < length; index += 1) {
    const byte = source[at + index] as number;
    if (byte < 0x80 || byte > 0xbf) return 0;
  }
  return length;
}
