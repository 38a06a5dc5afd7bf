import { type FSWatcher, readFileSync, readlinkSync, statSync, watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { Emitter, isLoopbackIp, type Log, messageOf, silentLog } from '../../base/index.ts';
import { parseResolvConf, type ResolvConf } from './resolv-conf.ts';

export interface HostServersOptions {
  readonly log?: Log;
  /** Where systemd-resolved writes the servers that it asks itself. */
  readonly resolvedPath?: string;
}

const NONE: ResolvConf = { servers: [], search: [], options: [] };
const RESOLVED_PATH = '/run/systemd/resolve/resolv.conf';
/** A file that is just being rewritten in place is empty for a moment; this much later it is empty for good. */
const EMPTY_MS = 100;
const MAX_LINKS = 20;

/** The host's resolv.conf; a missing or unreadable one names nobody. */
export function readHostServers(path: string, resolvedPath = RESOLVED_PATH): ResolvConf {
  const host = read(path);
  if (host.servers.length === 0 || !host.servers.every(isLoopbackIp)) return host;
  const behind = read(resolvedPath).servers.filter((ip) => !isLoopbackIp(ip));
  return behind.length > 0 ? { ...host, behind } : host;
}

function read(path: string): ResolvConf {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'));
  } catch {
    return NONE;
  }
}

interface Watched {
  readonly identity: string;
  readonly watcher: FSWatcher;
}

/** The host's resolv.conf as it is now, followed while the daemon runs: rewritten, replaced, or a link that is switched. */
export class HostServers implements Disposable {
  /** What is new, after every change of the content. */
  readonly changes = new Emitter<ResolvConf>();
  readonly #path: string;
  readonly #resolvedPath: string;
  readonly #options: HostServersOptions;
  readonly #watched = new Map<string, Watched>();
  #names: ReadonlySet<string> = new Set();
  #later: NodeJS.Timeout | undefined;
  #closed = false;
  #current: ResolvConf;

  constructor(path: string, options: HostServersOptions = {}) {
    this.#path = resolve(path);
    this.#resolvedPath = resolve(options.resolvedPath ?? RESOLVED_PATH);
    this.#options = options;
    this.#follow();
    // After the watch began: a change in between is not missed.
    this.#current = this.#read();
  }

  get current(): ResolvConf {
    return this.#current;
  }

  /** Reads it again now. */
  refresh(): void {
    if (this.#closed) return;
    this.#follow();
    clearTimeout(this.#later);
    const found = this.#read();
    if (found.servers.length > 0 || this.#current.servers.length === 0) this.#accept(found);
    else this.#later = setTimeout(() => this.#accept(this.#read()), EMPTY_MS).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#later);
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(): ResolvConf {
    return readHostServers(this.#path, this.#resolvedPath);
  }

  #accept(found: ResolvConf): void {
    if (this.#closed || JSON.stringify(found) === JSON.stringify(this.#current)) return;
    this.#current = found;
    this.changes.emit(found);
  }

  /**
   * Watches what is to be watched now. Links may have been switched and folders replaced between looking and watching, so
   * it looks again until nothing is new.
   */
  #follow(): void {
    for (let round = 0; round < MAX_LINKS; round += 1) {
      const { paths, names } = placesOf([this.#path, this.#resolvedPath]);
      this.#names = names;
      for (const [path, { watcher, identity }] of this.#watched) {
        if (paths.get(path) === identity) continue;
        watcher.close();
        this.#watched.delete(path);
      }
      const missing = [...paths].filter(([path]) => !this.#watched.has(path));
      if (missing.length === 0) return;
      for (const [path, identity] of missing) this.#watch(path, identity);
    }
  }

  #watch(path: string, identity: string): void {
    const failed = (error: unknown): void => {
      (this.#options.log ?? silentLog).warn({ reason: messageOf(error), path }, 'cannot follow changes of resolv.conf');
    };
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        if (name === null || this.#names.has(name)) this.refresh();
      });
      watcher.on('error', failed);
      this.#watched.set(path, { watcher, identity });
    } catch (error) {
      failed(error);
    }
  }
}

interface Places {
  /** With what is there now, so that something else at the same path is noticed. */
  readonly paths: ReadonlyMap<string, string>;
  /** What may change in the folders among them. */
  readonly names: ReadonlySet<string>;
}

/**
 * Everything whose change can change what these files read as: the folder of every link on the way, which is where a link is
 * switched and a file replaced, and the file itself, which may be mounted from elsewhere and written in place. Instead of a
 * folder that is missing, the nearest one that is there.
 */
function placesOf(files: readonly string[]): Places {
  const paths = new Map<string, string>();
  const names = new Set<string>();
  for (const file of files) addPlaces(file, paths, names);
  return { paths, names };
}

function addPlaces(path: string, paths: Map<string, string>, names: Set<string>): void {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    let child = at;
    names.add(basename(child));
    let folder = dirname(child);
    while (identityOf(folder) === undefined && folder !== '/') {
      child = folder;
      names.add(basename(child));
      folder = dirname(child);
    }
    paths.set(folder, identityOf(folder) ?? '');
    const target = linkTarget(at);
    if (target === undefined) break;
    at = resolve(dirname(at), target);
  }
  const file = identityOf(at);
  if (file !== undefined) paths.set(at, file);
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // No link, or nothing.
    return undefined;
  }
}

function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
