import { type FSWatcher, readFileSync, realpathSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type Log, messageOf, silentLog } from '../../base/index.ts';
import { parseResolvConf, type ResolvConf } from './resolv-conf.ts';

export interface HostServersOptions {
  readonly log?: Log;
  /** Called with what is new after every change of the content. */
  readonly onChange?: (conf: ResolvConf) => void;
}

const NONE: ResolvConf = { servers: [], search: [], options: [] };

/** The host's resolv.conf; a missing or unreadable one names nobody. */
export function readHostServers(path: string): ResolvConf {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'));
  } catch {
    return NONE;
  }
}

/** The host's resolv.conf as it is now, followed while the daemon runs. */
export class HostServers implements Disposable {
  readonly #path: string;
  readonly #options: HostServersOptions;
  readonly #watchers: FSWatcher[] = [];
  #current: ResolvConf;

  constructor(path: string, options: HostServersOptions = {}) {
    this.#path = path;
    this.#options = options;
    this.#watch();
    // After the watch began: a change in between is not missed.
    this.#current = readHostServers(path);
  }

  get current(): ResolvConf {
    return this.#current;
  }

  /** Reads it again now. */
  refresh(): void {
    const found = readHostServers(this.#path);
    if (JSON.stringify(found) === JSON.stringify(this.#current)) return;
    this.#current = found;
    this.#options.onChange?.(found);
  }

  close(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Folders, not files: the file is replaced, not written, by all who care. A link's target may be what changes. */
  #watch(): void {
    const files = new Map([[dirname(this.#path), basename(this.#path)]]);
    try {
      const real = realpathSync(this.#path);
      if (!files.has(dirname(real))) files.set(dirname(real), basename(real));
    } catch {
      // Missing now; it may appear.
    }
    for (const [folder, file] of files) this.#watchFolder(folder, file);
  }

  #watchFolder(folder: string, file: string): void {
    const log = this.#options.log ?? silentLog;
    const failed = (error: unknown): void =>
      log.warn({ error: messageOf(error), folder }, 'cannot follow changes of resolv.conf');
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || name === file) this.refresh();
      });
      watcher.on('error', failed);
      this.#watchers.push(watcher);
    } catch (error) {
      failed(error);
    }
  }
}
