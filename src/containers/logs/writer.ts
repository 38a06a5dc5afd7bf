import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, Emitter, type Log, messageOf, rfc3339Nano } from '../../base/index.ts';
import type { LogLine } from '../contract.ts';
import { encodeEntries, entryBytes, entryTail, hasEntry } from './encoder.ts';
import type { LogSettings } from './options.ts';
import { LogFiles } from './rotation.ts';

/** Entries are encoded into blocks of this size; a block is one write. */
const BLOCK_BYTES = 1 << 20;
/** Blocks that wait for their next use, whoever had them. */
const spare: Buffer[] = [];
const MAX_SPARE = 2;

export interface LogWriterDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/** Where a reader has to begin to see only what comes later. */
export interface LogPosition {
  readonly generation: number;
  readonly offset: number;
}

/** Said before anything is written, so that it can be taken back: what was in the file, and how much of the data. */
export interface WriteIntent {
  readonly inode: number;
  readonly size: number;
  /** Bytes of the data whose entries are in the log already. */
  readonly done: number;
  /** Where the line begins that will be left over when all is written; absent while that is not known. */
  readonly rest: number | undefined;
}

export interface WriteOptions {
  /** A last line without a newline is written too. */
  readonly final?: boolean;
  /** Bytes of the data that are in the log already. */
  readonly done?: number;
  readonly intend?: (intent: WriteIntent) => void;
}

/**
 * Writes a container's log and keeps it within its limits: `path`, then `path.1`, `path.2` … the older. Keeps nothing of
 * what it is given: whoever has lines that are not complete brings them again. Writes happen off the main thread, one call
 * of {@link write} after the other; renaming is synchronous, so that a reader in this process never sees half of it.
 */
export class LogWriter {
  readonly path: string;
  /** Something was written, rotated or closed. */
  readonly changed = new Emitter<void>();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #settings: LogSettings;
  readonly #files: LogFiles;
  #fd = -1;
  #inode = 0;
  #size = 0;
  #generation = 0;
  #closed = false;

  constructor(deps: LogWriterDeps, path: string, settings: LogSettings) {
    this.path = path;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#settings = settings;
    this.#files = new LogFiles({ log: deps.log }, path, settings);
    if (settings.driver === 'none') return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    this.#open();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How many rotations there have been since this writer was made. */
  get generation(): number {
    return this.#generation;
  }

  get position(): LogPosition {
    return { generation: this.#generation, offset: this.#size };
  }

  /**
   * Resolves when the complete lines of `data` are in the file, and says how many bytes these are. What cannot be written
   * is lost, and said so in our own log.
   */
  async write(stream: LogLine['stream'], data: Uint8Array, options: WriteOptions = {}): Promise<number> {
    if (this.#fd < 0) return data.length;
    const { final = false, intend } = options;
    const tail = entryTail(stream, rfc3339Nano(this.#clock.nowNanos()), this.#settings.attributes);
    const block = spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES + entryBytes(tail));
    let done = options.done ?? 0;
    try {
      for (;;) {
        if (this.#size >= this.#settings.maxSize) await this.#rotate();
        const limit = Math.min(BLOCK_BYTES, this.#settings.maxSize - this.#size);
        const { consumed, written } = encodeEntries(data, block, { from: done, tail, final, limit });
        if (consumed === 0) return done;
        const next = done + consumed;
        const isLast = !hasEntry(data, next, final);
        intend?.({ inode: this.#inode, size: this.#size, done, rest: isLast ? next : undefined });
        await this.#append(block.subarray(0, written));
        done = next;
        if (isLast) return done;
      }
    } finally {
      if (spare.length < MAX_SPARE) spare.push(block);
    }
  }

  /** Takes back what was written after an intent that its writer did not live to confirm. */
  takeBack({ inode, size }: Pick<WriteIntent, 'inode' | 'size'>): void {
    if (this.#fd < 0 || inode !== this.#inode || size >= this.#size) return;
    ftruncateSync(this.#fd, size);
    this.#size = size;
  }

  /** To be called when no write is under way. Repeatable. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.changed.emit();
  }

  #open(): void {
    this.#fd = openSync(this.path, 'a', 0o640);
    const { ino, size } = fstatSync(this.#fd);
    this.#inode = ino;
    this.#size = size;
  }

  async #append(entries: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#fd, entries);
      this.#size += entries.length;
    } catch (error) {
      this.#log.warn({ path: this.path, reason: messageOf(error) }, 'log lines are lost');
      // Half an entry would spoil the next one.
      ftruncateSync(this.#fd, this.#size);
    }
    this.changed.emit();
  }

  async #rotate(): Promise<void> {
    await this.#files.settled;
    closeSync(this.#fd);
    this.#files.shift();
    this.#open();
    this.#generation += 1;
  }
}

function writeAll(fd: number, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (at: number): void => {
      write(fd, data, at, data.length - at, null, (error, count) => {
        if (error) reject(error);
        else if (at + count < data.length) step(at + count);
        else resolve();
      });
    };
    step(0);
  });
}
