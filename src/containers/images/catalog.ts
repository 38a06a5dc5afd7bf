import { conflict, isKind, type Log, messageOf, notFound } from '../../base/index.ts';
import type { Descriptor, ImageRecord } from '../containerd/index.ts';
import type { ImageEngine } from './blobs/index.ts';
import {
  chainIds,
  familiarName,
  fitsPlatform,
  fullName,
  type HistoryEntry,
  hostPlatform,
  type ImageConfigFile,
  type ImageRunConfig,
  isIndexType,
  type Manifest,
  type Platform,
  parseConfig,
  parseIndex,
  parseManifest,
  parseReference,
  platformText,
  type Reference,
  selectManifest,
  withDefaultTag,
} from './format/index.ts';

/** An image as users know it: everything that shares one configuration, under all of its names. */
export interface Image {
  /** `sha256:…`, the digest of the configuration. */
  readonly id: string;
  /** As Docker shows them: `busybox:latest`. */
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly architecture: string;
  readonly os: string;
  readonly variant: string;
  /** RFC 3339; empty when the image does not say. */
  readonly created: string;
  readonly author: string;
  readonly comment: string;
  readonly dockerVersion: string;
  readonly config: ImageRunConfig;
  readonly history: readonly HistoryEntry[];
  readonly diffIds: readonly string[];
  /** One id for each stack of layers from the bottom; the last is the snapshot that containers start on. */
  readonly chainIds: readonly string[];
  readonly manifest: Manifest;
  readonly manifestDescriptor: Descriptor;
  /** containerd's records behind it: what they point at may be an index above the manifest. */
  readonly records: readonly ImageRecord[];
  /** When a name was last given to it; nanoseconds since the epoch. */
  readonly lastTaggedAt: bigint;
}

/** The same without names. */
type Body = Omit<Image, 'repoTags' | 'repoDigests' | 'records' | 'lastTaggedAt'>;

/** A record of containerd whose name keeps an image without a name. No reference can look like it. */
const DANGLING = '<none>@';

export function danglingName(targetDigest: string): string {
  return `${DANGLING}${targetDigest}`;
}

export function isDanglingName(name: string): boolean {
  return name.startsWith(DANGLING);
}

/** Null for a name that is no reference: a dangling image's, or one that another client made. */
export function referenceOf(record: Pick<ImageRecord, 'name'>): Reference | null {
  if (isDanglingName(record.name)) return null;
  try {
    const reference = parseReference(record.name);
    return fullName(reference) === record.name ? reference : null;
  } catch {
    return null;
  }
}

export function noSuchImage(ref: string, cause?: unknown): Error {
  return notFound('no_such_image', `No such image: ${ref}`, cause);
}

/** Refuses an image of another platform than was asked for, in Docker's words; `shown` is how it was named. */
export function assertPlatform(image: Image, shown: string, wanted: Platform | undefined): void {
  if (wanted === undefined || fitsPlatform(image, wanted)) return;
  const [is, asked] = [platformText(image), platformText(wanted)];
  throw notFound(
    'wrong_platform',
    `image with reference ${shown} was found but its platform (${is}) does not match the specified platform (${asked})`,
  );
}

/** Reads images out of containerd's records. Holds only a cache of parsed blobs, which never change. */
export class Catalog {
  readonly #engine: ImageEngine;
  readonly #log: Log;
  readonly #platform: Platform;
  readonly #bodies = new Map<string, Body>();
  readonly #unreadable = new Set<string>();

  constructor(deps: { engine: ImageEngine; log: Log }, options: { platform?: Platform } = {}) {
    this.#engine = deps.engine;
    this.#log = deps.log;
    this.#platform = options.platform ?? hostPlatform();
  }

