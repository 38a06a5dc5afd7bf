import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { WriteIntent } from '../logs/index.ts';
import type { OutputName } from '../streams/index.ts';

/** What was about to happen to the log when it was written down. */
export interface Pending extends Pick<WriteIntent, 'inode' | 'size' | 'done'> {
  readonly stream: OutputName;
  /** Bytes that wait in the stream's holding pipe; fewer mean that it has happened. */
  readonly held: number;
  /** The beginning of a line that is left over afterwards; base64. */
  readonly carry: string;
}

interface Stored {
  /** Beginnings of lines, read and in no log yet; base64. */
  readonly carry: Readonly<Record<OutputName, string>>;
  readonly pending?: Pending;
}

const SLOT_BYTES = 128 << 10;
const HEADER_BYTES = 12;

/**
 * What is known of a run's output beyond its log, on disk so that it outlives the process: two slots, written in turn and
 * told apart by number and checksum, so that one of them is always whole.
 */
export class OutputJournal {
  readonly #fd: number;
  #sequence = 0;
  #stored: Stored = { carry: { stdout: '', stderr: '' } };

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    for (const slot of [0, 1]) {
      const found = this.#read(slot);
      if (!found || found.sequence <= this.#sequence) continue;
      this.#sequence = found.sequence;
      this.#stored = found.stored;
    }
  }

  get pending(): Pending | undefined {
    return this.#stored.pending;
  }

  carry(stream: OutputName): Buffer {
    return Buffer.from(this.#stored.carry[stream], 'base64');
  }

  /** What is about to happen. */
  intend(pending: Pending): void {
    this.#write({ carry: this.#stored.carry, pending });
  }

  /** It has happened; the rest of it is carried on. Writes nothing when nothing was announced. */
  confirm(): void {
    const { carry, pending } = this.#stored;
    if (pending) this.#write({ carry: { ...carry, [pending.stream]: pending.carry } });
  }

  /** It has not, and will be announced again. */
  forget(): void {
    if (this.#stored.pending) this.#write({ carry: this.#stored.carry });
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(stored: Stored): void {
    this.#stored = stored;
    this.#sequence += 1;
    const payload = Buffer.from(JSON.stringify(stored));
    const slot = Buffer.alloc(HEADER_BYTES + payload.length);
    slot.writeUInt32LE(this.#sequence, 0);
    slot.writeUInt32LE(payload.length, 4);
    slot.writeUInt32LE(crc32(payload, this.#sequence), 8);
    slot.set(payload, HEADER_BYTES);
    writeSync(this.#fd, slot, 0, slot.length, (this.#sequence % 2) * SLOT_BYTES);
  }

  #read(slot: number): { readonly sequence: number; readonly stored: Stored } | undefined {
    const header = Buffer.alloc(HEADER_BYTES);
    if (readSync(this.#fd, header, 0, HEADER_BYTES, slot * SLOT_BYTES) < HEADER_BYTES) return undefined;
    const sequence = header.readUInt32LE(0);
    const payload = Buffer.alloc(Math.min(header.readUInt32LE(4), SLOT_BYTES));
    readSync(this.#fd, payload, 0, payload.length, slot * SLOT_BYTES + HEADER_BYTES);
    if (sequence === 0 || crc32(payload, sequence) !== header.readUInt32LE(8)) return undefined;
    return { sequence, stored: JSON.parse(payload.toString()) as Stored };
  }
}
