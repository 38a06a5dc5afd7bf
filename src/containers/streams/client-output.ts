import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { newId } from '../../base/index.ts';

const CHUNK_BYTES = 64 << 10;

export interface ClientOutputOptions {
  /** Where the overflow of slow readers goes. */
  readonly spillFolder: string;
  readonly memoryBytes?: number;
  /** A reader that is further behind than this is let go. */
  readonly spillBytes?: number;
}

/**
 * One client's copy of an output. Never makes the writer wait: what a slow reader has not taken goes from memory to an
 * unlinked file, and from there to the reader, in order.
 */
export class ClientOutput extends Readable {
  readonly #options: ClientOutputOptions;
  readonly #memoryBytes: number;
  readonly #spillBytes: number;
  #spill: Spill | undefined;
  #held: Buffer[] | undefined;
  #ended = false;
  #wanted = false;

  constructor(options: ClientOutputOptions) {
    super({ highWaterMark: CHUNK_BYTES });
    this.#options = options;
    this.#memoryBytes = options.memoryBytes ?? 1 << 20;
    this.#spillBytes = options.spillBytes ?? 1 << 30;
  }

  /** What is offered from now on waits until `before` has been read to its end. */
  async precede(before: AsyncIterable<Buffer>): Promise<void> {
    this.#held = [];
    try {
      for await (const chunk of before) {
        if (this.destroyed) return;
        this.#accept(chunk);
      }
    } finally {
      const held = this.#held;
      this.#held = undefined;
      for (const chunk of held) this.#accept(chunk);
      if (this.#ended) this.#finish();
    }
  }

  offer(chunk: Buffer): void {
    if (this.destroyed || this.#ended) return;
    if (this.#held) this.#held.push(chunk);
    else this.#accept(chunk);
  }

  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#held) this.#finish();
  }

  override _read(): void {
    this.#wanted = true;
    this.#refill();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#spill?.close();
    this.#spill = undefined;
    done(error);
  }

  #accept(chunk: Buffer): void {
    if (this.destroyed) return;
    if (this.#spill) {
      if (this.#spill.pending + chunk.length > this.#spillBytes) {
        this.destroy(new Error('the reader is too far behind'));
        return;
      }
      this.#spill.append(chunk);
      if (this.#wanted) this.#refill();
      return;
    }
    this.#wanted = this.push(chunk);
    if (this.readableLength > this.#memoryBytes) this.#spill = new Spill(this.#options.spillFolder);
  }

  #refill(): void {
    const spill = this.#spill;
    if (!spill) return;
    while (this.#wanted && spill.pending > 0) this.#wanted = this.push(spill.take(CHUNK_BYTES));
    if (spill.pending > 0) return;
    spill.close();
    this.#spill = undefined;
    if (this.#ended && !this.#held) this.push(null);
  }

  #finish(): void {
    if (!this.#spill) this.push(null);
  }
}

class Spill {
  readonly #fd: number;
  #read = 0;
  #written = 0;

  constructor(folder: string) {
    const path = join(folder, `spill-${newId().slice(0, 12)}`);
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    rmSync(path);
  }

  get pending(): number {
    return this.#written - this.#read;
  }

  append(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const count = writeSync(this.#fd, chunk, at, chunk.length - at, this.#written);
      at += count;
      this.#written += count;
    }
  }

  take(limit: number): Buffer {
    const chunk = Buffer.allocUnsafe(Math.min(limit, this.pending));
    const count = readSync(this.#fd, chunk, 0, chunk.length, this.#read);
    this.#read += count;
    return chunk.subarray(0, count);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
