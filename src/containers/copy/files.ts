import { readlinkSync, rmSync } from 'node:fs';
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { forbidden, invalid, isKind, notFound } from '../../base/index.ts';
import { isErrno } from '../../kernel/index.ts';
import type { ContainerFiles, PathStat } from '../contract.ts';
import { type ContainerImages, type ContainersOptions, pipeFolder } from '../engine.ts';
import type { Announcer } from '../lifecycle/index.ts';
import type { Container, Registry } from '../records/index.ts';
import { layersOf, userOf } from '../spec/index.ts';
import { changesOf } from './changes.ts';
import type { Committer } from './commit.ts';
import { goFileMode } from './go-mode.ts';
import { packTree } from './pack.ts';
import { type MountedRootfs, mountRootfs } from './rootfs-mount.ts';
import { type Place, Tree } from './tree.ts';
import { unpackInto } from './unpack.ts';

export interface FilesDeps {
  readonly images: Pick<ContainerImages, 'mountsOf'>;
  readonly registry: Registry;
  readonly announcer: Announcer;
  readonly committer: Committer;
}

interface Opened {
  readonly tree: Tree;
  /** The path inside the tree. */
  readonly path: string;
  close(): void;
}

/** `docker cp`, `export`, `diff` and `commit`. The container may run. */
export class FilesService implements ContainerFiles {
  readonly #deps: FilesDeps;
  readonly #options: ContainersOptions;

  constructor(deps: FilesDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async stat(ref: string, path: string): Promise<PathStat> {
    const container = this.#deps.registry.get(ref);
    const opened = await this.#open(container, path, false);
    try {
      return this.#statOf(container, opened, path);
    } finally {
      opened.close();
    }
  }

  async read(ref: string, path: string): Promise<{ readonly stat: PathStat; readonly archive: Readable }> {
    const container = this.#deps.registry.get(ref);
    const opened = await this.#open(container, path, false);
    try {
      const stat = this.#statOf(container, opened, path);
      const place = this.#find(container, opened, path);
      const archive = packTree(opened.tree, place, {
        name: baseName(path),
        mounts: new Set(container.record.mounts.map(({ destination }) => destination)),
        done: opened.close,
      });
      this.#deps.announcer.say(container, 'archive-path');
      return { stat, archive };
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  async write(
    ref: string,
    path: string,
    archive: Readable,
    options: { readonly noOverwriteDirNonDir: boolean; readonly copyUidGid: boolean },
  ): Promise<void> {
    const container = this.#deps.registry.get(ref);
    this.#assertWritable(container, path);
    const opened = await this.#open(container, path, true);
    try {
      const place = this.#find(container, opened, path, true);
      if (!place.stat?.isDirectory()) throw invalid('not_a_folder', 'extraction point is not a directory');
      // As in Docker: the container's user, where it has one; else whom the archive names.
      const changes = options.copyUidGid && container.record.effective.user !== '';
      const owner = changes ? await this.#ownerOf(container) : undefined;
      await unpackInto(opened.tree, place.path, archive, { noOverwriteDirNonDir: options.noOverwriteDirNonDir, owner });
      this.#deps.announcer.say(container, 'extract-to-dir');
    } finally {
      opened.close();
    }
  }

  async export(ref: string): Promise<Readable> {
    const container = this.#deps.registry.get(ref);
    const mounted = await this.#mount(container, false);
    const tree = new Tree(mounted.path);
    this.#deps.announcer.say(container, 'export');
    return packTree(tree, tree.find('/'), { name: '', done: () => mounted.close() });
  }

  async changes(ref: string): Promise<readonly { readonly path: string; readonly kind: 0 | 1 | 2 }[]> {
    const container = this.#deps.registry.get(ref);
    const layers = layersOf(await this.#deps.images.mountsOf(container.id));
    return changesOf(
      layers,
      container.record.mounts.map(({ destination }) => destination),
    );
  }

  commit(ref: string, options: Parameters<ContainerFiles['commit']>[1]): Promise<string> {
    return this.#deps.committer.commit(this.#deps.registry.get(ref), options);
  }

  /** The running container's own view, mounts included; at rest its tree, or the volume that is mounted at the path. */
  async #open(container: Container, path: string, writable: boolean): Promise<Opened> {
    if (container.running) {
      return opened(new Tree(`/proc/${container.record.state.pid}/root`), path);
    }
    const clean = posix.normalize(`/${path}`);
    const point = container.record.mounts
      .filter(
        ({ destination, source }) => source !== '' && (clean === destination || clean.startsWith(`${destination}/`)),
      )
      .sort((a, b) => b.destination.length - a.destination.length)[0];
    if (point) {
      return opened(new Tree(point.source), `/${point.subpath ?? ''}/${clean.slice(point.destination.length)}`);
    }
    const mounted = await this.#mount(container, writable);
    return opened(new Tree(mounted.path), path, () => mounted.close());
  }

  async #mount(container: Container, writable: boolean): Promise<MountedRootfs> {
    const mounts = await this.#deps.images.mountsOf(container.id);
    const folder = pipeFolder(this.#options, container.id);
    const mounted = mountRootfs(mounts, { folder, writable });
    let open = true;
    return {
      path: mounted.path,
      close: () => {
        if (!open) return;
        open = false;
        mounted.close();
        if (!container.running) rmSync(folder, { recursive: true, force: true });
      },
    };
  }

  #find(container: Container, opened: Opened, shown: string, follow = /\/\.?$/.test(shown)): Place {
    try {
      const place = opened.tree.find(opened.path, { follow });
      if (place.stat) return place;
    } catch (error) {
      if (!isKind(error, 'notFound') && !isKind(error, 'invalid') && !isErrno(error, 'ENOTDIR')) throw error;
    }
    throw notFound('no_such_file', `Could not find the file ${shown} in container ${container.name}`);
  }

  #statOf(container: Container, opened: Opened, shown: string): PathStat {
    const place = this.#find(container, opened, shown);
    const { stat } = place;
    if (!stat) throw notFound('no_such_file', `Could not find the file ${shown} in container ${container.name}`);
    let linkTarget = '';
    if (stat.isSymbolicLink()) {
      const target = readlinkSync(Tree.hostPath(place));
      linkTarget = posix.resolve(posix.dirname(place.path), target);
    }
    return {
      name: baseName(shown),
      size: stat.size,
      mode: goFileMode(stat),
      mtime: stat.mtime.toISOString(),
      linkTarget,
    };
  }

  #assertWritable(container: Container, path: string): void {
    const clean = posix.normalize(`/${path}`);
    const point = container.record.mounts.find(
      ({ destination }) => clean === destination || clean.startsWith(`${destination}/`),
    );
    if (point && !point.writable) throw forbidden('read_only', 'mounted volume is marked read-only');
    if (!point && container.record.spec.security.readonlyRootfs) {
      throw forbidden('read_only', 'container rootfs is marked read-only');
    }
  }

  async #ownerOf(container: Container): Promise<{ readonly uid: number; readonly gid: number }> {
    const mounts = container.rootfs ?? (await this.#deps.images.mountsOf(container.id));
    return userOf(mounts, container.record.effective.user, []);
  }
}

function opened(tree: Tree, path: string, after: () => void = () => {}): Opened {
  return {
    tree,
    path,
    close: () => {
      tree[Symbol.dispose]();
      after();
    },
  };
}

/** The last part of a path as Docker names it: `.` for `/x/.`, `/` for the root. */
function baseName(path: string): string {
  const base = posix.basename(path);
  return base === '' ? '/' : base;
}