  /** Every image, in no order. One whose blobs are missing is left out. */
  async list(): Promise<Image[]> {
    const records = await this.#engine.images.list();
    const byId = new Map<string, { body: Body; records: ImageRecord[] }>();
    for (const record of records) {
      const body = await this.#bodyOrNull(record);
      if (!body) continue;
      const group = byId.get(body.id);
      if (group) group.records.push(record);
      else byId.set(body.id, { body, records: [record] });
    }
    const targets = new Set(records.map((record) => record.target.digest));
    for (const digest of this.#bodies.keys()) if (!targets.has(digest)) this.#bodies.delete(digest);
    return [...byId.values()].map(({ body, records: named }) => withNames(body, named));
  }

  /** By name, digest, id or an unambiguous beginning of an id. Throws Docker's `No such image: x:latest`. */
  async get(ref: string): Promise<Image> {
    const images = await this.list();
    return findImage(images, ref);
  }

  /** What a descriptor leads to on this machine's platform, read from the content store. */
  async read(target: Descriptor, platform: Platform = this.#platform): Promise<Body> {
    const own = platform === this.#platform;
    const known = own ? this.#bodies.get(target.digest) : undefined;
    if (known) return known;
    const descriptor = await this.#manifestOf(target, platform);
    const manifest = parseManifest(await this.#engine.content.readAll(descriptor.digest));
    const config = parseConfig(await this.#engine.content.readAll(manifest.config.digest));
    const body = bodyOf(descriptor, manifest, config);
    if (own) this.#bodies.set(target.digest, body);
    return body;
  }

  async #manifestOf(target: Descriptor, platform: Platform): Promise<Descriptor> {
    if (!isIndexType(target.mediaType)) return target;
    const index = parseIndex(await this.#engine.content.readAll(target.digest));
    const selected = selectManifest(index, platform);
    if (selected && (await this.#engine.content.find(selected.digest))) return selected;
    // Loaded or pulled for another platform: the only one that is here.
    for (const entry of index.manifests) {
      if (entry.platform?.os !== 'unknown' && (await this.#engine.content.find(entry.digest))) return entry;
    }
    throw notFound('manifest_missing', `no manifest of "${target.digest}" is here`);
  }

  async #bodyOrNull(record: ImageRecord): Promise<Body | null> {
    try {
      return await this.read(record.target);
    } catch (error) {
      if (isKind(error, 'unavailable')) throw error;
      // Said once: every look at the images comes by here.
      if (!this.#unreadable.has(record.target.digest)) {
        this.#log.warn({ image: record.name, reason: messageOf(error) }, 'an image cannot be read and is not shown');
        this.#unreadable.add(record.target.digest);
      }
      return null;
    }
  }
}

function bodyOf(manifestDescriptor: Descriptor, manifest: Manifest, file: ImageConfigFile): Body {
  const diffIds = file.rootfs.diff_ids ?? [];
  return {
    id: manifest.config.digest,
    architecture: file.architecture,
    os: file.os,
    variant: file.variant ?? '',
    created: file.created ?? '',
    author: file.author ?? '',
    comment: file.comment ?? '',
    dockerVersion: file.docker_version ?? '',
    config: file.config ?? {},
    history: file.history ?? [],
    diffIds,
    chainIds: chainIds(diffIds),
    manifest,
    manifestDescriptor,
  };
}

function withNames(body: Body, records: readonly ImageRecord[]): Image {
  const references = records.map(referenceOf).filter((reference) => reference !== null);
  const names = (digest: boolean): string[] =>
    references
      .filter((reference) => (reference.digest !== null) === digest)
      .map(familiarName)
      .sort();
  return {
    ...body,
    repoTags: names(false),
    repoDigests: names(true),
    records,
    lastTaggedAt: latest(records),
  };
}

function latest(records: readonly ImageRecord[]): bigint {
  let last = 0n;
  for (const { updatedAt } of records) if (updatedAt > last) last = updatedAt;
  return last;
}

/** How a reference can be meant: as a whole id, as a name, as the beginning of an id. In this order. */
export function findImage(images: readonly Image[], ref: string): Image {
  const wholeId = /^(?:sha256:)?([0-9a-f]{64})$/.exec(ref)?.[1];
  if (wholeId !== undefined) {
    const image = images.find(({ id }) => id === `sha256:${wholeId}`);
    if (image) return image;
    throw noSuchImage(`sha256:${wholeId}`);
  }
  const prefix = /^(?:sha256:)?([0-9a-f]{1,63})$/.exec(ref)?.[1];
  if (prefix !== undefined && ref.startsWith('sha256:')) return byPrefix(images, prefix, ref);
  const reference = withDefaultTag(parseReference(ref));
  const name = fullName(reference);
  const named = images.find(({ records }) => records.some((record) => record.name === name));
  if (named) return named;
  if (prefix !== undefined) return byPrefix(images, prefix, familiarName(reference));
  throw noSuchImage(familiarName(reference));
}

function byPrefix(images: readonly Image[], prefix: string, shown: string): Image {
  const found = images.filter(({ id }) => id.startsWith(`sha256:${prefix}`));
  if (found.length > 1)
    throw conflict('ambiguous_id', `image id "${prefix}" is ambiguous: ${found.length} images begin so`);
  const [image] = found;
  if (!image) throw noSuchImage(shown);
  return image;
}

/** Was the image asked for by (part of) its id rather than by a name? */
export function isIdReference(image: Image, ref: string): boolean {
  return /^(?:sha256:)?[0-9a-f]+$/.test(ref) && image.id.startsWith(ref.startsWith('sha256:') ? ref : `sha256:${ref}`);
}
