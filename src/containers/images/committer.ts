import { isKind, newId, rfc3339Nano } from '../../base/index.ts';
import type { Descriptor } from '../containerd/index.ts';
import { applyChanges, writeManifest } from './archive/index.ts';
import type { ImageEngine, LeasedBlobs } from './blobs/index.ts';
import type { Image } from './catalog.ts';
import { type ImageConfigFile, type ImageRunConfig, MEDIA_TYPE, type Platform } from './format/index.ts';

export interface CommitOptions {
  /** The image under the file tree; null for a tree on nothing. */
  readonly parent: Image | null;
  /** What containers of the new image start with, before `changes`. */
  readonly config: ImageRunConfig;
  /** Dockerfile instructions. */
  readonly changes?: readonly string[];
  readonly comment?: string;
  readonly author?: string;
  /** The command that made the changes, for the history. */
  readonly createdBy?: string;
}

/** Makes an image out of a container's file tree: the parent's layers and one more. */
export async function commitTree(
  engine: ImageEngine,
  blobs: LeasedBlobs,
  key: string,
  options: CommitOptions & { readonly platform: Platform; readonly created: bigint },
): Promise<Descriptor> {
  const { parent } = options;
  const config = applyChanges(options.config, options.changes ?? []);
  const layer = await packLayer(engine, blobs, key, parent);
  const created = rfc3339Nano(options.created);
  const { comment = '', author = '', createdBy = '' } = options;
  const file: ImageConfigFile = {
    architecture: parent?.architecture || options.platform.architecture,
    os: parent?.os || options.platform.os,
    ...(parent?.variant && { variant: parent.variant }),
    created,
    ...(author && { author }),
    ...(comment && { comment }),
    config,
    history: [
      ...(parent?.history ?? []),
      { created, ...(author && { author }), ...(createdBy && { created_by: createdBy }), ...(comment && { comment }) },
    ],
    rootfs: { type: 'layers', diff_ids: [...(parent?.diffIds ?? []), layer.digest] },
  };
  const written = await blobs.writeBytes(Buffer.from(JSON.stringify(file)));
  return writeManifest(
    {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: { mediaType: MEDIA_TYPE.ociConfig, ...written },
      layers: [...(parent?.manifest.layers ?? []), layer],
    },
    blobs,
  );
}

/** The difference to the parent. Uncompressed, so that its digest is also the layer's diff id. */
async function packLayer(
  engine: ImageEngine,
  blobs: LeasedBlobs,
  key: string,
  parent: Image | null,
): Promise<Descriptor> {
  const { snapshots, diff } = engine;
  const below = `commit-${newId().slice(0, 16)}`;
  const top = parent?.chainIds.at(-1);
  const lower = await snapshots.view(below, { lease: blobs.lease, ...(top !== undefined && { parent: top }) });
  try {
    const upper = await snapshots.mounts(key);
    return await diff.diff(lower, upper, {
      mediaType: MEDIA_TYPE.ociLayer,
      ref: `${blobs.lease}-${below}`,
      lease: blobs.lease,
    });
  } finally {
    await snapshots.remove(below).catch((error) => {
      if (!isKind(error, 'notFound')) throw error;
    });
  }
}
