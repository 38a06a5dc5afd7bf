import { internal } from '../../../base/index.ts';
import { NLA_F_NESTED, NLA_TYPE_MASK, NLM_F_ACK } from './constants.ts';

// Netlink is in host byte order; every machine Node runs on under Linux that we ship for is little-endian.
const LITTLE = true;

export const HEADER_LENGTH = 16;

const align = (length: number): number => (length + 3) & ~3;

/** Builds one netlink message: a header, a fixed family header, attributes. Grows as needed. */
export class MessageWriter {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = HEADER_LENGTH;

  constructor(type: number, flags: number) {
    this.#view.setUint16(4, type, LITTLE);
    this.#view.setUint16(6, flags, LITTLE);
  }

  /** Appends raw bytes, padded to four: the family header. */
  raw(bytes: Uint8Array): this {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  bytes(type: number, value: Uint8Array): this {
    const at = this.#attribute(type, value.length);
    this.#bytes.set(value, at);
    return this;
  }

  u8(type: number, value: number): this {
    this.#view.setUint8(this.#attribute(type, 1), value);
    return this;
  }

  u16(type: number, value: number): this {
    this.#view.setUint16(this.#attribute(type, 2), value, LITTLE);
    return this;
  }

  /** Network byte order, as ports are. */
  u16be(type: number, value: number): this {
    this.#view.setUint16(this.#attribute(type, 2), value);
    return this;
  }

  u32(type: number, value: number): this {
    this.#view.setUint32(this.#attribute(type, 4), value, LITTLE);
    return this;
  }

  /** NUL-terminated text. */
  text(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  /** An attribute that holds what `fill` appends. */
  nest(type: number, fill: () => void): this {
    const start = this.#take(4);
    fill();
    this.#view.setUint16(start, this.#length - start, LITTLE);
    this.#view.setUint16(start + 2, type | NLA_F_NESTED, LITTLE);
    return this;
  }

  wantAcknowledgement(): void {
    this.#view.setUint16(6, this.#view.getUint16(6, LITTLE) | NLM_F_ACK, LITTLE);
  }

  /** The finished message, of a length that is a multiple of four; the writer may go on to be used for nothing else. */
  finish(sequence: number): Uint8Array {
    this.#view.setUint32(0, this.#length, LITTLE);
    this.#view.setUint32(8, sequence, LITTLE);
    return this.#bytes.subarray(0, this.#length);
  }

  #attribute(type: number, length: number): number {
    const at = this.#take(4 + length);
    this.#view.setUint16(at, 4 + length, LITTLE);
    this.#view.setUint16(at + 2, type, LITTLE);
    return at + 4;
  }

  #take(length: number): number {
    const at = this.#length;
    const end = at + align(length);
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }
}

/** One received message; `body` starts behind the netlink header and shares memory with the receive buffer. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Of the socket that asked; 0: the kernel itself. */
  readonly portId: number;
  readonly body: Uint8Array;
}

export function readMessages(bytes: Uint8Array): Message[] {
  const view = viewOf(bytes);
  const messages: Message[] = [];
  for (let at = 0; at + HEADER_LENGTH <= bytes.length; ) {
    const length = view.getUint32(at, LITTLE);
    if (length < HEADER_LENGTH || at + length > bytes.length) {
      throw internal(
        'bad_netlink_message',
        `cannot read netlink message: length ${length} at ${at} of ${bytes.length}`,
      );
    }
    messages.push({
      type: view.getUint16(at + 4, LITTLE),
      flags: view.getUint16(at + 6, LITTLE),
      sequence: view.getUint32(at + 8, LITTLE),
      portId: view.getUint32(at + 12, LITTLE),
      body: bytes.subarray(at + HEADER_LENGTH, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** The attributes from `offset` on. Of repeated ones the last counts; {@link listAttributes} keeps all. */
export function readAttributes(bytes: Uint8Array, offset = 0): Attributes {
  const places = new Map<number, number>();
  walk(bytes, offset, (type, at) => places.set(type, at));
  return new Attributes(bytes, places);
}

export function listAttributes(bytes: Uint8Array, offset = 0): [type: number, value: Uint8Array][] {
  const found: [number, Uint8Array][] = [];
  walk(bytes, offset, (type, at) => found.push([type, valueAt(bytes, at)]));
  return found;
}

/** Tells each attribute's type and where its header is; all of it lies within the bytes. */
function walk(bytes: Uint8Array, offset: number, tell: (type: number, at: number) => void): void {
  for (let at = offset; at + 4 <= bytes.length; ) {
    const length = u16At(bytes, at);
    if (length < 4 || at + length > bytes.length) break;
    tell(u16At(bytes, at + 2) & NLA_TYPE_MASK, at);
    at += align(length);
  }
}

function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function valueAt(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + 4, at + u16At(bytes, at));
}

/**
 * Attributes by type, cut out only when they are asked for: a link has some sixty, of which few are. A reader answers undefined when
 * the attribute is missing or too short.
 */
export class Attributes {
  readonly #bytes: Uint8Array;
  readonly #places: ReadonlyMap<number, number>;

  constructor(bytes: Uint8Array, places: ReadonlyMap<number, number>) {
    this.#bytes = bytes;
    this.#places = places;
  }

  bytes(type: number): Uint8Array | undefined {
    const at = this.#places.get(type);
    return at === undefined ? undefined : valueAt(this.#bytes, at);
  }

  u8(type: number): number | undefined {
    return this.bytes(type)?.[0];
  }

  u16(type: number): number | undefined {
    const view = this.#view(type, 2);
    return view?.getUint16(0, LITTLE);
  }

  u16be(type: number): number | undefined {
    return this.#view(type, 2)?.getUint16(0);
  }

  u32(type: number): number | undefined {
    return this.#view(type, 4)?.getUint32(0, LITTLE);
  }

  i32(type: number): number | undefined {
    return this.#view(type, 4)?.getInt32(0, LITTLE);
  }

  text(type: number): string | undefined {
    const value = this.bytes(type);
    return value === undefined ? undefined : textOf(value);
  }

  nested(type: number): Attributes | undefined {
    const value = this.bytes(type);
    return value === undefined ? undefined : readAttributes(value);
  }

  #view(type: number, length: number): DataView | undefined {
    const value = this.bytes(type);
    return value === undefined || value.length < length ? undefined : viewOf(value);
  }
}

export function textOf(value: Uint8Array): string {
  const end = value.indexOf(0);
  return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString();
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Packs fixed headers: pairs of [size in bytes, value], little-endian; negative values are two's complement. */
export function pack(...fields: readonly (readonly [size: 1 | 2 | 4, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((length, [size]) => length + size, 0));
  const view = viewOf(bytes);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, LITTLE);
    else view.setInt32(at, value, LITTLE);
    at += size;
  }
  return bytes;
}
