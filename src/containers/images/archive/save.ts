import { Readable } from 'node:stream';
import { type Pack, pack as tarPack } from 'tar-stream';
import type { Descriptor } from '../../containerd/index.ts';
import type { ImageEngine } from '../blobs/index.ts';
import { familiarName, type Manifest, MEDIA_TYPE, parseReference } from '../format/index.ts';

export interface ImageToSave {
  readonly manifest: Manifest;
  readonly manifestDescriptor: Descriptor;
  /** In full; without any the archive holds the image under no name. */
  readonly names: readonly string[];
}

const MTIME = new Date(0);

/** An archive that both `docker load` and OCI tools read. Blobs that images share are in it once. */
export function saveArchive(engine: Pick<ImageEngine, 'content'>, images: readonly ImageToSave[]): Readable {
  const pack = tarPack();
  const writing = writeAll(pack, engine, images);
  writing.catch((error: unknown) => pack.destroy(error instanceof Error ? error : new Error(String(error))));
  return Readable.from(pack as AsyncIterable<Buffer>, { objectMode: false });
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

async function writeAll(
  pack: Pack,
  engine: Pick<ImageEngine, 'content'>,
  images: readonly ImageToSave[],
): Promise<void> {
  pack.entry({ name: 'blobs/', type: 'directory', mode: 0o755, mtime: MTIME });
  pack.entry({ name: 'blobs/sha256/', type: 'directory', mode: 0o755, mtime: MTIME });
  const written = new Set<string>();
  for (const { manifest, manifestDescriptor } of images) {
    for (const blob of [manifestDescriptor, manifest.config, ...manifest.layers]) {
      if (written.has(blob.digest)) continue;
      written.add(blob.digest);
      await writeBlob(pack, engine, blob);
    }
  }
  writeJson(pack, 'index.json', index(images));
  writeJson(pack, 'manifest.json', dockerTable(images));
  writeJson(pack, 'oci-layout', { imageLayoutVersion: '1.0.0' });
  pack.finalize();
}

async function writeBlob(pack: Pack, engine: Pick<ImageEngine, 'content'>, blob: Descriptor): Promise<void> {
  const header = { name: blobPath(blob.digest), size: blob.size, mode: 0o644, mtime: MTIME };
  const ended = Promise.withResolvers<void>();
  // It fails also while nobody waits for it.
  ended.promise.catch(() => {});
  const entry = pack.entry(header, (error) => (error ? ended.reject(error) : ended.resolve()));
  entry.on('error', ended.reject);
  entry.on('close', () => ended.reject(new Error('the reader of the archive has gone')));
  for await (const chunk of engine.content.read(blob.digest)) {
    if (entry.write(chunk)) continue;
    const drained = new Promise<void>((resolve) => entry.once('drain', resolve));
    await Promise.race([drained, ended.promise]);
  }
  entry.end(null);
  await ended.promise;
}

function writeJson(pack: Pack, name: string, value: unknown): void {
  pack.entry({ name, mode: 0o644, mtime: MTIME }, JSON.stringify(value));
}

function index(images: readonly ImageToSave[]): object {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: images.flatMap(({ manifestDescriptor, names }) => {
      if (names.length === 0) return [manifestDescriptor];
      return names.map((name) => ({
        ...manifestDescriptor,
        annotations: {
          'io.containerd.image.name': name,
          'org.opencontainers.image.ref.name': parseReference(name).tag ?? '',
        },
      }));
    }),
  };
}

function dockerTable(images: readonly ImageToSave[]): object[] {
  return images.map(({ manifest, names }) => ({
    Config: blobPath(manifest.config.digest),
    RepoTags: names.length === 0 ? null : names.map((name) => familiarName(parseReference(name))),
    Layers: manifest.layers.map((layer) => blobPath(layer.digest)),
  }));
}
