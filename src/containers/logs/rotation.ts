import { closeSync, createReadStream, createWriteStream, existsSync, openSync, renameSync, rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type Log, messageOf, newId } from '../../base/index.ts';
import type { LogSettings } from './options.ts';

const ZIPPED = '.gz';
/** An archive that is being written; nobody reads it. */
const UNFINISHED = '.gz.tmp';

/** The files of one log by age: `path`, `path.1`, `path.2` … the older ones zipped where that is wanted. */
export class LogFiles {
  /** Resolves when no file is being zipped; the names do not change before. */
  settled: Promise<void> = Promise.resolve();
  readonly #log: Log;
  readonly #path: string;
  readonly #settings: Pick<LogSettings, 'maxFiles' | 'compress'>;

  constructor(deps: { readonly log: Log }, path: string, settings: Pick<LogSettings, 'maxFiles' | 'compress'>) {
    this.#log = deps.log;
    this.#path = path;
    this.#settings = settings;
  }

  /** Makes room for a new `path`: every file becomes one older, and the oldest goes. To be called when settled. */
  shift(): void {
    const { maxFiles, compress } = this.#settings;
    if (maxFiles === 1) {
      rmSync(this.#path, { force: true });
      return;
    }
    const oldest = `${this.#path}.${maxFiles - 1}`;
    for (const end of ['', ZIPPED, UNFINISHED]) rmSync(`${oldest}${end}`, { force: true });
    for (let number = maxFiles - 1; number > 1; number -= 1) {
      for (const end of ['', ZIPPED]) {
        const from = `${this.#path}.${number - 1}${end}`;
        if (existsSync(from)) renameSync(from, `${this.#path}.${number}${end}`);
      }
    }
    if (existsSync(this.#path)) renameSync(this.#path, `${this.#path}.1`);
    if (compress) this.settled = this.#zip(`${this.#path}.1`);
  }

  async #zip(path: string): Promise<void> {
    try {
      await pipeline(
        createReadStream(path),
        createGzip({ level: 1 }),
        createWriteStream(`${path}${UNFINISHED}`, { mode: 0o640 }),
      );
      await rename(`${path}${UNFINISHED}`, `${path}${ZIPPED}`);
      await rm(path);
    } catch (error) {
      this.#log.warn({ path, reason: messageOf(error) }, 'an old log is not compressed');
      // What cannot be removed now is written anew, or goes with the file's turn.
      await rm(`${path}${UNFINISHED}`, { force: true }).catch(() => {});
    }
  }
}

/** An open file of a log, be it zipped. */
export interface OpenLog {
  fd: number;
  /** Its content is not that of the log yet; {@link unzip} makes it so. */
  zipped: boolean;
}

/** Opens the file of that age as it is now; undefined when there is none. */
export function openLog(path: string, age: number): OpenLog | undefined {
  const plain = age === 0 ? path : `${path}.${age}`;
  if (existsSync(plain)) return { fd: openSync(plain, 'r'), zipped: false };
  if (age > 0 && existsSync(`${plain}${ZIPPED}`)) return { fd: openSync(`${plain}${ZIPPED}`, 'r'), zipped: true };
  return undefined;
}

/** Puts a file without a name, with what the archive holds, in its place. */
export async function unzip(file: OpenLog, beside: string): Promise<void> {
  if (!file.zipped) return;
  const path = `${beside}.unzipped-${newId().slice(0, 12)}`;
  const target = openSync(path, 'wx+', 0o600);
  rmSync(path);
  try {
    await pipeline(
      createReadStream('', { fd: file.fd, autoClose: false, start: 0 }),
      createGunzip(),
      createWriteStream('', { fd: target, autoClose: false }),
    );
  } catch (error) {
    closeSync(target);
    throw error;
  }
  closeSync(file.fd);
  file.fd = target;
  file.zipped = false;
}
