import { invalid, messageOf } from '../../../base/index.ts';
import type { Descriptor } from '../../containerd/index.ts';
import type { ImageEngine, LeasedBlobs } from '../blobs/index.ts';
import {
  fitsPlatform,
  fullName,
  gcLabels,
  type IndexEntry,
  isIndexType,
  isManifestType,
  type Manifest,
  MEDIA_TYPE,
  type Platform,
  parseConfig,
  parseIndex,
  parseManifest,
  parseReference,
  selectManifest,
  withDefaultTag,
} from '../format/index.ts';
import type { Compression } from './decompress.ts';
import { type StoredArchive, storedFile } from './read.ts';

/** One image of an archive: what its names are to point at. */
export interface ArchivedImage {
  readonly target: Descriptor;
  /** In full: `docker.io/library/busybox:latest`. */
  readonly names: readonly string[];
}

interface Deps {
  readonly engine: ImageEngine;
  readonly blobs: LeasedBlobs;
  /** The machine's own. */
  readonly platform: Platform;
  /** Only images of this one are wanted. */
  readonly wanted?: Platform | undefined;
}

/** Finds the images of a Docker archive (`manifest.json`) or an OCI one (`index.json`) and completes their blobs. */
export async function interpretArchive(archive: StoredArchive, deps: Deps): Promise<ArchivedImage[]> {
  const docker = archive.tables.get('manifest.json');
  if (docker) return dockerImages(archive, docker, deps);
  const oci = archive.tables.get('index.json');
  if (oci) return ociImages(oci, deps);
  throw invalid('invalid_archive', 'cannot load archive: it has neither a manifest.json nor an index.json');
}

/** What is read into memory as a whole. */
const SMALL_MAX = 8 << 20;

function tooLarge(name: string): Error {
  return invalid('invalid_archive', `cannot load archive: its ${JSON.stringify(name)} is too large`);
}

interface DockerEntry {
  readonly Config: string;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function dockerEntries(bytes: Buffer): DockerEntry[] {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalid('invalid_archive', `cannot load archive: invalid manifest.json: ${messageOf(error)}`, error);
  }
  const valid = (entry: Partial<Record<string, unknown>> | null): boolean =>
    typeof entry === 'object' &&
    typeof entry?.Config === 'string' &&
    isStrings(entry.Layers ?? []) &&
    isStrings(entry.RepoTags ?? []);
  if (!Array.isArray(json) || !json.every(valid)) {
    throw invalid('invalid_archive', 'cannot load archive: invalid manifest.json: not a list of images');
  }
  return (json as DockerEntry[]).map((entry) => ({ ...entry, Layers: entry.Layers ?? [] }));
}

const LAYER_TYPES: Readonly<Record<Compression, string>> = {
  none: MEDIA_TYPE.dockerLayer,
  gzip: MEDIA_TYPE.dockerLayerGzip,
  zstd: MEDIA_TYPE.ociLayerZstd,
};

async function dockerImages(archive: StoredArchive, bytes: Buffer, deps: Deps): Promise<ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  for (const entry of dockerEntries(bytes)) {
    const config = found(archive, entry.Config);
    if (config.size > SMALL_MAX) throw tooLarge(entry.Config);
    const { rootfs, ...platform } = parseConfig(await deps.engine.content.readAll(config.digest));
    if (deps.wanted && !fitsPlatform(platform, deps.wanted)) continue;
    const expected = rootfs.diff_ids?.length ?? 0;
    if (expected !== entry.Layers.length) {
      throw invalid(
        'invalid_archive',
        `invalid manifest, layers length mismatch: expected ${expected}, got ${entry.Layers.length}`,
      );
    }
    const layers = entry.Layers.map((path) => {
      const { digest, size, compression } = found(archive, path);
      return { mediaType: LAYER_TYPES[compression], digest, size };
    });
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.dockerManifest,
      config: { mediaType: MEDIA_TYPE.dockerConfig, digest: config.digest, size: config.size },
      layers,
    };
    const names = (entry.RepoTags ?? []).map((name) => fullName(withDefaultTag(parseReference(name))));
    images.push({ target: await writeManifest(manifest, deps.blobs), names });
  }
  return images;
}

/** Stores a manifest of our own making. */
export async function writeManifest(manifest: Manifest, blobs: LeasedBlobs): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(manifest));
  const written = await blobs.writeBytes(bytes, gcLabels(manifest));
  return { mediaType: manifest.mediaType ?? MEDIA_TYPE.ociManifest, ...written };
}

function found(archive: StoredArchive, path: string): NonNullable<ReturnType<typeof storedFile>> {
  const file = storedFile(archive, path);
  if (!file) throw invalid('invalid_archive', `cannot load archive: it lacks the file "${path}" that its table names`);
  return file;
}

async function ociImages(bytes: Buffer, deps: Deps): Promise<ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  for (const entry of parseIndex(bytes).manifests) {
    if (!isIndexType(entry.mediaType) && !isManifestType(entry.mediaType)) continue;
    const target = await completeTarget(entry, deps);
    if (target) images.push({ target, names: annotatedNames(entry) });
  }
  return images;
}

function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/**
 * Finds the one manifest that a target means here (the wanted platform's, the machine's, or whatever there is) and labels it
 * so that it holds its blobs. Null when there is none of the wanted platform.
 */
async function completeTarget(target: Descriptor, deps: Deps): Promise<Descriptor | null> {
  const { engine, wanted } = deps;
  const held = async (digest: string): Promise<Buffer> => {
    const blob = await engine.content.find(digest);
    if (!blob) throw invalid('invalid_archive', `cannot load archive: it lacks the blob "${digest}"`);
    if (blob.size > SMALL_MAX) throw tooLarge(digest);
    return engine.content.readAll(digest);
  };
  const chosen = isIndexType(target.mediaType) ? await selectPresent(await held(target.digest), target, deps) : target;
  if (!chosen) return null;
  const manifest = parseManifest(await held(chosen.digest));
  const config = parseConfig(await held(manifest.config.digest));
  if (wanted && !fitsPlatform(config, wanted)) return null;
  for (const { digest } of manifest.layers) {
    if (!(await engine.content.find(digest))) {
      throw invalid('invalid_archive', `cannot load archive: it lacks the blob "${digest}"`);
    }
  }
  await engine.content.setLabels(chosen.digest, gcLabels(manifest));
  return bare(chosen);
}

async function selectPresent(bytes: Buffer, target: Descriptor, deps: Deps): Promise<IndexEntry | null> {
  const index = parseIndex(bytes);
  const present: IndexEntry[] = [];
  for (const entry of index.manifests) {
    const attached = entry.platform?.os === 'unknown';
    if (!attached && (await deps.engine.content.find(entry.digest))) present.push(entry);
  }
  const selected = selectManifest({ ...index, manifests: present }, deps.wanted ?? deps.platform);
  if (selected || deps.wanted) return selected ?? null;
  if (present[0]) return present[0];
  throw invalid('invalid_archive', `cannot load archive: it has no manifest of "${target.digest}"`);
}

function annotatedNames(entry: Descriptor): string[] {
  const annotations = entry.annotations ?? {};
  const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'];
  // By the letter of OCI the second annotation is a bare tag, which names nothing by itself.
  if (name === undefined || (!annotations['io.containerd.image.name'] && !/[/:]/.test(name))) return [];
  return [fullName(withDefaultTag(parseReference(name)))];
}
