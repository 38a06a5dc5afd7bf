import { closeSync, constants, lstatSync, mkdirSync, openSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { invalid, notFound } from '../../base/index.ts';
import { isErrno, O_PATH } from '../../kernel/index.ts';

const MAX_LINKS = 40;
const FOLDER = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Something in a tree: the folder it is in, held open, and its name there. `.` is the folder itself. */
export interface Place {
  readonly folder: number;
  readonly name: string;
  /** Undefined when there is nothing of that name. */
  readonly stat: Stats | undefined;
  /** Absolute inside the tree, without links on the way. */
  readonly path: string;
}

/**
 * A file tree that is not trusted: links in it lead to places in it, never out of it, also when somebody changes them
 * meanwhile. Every step goes from an open folder to one name in it.
 */
export class Tree implements Disposable {
  readonly #root: number;
  readonly #open = new Set<number>();
  #closed = false;

  constructor(path: string) {
    this.#root = openSync(path, O_PATH | constants.O_DIRECTORY);
  }

  /** Repeatable. */
  [Symbol.dispose](): void {
    for (const fd of this.#open) closeSync(fd);
    this.#open.clear();
    if (!this.#closed) closeSync(this.#root);
    this.#closed = true;
  }

  /** A path of the host that means this place and nothing else, as long as the tree is open. */
  static hostPath(place: Pick<Place, 'folder' | 'name'>): string {
    return `/proc/self/fd/${place.folder}/${place.name}`;
  }

  /** Follows links on the way, and with `follow` also the last one. Throws notFound when the way is not there. */
  find(path: string, options: { readonly follow?: boolean; readonly create?: boolean } = {}): Place {
    const rest = path.split('/').filter((part) => part !== '' && part !== '.');
    let folders: { fd: number; name: string }[] = [];
    let links = 0;
    const current = (): number => folders.at(-1)?.fd ?? this.#root;
    const pathOf = (name: string): string => `/${[...folders.map((one) => one.name), name].join('/')}`;
    for (;;) {
      const name = rest.shift();
      if (name === undefined) {
        const fd = current();
        return {
          folder: fd,
          name: '.',
          stat: lstatSync(`/proc/self/fd/${fd}/.`),
          path: pathOf('').replace(/(.)\/$/, '$1'),
        };
      }
      if (name === '..') {
        folders = folders.slice(0, -1);
        continue;
      }
      const here = { folder: current(), name };
      let stat = statOf(here);
      const last = rest.length === 0;
      if (stat?.isSymbolicLink() && (!last || options.follow)) {
        links += 1;
        if (links > MAX_LINKS) throw invalid('too_many_links', `too many levels of symbolic links: ${path}`);
        const target = readlinkSync(Tree.hostPath(here));
        if (target.startsWith('/')) folders = [];
        rest.unshift(...target.split('/').filter((part) => part !== '' && part !== '.'));
        continue;
      }
      if (last && !stat?.isDirectory()) return { ...here, stat, path: pathOf(name) };
      if (!stat && options.create) {
        mkdirSync(Tree.hostPath(here), 0o755);
        stat = statOf(here);
      }
      if (!stat) throw notFound('no_such_file', `no such file or directory: ${path}`);
      if (!stat.isDirectory()) throw invalid('not_a_folder', `not a directory: ${pathOf(name)}`);
      folders.push({ fd: this.#enter(here), name });
    }
  }

  /** The names in a folder. */
  static list(place: Place): string[] {
    return readdirSync(Tree.hostPath(place)).sort();
  }

  /** One name in a folder that has been found; no link is followed. */
  child(place: Place, name: string): Place {
    const folder = place.name === '.' ? place.folder : this.#enter(place);
    const here = { folder, name };
    return { ...here, stat: statOf(here), path: `${place.path === '/' ? '' : place.path}/${name}` };
  }

  /** Lets go of a folder that `child` has opened. */
  leave(fd: number): void {
    if (this.#open.delete(fd)) closeSync(fd);
  }

  #enter(place: { readonly folder: number; readonly name: string }): number {
    const fd = openSync(Tree.hostPath(place), FOLDER);
    this.#open.add(fd);
    return fd;
  }
}

function statOf(place: { readonly folder: number; readonly name: string }): Stats | undefined {
  try {
    return lstatSync(Tree.hostPath(place));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
