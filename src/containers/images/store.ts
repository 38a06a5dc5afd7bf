import type { Readable } from 'node:stream';
import {
  type Clock,
  Emitter,
  invalid,
  type Log,
  messageOf,
  notFound,
  silentLog,
  systemClock,
} from '../../base/index.ts';
import type { Descriptor, Mount } from '../containerd/index.ts';
import {
  type ArchivedImage,
  type ImageToSave,
  importTree,
  interpretArchive,
  loadingLayers,
  type Progress,
  readArchive,
  saveArchive,
} from './archive/index.ts';
import { type ImageEngine, LeasedBlobs, StaleLeases } from './blobs/index.ts';
import { assertPlatform, Catalog, type Image, noSuchImage, referenceOf } from './catalog.ts';
import { type CommitOptions, commitTree } from './committer.ts';
import {
  DEFAULT_TAG,
  familiarName,
  fullName,
  hostPlatform,
  type Platform,
  parseReference,
  platformText,
  repositoryOf,
  withDefaultTag,
} from './format/index.ts';
import { filterImages, type HistoryItem, historyOf, type ImageFilters, isDangling } from './lister.ts';
import { type ImageEvent, Namer } from './namer.ts';
import { type ImageUser, type RemovedItem, type RemoveOptions, Remover } from './remover.ts';
import { Unpacker, type UnpackOptions } from './unpacker.ts';

export interface ImageStoreDeps {
  readonly engine: ImageEngine;
  /** Which containers were made from an image. */
  readonly usedBy?: (imageId: string) => readonly ImageUser[];
  readonly log?: Log;
  readonly clock?: Clock;
}

export interface ImageSummary {
  readonly image: Image;
  /** Bytes of its layers on disk. */
  readonly size: number;
}

export interface ImportOptions {
  /** Repository name; without one the image has no name. May hold the tag. */
  readonly repo?: string | undefined;
  readonly tag?: string | undefined;
  readonly message?: string | undefined;
  readonly changes?: readonly string[] | undefined;
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LoadOptions {
  readonly progress?: Progress;
  readonly quiet?: boolean;
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
}

const ignore: Progress = () => {};

/** Images over containerd: names, archives, file trees for containers. containerd alone remembers; we cache. */
export class ImageStore {
  /** Every change, in order. */
  readonly events: Emitter<ImageEvent>;
  readonly #engine: ImageEngine;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #platform: Platform;
  readonly #usedBy: (imageId: string) => readonly ImageUser[];
  readonly #catalog: Catalog;
  readonly #namer: Namer;
  readonly #unpacker: Unpacker;
  readonly #remover: Remover;
  readonly #staleLeases: StaleLeases;

