import { invalid, rfc3339Nano } from '../../../base/index.ts';
import type { Descriptor } from '../../containerd/index.ts';
import type { LeasedBlobs } from '../blobs/index.ts';
import { type ImageConfigFile, MEDIA_TYPE, type Platform } from '../format/index.ts';
import { applyChanges } from './changes.ts';
import { decompressed } from './decompress.ts';
import { writeManifest } from './interpret.ts';

export interface ImportedTree {
  readonly changes: readonly string[];
  readonly message: string;
  readonly platform: Platform;
  /** Nanoseconds since the epoch. */
  readonly created: bigint;
  readonly signal?: AbortSignal | undefined;
}

/** Makes an image of one layer out of a tar of a whole file tree. */
export async function importTree(
  source: AsyncIterable<Uint8Array>,
  blobs: LeasedBlobs,
  options: ImportedTree,
): Promise<Descriptor> {
  // The changes come first: a mistake in them is cheaper to find than the layer is to read.
  const config = applyChanges({}, options.changes);
  const layer = await blobs.writeStream(await decompressed(source), { signal: options.signal });
  if (layer.size === 0) throw invalid('empty_archive', 'cannot import image: the archive is empty');
  const created = rfc3339Nano(options.created);
  const comment = options.message || 'Imported from -';
  const { os, architecture, variant } = options.platform;
  const file: ImageConfigFile = {
    architecture,
    os,
    ...(variant !== undefined && { variant }),
    created,
    comment,
    config,
    history: [{ created, comment }],
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  };
  const written = await blobs.writeBytes(Buffer.from(JSON.stringify(file)));
  return writeManifest(
    {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.dockerManifest,
      config: { mediaType: MEDIA_TYPE.dockerConfig, ...written },
      layers: [{ mediaType: MEDIA_TYPE.dockerLayer, ...layer }],
    },
    blobs,
  );
}
