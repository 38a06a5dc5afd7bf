import { invalid, messageOf } from '../../../base/index.ts';
import type { Descriptor } from '../../containerd/index.ts';
import type { ImageEngine, LeasedBlobs } from '../blobs/index.ts';
import {
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
  readonly platform: Platform;
}

/** Finds the images of a Docker archive (`manifest.json`) or an OCI one (`index.json`) and completes their blobs. */
export async function interpretArchive(archive: StoredArchive, deps: Deps): Promise<ArchivedImage[]> {
  const docker = archive.tables.get('manifest.json');
  if (docker) return dockerImages(archive, docker, deps);
  const oci = archive.tables.get('index.json');
  if (oci) return ociImages(oci, deps);
  throw invalid('invalid_archive', 'cannot load archive: it has neither a manifest.json nor an index.json');
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
    const { rootfs } = parseConfig(await deps.engine.content.readAll(config.digest));
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
    await completeTarget(entry, deps);
    images.push({ target: bare(entry), names: annotatedNames(entry) });
  }
  return images;
}

function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** Labels the manifests below a target so that they hold their blobs; refuses one whose own platform is not there. */
async function completeTarget(target: Descriptor, { engine, platform }: Deps): Promise<void> {
  const held = async (digest: string): Promise<Buffer> => {
    if (!(await engine.content.find(digest))) {
      throw invalid('invalid_archive', `cannot load archive: it lacks the blob "${digest}"`);
    }
    return engine.content.readAll(digest);
  };
  let manifestDigest = target.digest;
  if (isIndexType(target.mediaType)) {
    const index = parseIndex(await held(target.digest));
    const labels: Record<string, string> = {};
    const present: IndexEntry[] = [];
    for (const [at, entry] of index.manifests.entries()) {
      if (!(await engine.content.find(entry.digest))) continue;
      labels[`containerd.io/gc.ref.content.m.${at}`] = entry.digest;
      present.push(entry);
    }
    await engine.content.setLabels(target.digest, labels);
    const selected = selectManifest({ ...index, manifests: present }, platform) ?? present[0];
    if (!selected) throw invalid('invalid_archive', `cannot load archive: it has no manifest of "${target.digest}"`);
    manifestDigest = selected.digest;
  }
  const manifest = parseManifest(await held(manifestDigest));
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    if (!(await engine.content.find(digest))) {
      throw invalid('invalid_archive', `cannot load archive: it lacks the blob "${digest}"`);
    }
  }
  await engine.content.setLabels(manifestDigest, gcLabels(manifest));
}

function annotatedNames(entry: Descriptor): string[] {
  const annotations = entry.annotations ?? {};
  const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'];
  // By the letter of OCI the second annotation is a bare tag, which names nothing by itself.
  if (name === undefined || (!annotations['io.containerd.image.name'] && !/[/:]/.test(name))) return [];
  return [fullName(withDefaultTag(parseReference(name)))];
}
