import { pack as tarPack } from 'tar-stream';
import { digestOf, type ImageRunConfig } from '../format/index.ts';

export interface TarFile {
  readonly name: string;
  readonly data?: Buffer | string;
  readonly mode?: number;
  readonly link?: string;
}

/** A tar in memory. A name with a slash at its end is a folder. */
export async function tarOf(files: readonly TarFile[]): Promise<Buffer> {
  const pack = tarPack();
  for (const { name, data = '', mode, link } of files) {
    const mtime = new Date(0);
    if (link !== undefined) pack.entry({ name, type: 'symlink', linkname: link, mtime });
    else if (name.endsWith('/')) pack.entry({ name, type: 'directory', mode: mode ?? 0o755, mtime });
    else pack.entry({ name, mode: mode ?? 0o644, mtime }, data);
  }
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface TestImage {
  readonly tags?: readonly string[];
  readonly layers: readonly Buffer[];
  readonly config?: ImageRunConfig;
  readonly created?: string;
  readonly author?: string;
}

/** The configuration blob of a test image. */
export function configOf({ layers, config = {}, created = '2024-01-02T03:04:05Z', author = '' }: TestImage): Buffer {
  return Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      created,
      author,
      config,
      history: layers.map((_, index) => ({ created, created_by: `layer ${index}` })),
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
    }),
  );
}

/** What `docker save` writes. `pack` may compress a layer. */
export async function dockerArchive(
  images: readonly TestImage[],
  pack: (layer: Buffer) => Buffer = (layer) => layer,
): Promise<Buffer> {
  const files: TarFile[] = [];
  const table: object[] = [];
  for (const image of images) {
    const config = configOf(image);
    const name = `${digestOf(config).slice('sha256:'.length)}.json`;
    files.push({ name, data: config });
    const layers = image.layers.map((layer) => {
      const path = `${digestOf(layer).slice('sha256:'.length)}/layer.tar`;
      files.push({ name: path, data: pack(layer) });
      return path;
    });
    table.push({ Config: name, RepoTags: image.tags ?? null, Layers: layers });
  }
  return tarOf([...files, { name: 'manifest.json', data: JSON.stringify(table) }]);
}

/** Bytes as a stream of small pieces. */
export async function* streamOf(bytes: Buffer, size = 65_536): AsyncGenerator<Buffer, void, undefined> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
