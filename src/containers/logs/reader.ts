import { closeSync, fstatSync, read } from 'node:fs';
import type { LogLine, LogQuery } from '../contract.ts';
import { decodeEntry, nanosOfTime } from './entry.ts';
import { type OpenLog, openLog, unzip } from './rotation.ts';
import type { LogPosition, LogWriter } from './writer.ts';

const BLOCK_BYTES = 64 << 10;

export interface LogSource {
  readonly path: string;
  readonly maxFiles: number;
  /** While the container runs: what makes following possible. */
  readonly writer?: LogWriter | undefined;
}

/** The lines that match, oldest first. Following goes on through rotations and ends when the writer closes. */
export async function* readLog(
  source: LogSource,
  query: Omit<LogQuery, 'stdout' | 'stderr'> & { readonly stdout?: boolean; readonly stderr?: boolean },
  options: { readonly signal?: AbortSignal | undefined; readonly end?: LogPosition } = {},
): AsyncGenerator<LogLine, void, undefined> {
  const reader = new FileChain(source, query.follow ? source.writer : undefined, options.end);
  try {
    await reader.open(query.tail);
    for await (const text of reader.lines(options.signal)) {
      const line = decodeEntry(text);
      if (!line) continue;
      if (query.since !== undefined || query.until !== undefined) {
        const time = nanosOfTime(line.time);
        if (query.since !== undefined && time < query.since) continue;
        if (query.until !== undefined && time > query.until) {
          if (query.follow) return;
          continue;
        }
      }
      if (query[line.stream] !== false) yield line;
    }
  } finally {
    reader.close();
  }
}

/** The files of one log as one sequence of bytes, held open so that a rotation takes nothing away. */
class FileChain {
  readonly #source: LogSource;
  readonly #writer: LogWriter | undefined;
  readonly #end: LogPosition | undefined;
  /** From the oldest to the current one; offsets are where reading goes on. */
  #files: (OpenLog & { offset: number })[] = [];
  /** The writer's generation of the last file in the list. */
  #generation = 0;

  constructor(source: LogSource, writer: LogWriter | undefined, end: LogPosition | undefined) {
    this.#source = source;
    this.#writer = writer;
    this.#end = end;
  }

  /** Opens what there is, at once, and finds where the last `tail` lines begin. */
  async open(tail: number | undefined): Promise<void> {
    this.#append(this.#source.maxFiles);
    this.#generation = this.#writer?.generation ?? 0;
    if (tail !== undefined) await this.#skipToTail(tail);
  }

  close(): void {
    for (const { fd } of this.#files) closeSync(fd);
    this.#files = [];
  }

  async *lines(signal: AbortSignal | undefined): AsyncGenerator<string, void, undefined> {
    let rest: Buffer = Buffer.alloc(0);
    while (!signal?.aborted) {
      const chunk = await this.#next();
      if (!chunk) {
        if (!this.#writer || !(await this.#wait(signal))) return;
        continue;
      }
      let data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
        yield data.toString('utf8', 0, end);
        if (signal?.aborted) return;
        data = data.subarray(end + 1);
      }
      rest = data;
    }
  }

  async #next(): Promise<Buffer | undefined> {
    for (;;) {
      const file = this.#files[0];
      if (!file) return undefined;
      if (file.zipped) await unzip(file, this.#source.path);
      const isLast = this.#files.length === 1;
      const limit = isLast && this.#end ? this.#end.offset - file.offset : BLOCK_BYTES;
      const chunk = limit > 0 ? await readAt(file.fd, file.offset, Math.min(limit, BLOCK_BYTES)) : Buffer.alloc(0);
      if (chunk.length > 0) {
        file.offset += chunk.length;
        return chunk;
      }
      if (isLast && !this.#advance()) return undefined;
      // A file that has been rotated away can have grown between the read above and the rotation.
      const late = await readAt(file.fd, file.offset, BLOCK_BYTES);
      if (late.length > 0 && !(isLast && this.#end)) {
        file.offset += late.length;
        return late;
      }
      closeSync(file.fd);
      this.#files.shift();
    }
  }

  /** Opens what came after the last file; false when that one is still written. */
  #advance(): boolean {
    const writer = this.#writer;
    if (!writer || writer.generation === this.#generation) return false;
    this.#append(Math.min(writer.generation - this.#generation, this.#source.maxFiles));
    this.#generation = writer.generation;
    return true;
  }

  /** The newest files, that many, the oldest of them first. */
  #append(count: number): void {
    for (let age = count - 1; age >= 0; age -= 1) {
      const file = openLog(this.#source.path, age);
      if (file) this.#files.push({ ...file, offset: 0 });
    }
  }

  /** True when there may be more. */
  #wait(signal: AbortSignal | undefined): Promise<boolean> {
    const writer = this.#writer;
    const file = this.#files.at(-1);
    if (!writer || !file || signal?.aborted) return Promise.resolve(false);
    if (fstatSync(file.fd).size > file.offset || writer.generation !== this.#generation) return Promise.resolve(true);
    if (writer.closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = (more: boolean): void => {
        stop();
        signal?.removeEventListener('abort', aborted);
        resolve(more);
      };
      const aborted = (): void => done(false);
      const stop = writer.changed.on(() => done(true));
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  async #skipToTail(tail: number): Promise<void> {
    let wanted = tail;
    for (let index = this.#files.length - 1; index >= 0; index -= 1) {
      const file = this.#files[index];
      if (!file) continue;
      if (file.zipped) await unzip(file, this.#source.path);
      const found = await tailOffset(file.fd, wanted);
      file.offset = found.offset;
      wanted -= found.lines;
      if (wanted > 0) continue;
      for (const older of this.#files.splice(0, index)) closeSync(older.fd);
      return;
    }
  }
}

/** Where the last `wanted` lines of a file begin, reading from its end. */
async function tailOffset(fd: number, wanted: number): Promise<{ offset: number; lines: number }> {
  const size = fstatSync(fd).size;
  if (wanted <= 0) return { offset: size, lines: 0 };
  let lines = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const block = await readAt(fd, start, end - start);
    for (let at = block.length - 1; at >= 0; at -= 1) {
      if (block[at] !== 10 || start + at === size - 1) continue;
      lines += 1;
      if (lines === wanted) return { offset: start + at + 1, lines };
    }
    end = start;
  }
  return { offset: 0, lines: size > 0 ? lines + 1 : 0 };
}

function readAt(fd: number, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, length, position, (error, count) => {
      if (error) reject(error);
      else resolve(buffer.subarray(0, count));
    });
  });
}
