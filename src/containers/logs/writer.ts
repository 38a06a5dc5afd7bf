import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, Emitter, type Log, messageOf, rfc3339Nano } from '../../base/index.ts';
import type { LogLine } from '../contract.ts';
import { encodeEntry } from './entry.ts';
import type { LogSettings } from './options.ts';

/** Longer lines are written in parts; only the last one ends with a newline. As Docker does. */
const LINE_BYTES = 16 << 10;
/** So much may wait for the disk before the source is asked to pause. */
const PENDING_BYTES = 4 << 20;

export interface LogWriterDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/** Where a reader has to begin to see only what comes later. */
export interface LogPosition {
  readonly generation: number;
  readonly offset: number;
}

/**
 * Writes a container's log and keeps it within its limits: `path`, then `path.1`, `path.2` … the older. Writes happen in
 * order and off the main thread; renaming is synchronous, so that a reader in this process never sees half of it.
 */
export class LogWriter {
  readonly path: string;
  /** Something was written, rotated or closed. */
  readonly changed = new Emitter<void>();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #settings: LogSettings;
  readonly #partial: Record<LogLine['stream'], Buffer[]> = { stdout: [], stderr: [] };
  readonly #partialBytes: Record<LogLine['stream'], number> = { stdout: 0, stderr: 0 };
  #fd = -1;
  #size = 0;
  #generation = 0;
  #queue: string[] = [];
  #pending = 0;
  #writing = false;
  #closed = false;
  readonly #ready: (() => void)[] = [];

  constructor(deps: LogWriterDeps, path: string, settings: LogSettings) {
    this.path = path;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#settings = settings;
    if (settings.driver === 'none') return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    this.#fd = openSync(path, 'a', 0o640);
    this.#size = fstatSync(this.#fd).size;
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

  /** Nothing waits to be written. */
  get idle(): boolean {
    return !this.#writing && this.#queue.length === 0;
  }

  /** False: pause until {@link whenReady}. */
  accept(stream: LogLine['stream'], chunk: Buffer): boolean {
    if (this.#fd < 0) return true;
    const time = rfc3339Nano(this.#clock.nowNanos());
    let at = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, at)) {
      this.#line(stream, chunk.subarray(at, end + 1), time);
      at = end + 1;
    }
    if (at < chunk.length) this.#keep(stream, chunk.subarray(at), time);
    void this.#drain();
    return this.#pending < PENDING_BYTES;
  }

  whenReady(callback: () => void): void {
    if (this.idle) callback();
    else this.#ready.push(callback);
  }

  /** Resolves when all that was accepted is in the file. */
  flush(): Promise<void> {
    return new Promise((resolve) => this.whenReady(resolve));
  }

  /** Writes what has no newline yet, and ends. Repeatable. */
  async close(): Promise<void> {
    if (this.#closed) return;
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#partialBytes[stream] > 0) this.#line(stream, Buffer.alloc(0), rfc3339Nano(this.#clock.nowNanos()));
    }
    void this.#drain();
    await this.flush();
    this.#closed = true;
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.changed.emit();
  }

  #keep(stream: LogLine['stream'], rest: Buffer, time: string): void {
    let part = rest;
    while (this.#partialBytes[stream] + part.length >= LINE_BYTES) {
      const room = LINE_BYTES - this.#partialBytes[stream];
      this.#line(stream, part.subarray(0, room), time);
      part = part.subarray(room);
    }
    if (part.length === 0) return;
    // A copy: the chunk's memory is reused by nobody, but a small rest must not keep a large chunk alive.
    this.#partial[stream].push(Buffer.from(part));
    this.#partialBytes[stream] += part.length;
  }

  #line(stream: LogLine['stream'], end: Buffer, time: string): void {
    let data = end;
    if (this.#partialBytes[stream] > 0) {
      data = Buffer.concat([...this.#partial[stream], end]);
      this.#partial[stream] = [];
      this.#partialBytes[stream] = 0;
    }
    for (let at = 0; at < data.length; at += LINE_BYTES) {
      const entry = encodeEntry(stream, data.subarray(at, at + LINE_BYTES), time);
      this.#queue.push(entry);
      this.#pending += entry.length;
    }
  }

  async #drain(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      while (this.#queue.length > 0) await this.#writeBatch();
    } catch (error) {
      this.#log.warn({ path: this.path, reason: messageOf(error) }, 'log lines are lost');
      this.#queue = [];
    }
    this.#pending = 0;
    this.#writing = false;
    this.changed.emit();
    for (const ready of this.#ready.splice(0)) ready();
  }

  /** As many entries at once as fit into the file. */
  async #writeBatch(): Promise<void> {
    if (this.#size >= this.#settings.maxSize) this.#rotate();
    const { maxSize } = this.#settings;
    let take = this.#queue.length;
    if (Number.isFinite(maxSize)) {
      let bytes = this.#size;
      take = 0;
      while (take < this.#queue.length && (take === 0 || bytes < maxSize)) {
        bytes += Buffer.byteLength(this.#queue[take] ?? '');
        take += 1;
      }
    }
    const batch = Buffer.from(this.#queue.splice(0, take).join(''));
    await writeAll(this.#fd, batch);
    this.#size += batch.length;
    this.changed.emit();
  }

  #rotate(): void {
    const { maxFiles } = this.#settings;
    closeSync(this.#fd);
    if (maxFiles === 1) rmSync(this.path, { force: true });
    else {
      for (let number = maxFiles - 1; number > 0; number -= 1) {
        const from = number === 1 ? this.path : `${this.path}.${number - 1}`;
        try {
          renameSync(from, `${this.path}.${number}`);
        } catch {
          // Not so many files yet.
        }
      }
    }
    this.#fd = openSync(this.path, 'a', 0o640);
    this.#size = 0;
    this.#generation += 1;
  }
}

function writeAll(fd: number, data: Buffer): Promise<void> {
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