  constructor(deps: ImageStoreDeps, options: { platform?: Platform } = {}) {
    const log = deps.log ?? silentLog;
    this.#log = log;
    this.#engine = deps.engine;
    this.#clock = deps.clock ?? systemClock;
    this.#platform = options.platform ?? hostPlatform();
    this.#usedBy = deps.usedBy ?? (() => []);
    this.events = new Emitter((error) => log.error({ err: error }, 'a listener of image events failed'));
    this.#catalog = new Catalog({ engine: deps.engine, log }, { platform: this.#platform });
    this.#namer = new Namer({ engine: deps.engine, catalog: this.#catalog });
    this.#unpacker = new Unpacker({ engine: deps.engine, log });
    this.#staleLeases = new StaleLeases({ engine: deps.engine, log });
    this.#remover = new Remover({
      catalog: this.#catalog,
      namer: this.#namer,
      events: this.events,
      usedBy: (id) => this.#usedBy(id),
    });
  }

  /** Looks for what a daemon before us left unfinished. Before any other work. */
  findStaleLeases(): Promise<void> {
    return this.#staleLeases.find(this.#clock);
  }

  /** Frees what a daemon before us left unfinished. */
  releaseStaleLeases(): Promise<void> {
    return this.#staleLeases.release();
  }

  /** By name, id or an unambiguous beginning of an id. Throws `No such image: x:latest`. */
  get(ref: string): Promise<Image> {
    return this.#catalog.get(ref);
  }

  async inspect(ref: string, options: { readonly platform?: Platform | undefined } = {}): Promise<ImageSummary> {
    const image = await this.#catalog.get(ref);
    assertPlatform(image, ref, options.platform);
    return { image, size: await this.#sizeOf(image) };
  }

  /** Newest first. */
  async list(filters: ImageFilters = {}): Promise<ImageSummary[]> {
    const images = await this.#catalog.list();
    this.#unpacker.forgetAllBut(images);
    const summaries: ImageSummary[] = [];
    for (const image of filterImages(images, filters)) summaries.push({ image, size: await this.#sizeOf(image) });
    return summaries;
  }

  async history(ref: string, options: { readonly platform?: Platform | undefined } = {}): Promise<HistoryItem[]> {
    const image = await this.#catalog.get(ref);
    assertPlatform(image, ref, options.platform);
    return historyOf(image, await this.#unpacker.layerSizes(image));
  }

  /**
   * Reads a Docker or OCI archive. Resolves to the ids of its images; what `docker load` prints goes to `progress`, without
   * the single layers when `quiet`. With a platform, only its images are wanted.
   */
  async load(source: AsyncIterable<Uint8Array>, options: LoadOptions = {}): Promise<string[]> {
    const { progress = ignore, quiet = false, platform: wanted } = options;
    return LeasedBlobs.during(this.#engine, this.#clock.now(), async (blobs) => {
      const archive = await readArchive(source, blobs, { signal: options.signal });
      const found = await interpretArchive(archive, { engine: this.#engine, blobs, platform: this.#platform, wanted });
      if (found.length === 0 && wanted) {
        const text = `requested platform (${platformText(wanted)}) not found: image might be filtered out`;
        throw notFound('platform_missing', text);
      }
      if (found.length === 0) throw invalid('invalid_archive', 'cannot load archive: it has no images');
      const ids: string[] = [];
      for (const image of found) {
        await this.adopt(image.target, blobs.lease, quiet ? {} : loadingLayers(progress));
        ids.push(await this.#nameLoaded(image, progress));
      }
      return ids;
    });
  }

  /** Makes an image from a tar of a file tree; resolves to its id. */
  async import(source: AsyncIterable<Uint8Array>, options: ImportOptions = {}): Promise<string> {
    const name = options.repo ? tagTarget(options.repo, options.tag) : null;
    return LeasedBlobs.during(this.#engine, this.#clock.now(), async (blobs) => {
      const target = await importTree(source, blobs, {
        changes: options.changes ?? [],
        message: options.message ?? '',
        platform: options.platform ?? this.#platform,
        created: this.#clock.nowNanos(),
        signal: options.signal,
      });
      const id = await this.adopt(target, blobs.lease);
      if (name) await this.#namer.assign(name, target);
      else await this.#namer.keepDangling(target);
      this.#emit('import', id, id);
      return id;
    });
  }

  /** Unpacks what a target points at, under a lease of the caller's; resolves to the image id. Gives no name. */
  async adopt(target: Descriptor, lease: string, options: Omit<UnpackOptions, 'lease'> = {}): Promise<string> {
    const body = await this.#catalog.read(target);
    if (body.os !== this.#platform.os) {
      throw invalid('wrong_platform', `cannot use an image for operating system "${body.os}" on ${this.#platform.os}`);
    }
    await this.#unpacker.ensureUnpacked(body, { ...options, lease });
    return body.id;
  }

  /** Gives a full name to a target whose image has been adopted. Resolves to the image that lost it, or null. */
  assignName(name: string, target: Descriptor): Promise<string | null> {
    return this.#namer.assign(name, target);
  }

  /** The id of the image that a full name leads to, null for none. */
  async holderOf(name: string): Promise<string | null> {
    const images = await this.#catalog.list();
    return images.find(({ records }) => records.some((record) => record.name === name))?.id ?? null;
  }

  /** A Docker archive that OCI tools read too. A repository without a tag means all of its tags. */
  async save(refs: readonly string[], options: { readonly platform?: Platform | undefined } = {}): Promise<Readable> {
    const images = await this.#catalog.list();
    const chosen = new Map<string, { image: Image; names: Set<string> }>();
    for (const ref of refs) {
      const { image: found, names } = await this.#toSave(images, ref);
      for (const image of found) {
        assertPlatform(image, ref, options.platform);
        const entry = chosen.get(image.id) ?? { image, names: new Set<string>() };
        for (const { name } of image.records) if (names.has(name)) entry.names.add(name);
        chosen.set(image.id, entry);
      }
    }
    const list: ImageToSave[] = [...chosen.values()].map(({ image, names }) => ({ ...image, names: [...names] }));
    for (const { image } of chosen.values()) this.#emit('save', image.id, image.id);
    return saveArchive(this.#engine, list);
  }

  /** Gives an image one more name; an image that had it loses it. */
  async tag(ref: string, repo: string, tag?: string): Promise<void> {
    const image = await this.#catalog.get(ref);
    const name = tagTarget(repo, tag);
    const record = image.records[0];
    if (!record) throw noSuchImage(ref);
    await this.#namer.assign(name, record.target);
    this.#emit('tag', image.id, familiarName(parseReference(name)), image);
  }

  /** By name: takes the name, and with the last one the image. By id: all names of one repository and the image. */
  remove(ref: string, options: RemoveOptions = {}): Promise<RemovedItem[]> {
    return this.#remover.remove(ref, options);
  }

  /** Removes images that no container uses: those without a name, or with `all` every one. */
  async prune(
    options: { all?: boolean; filters?: ImageFilters } = {},
  ): Promise<{ removed: RemovedItem[]; reclaimed: number }> {
    const removed: RemovedItem[] = [];
    let reclaimed = 0;
    for (const image of filterImages(await this.#catalog.list(), options.filters ?? {})) {
      if (this.#usedBy(image.id).length > 0 || !(options.all || isDangling(image))) continue;
      const size = await this.#sizeOf(image);
      try {
        removed.push(...(await this.#remover.remove(image.id, { force: true })));
        reclaimed += size;
      } catch (error) {
        this.#log.warn({ image: image.id, reason: messageOf(error) }, 'an unused image was not pruned');
      }
    }
    this.events.emit({ action: 'prune', id: '', name: '', labels: { reclaimed: String(reclaimed) } });
    return { removed, reclaimed };
  }

  /** Makes an image out of a file tree that `prepareRootfs` gave; resolves to its id. */
  async commit(
    key: string,
    options: CommitOptions & { readonly repo?: string; readonly tag?: string },
  ): Promise<string> {
    const name = options.repo ? tagTarget(options.repo, options.tag) : null;
    return LeasedBlobs.during(this.#engine, this.#clock.now(), async (blobs) => {
      const target = await commitTree(this.#engine, blobs, key, {
        ...options,
        platform: this.#platform,
        created: this.#clock.nowNanos(),
      });
      const id = await this.adopt(target, blobs.lease);
      if (name) await this.#namer.assign(name, target);
      else await this.#namer.keepDangling(target);
      return id;
    });
  }

  /** A writable file tree on the image (null: on nothing), kept until `removeRootfs`. Mounts nothing. */
  prepareRootfs(key: string, image: Image | null): Promise<Mount[]> {
    return this.#unpacker.prepareRootfs(key, image);
  }

  /** One that is not there is as good. */
  removeRootfs(key: string): Promise<void> {
    return this.#unpacker.removeRootfs(key);
  }

  mountsOf(key: string): Promise<Mount[]> {
    return this.#engine.snapshots.mounts(key);
  }

  /** Bytes that a container has written on top of its image. */
  async rootfsSize(key: string): Promise<number> {
    return (await this.#engine.snapshots.usage(key)).size;
  }

  async #sizeOf(image: Image): Promise<number> {
    return (await this.#unpacker.layerSizes(image)).reduce((sum, size) => sum + size, 0);
  }

  async #nameLoaded({ target, names }: ArchivedImage, progress: Progress): Promise<string> {
    const { id } = await this.#catalog.read(target);
    for (const name of names) {
      const shown = familiarName(parseReference(name));
      const displaced = await this.#namer.assign(name, target);
      if (displaced !== null) {
        progress({
          stream: `The image ${shown} already exists, renaming the old one with ID ${displaced} to empty string\n`,
        });
      }
      progress({ stream: `Loaded image: ${shown}\n` });
      this.#emit('load', id, shown);
    }
    if (names.length === 0) {
      await this.#namer.keepDangling(target);
      progress({ stream: `Loaded image ID: ${id}\n` });
      this.#emit('load', id, id);
    }
    return id;
  }

  async #toSave(images: readonly Image[], ref: string): Promise<{ image: Image[]; names: Set<string> }> {
    const isId =
      /^(?:sha256:)?[0-9a-f]+$/.test(ref) &&
      images.some(({ id }) => id.startsWith(`sha256:${ref.replace(/^sha256:/, '')}`));
    if (isId) return { image: [await this.#catalog.get(ref)], names: new Set() };
    const reference = parseReference(ref);
    const wanted = new Set<string>();
    for (const record of images.flatMap(({ records }) => records)) {
      const other = referenceOf(record);
      const tags = other?.digest === null && reference.tag === null && repositoryOf(other) === repositoryOf(reference);
      if (record.name === fullName(withDefaultTag(reference)) || (reference.digest === null && tags))
        wanted.add(record.name);
    }
    const found = images.filter(({ records }) => records.some(({ name }) => wanted.has(name)));
    if (found.length === 0) throw noSuchImage(familiarName(withDefaultTag(reference)));
    return { image: found, names: reference.digest === null ? wanted : new Set() };
  }

  /** Tells listeners of something that happened to an image outside of this class. */
  announce(event: ImageEvent): void {
    this.events.emit(event);
  }

  #emit(action: ImageEvent['action'], id: string, name: string, image?: Image): void {
    this.events.emit({ action, id, name, labels: image?.config.Labels ?? {} });
  }
}

function tagTarget(repo: string, tag: string | undefined): string {
  const reference = parseReference(repo);
  if (reference.digest !== null) {
    throw invalid('invalid_reference', 'refusing to create a tag with a digest reference');
  }
  const wanted = tag || reference.tag || DEFAULT_TAG;
  return fullName(parseReference(`${repositoryOf(reference)}:${wanted}`));
}
