import { ifFound, invalid, isKind, type Log, messageOf, newId, Serial } from '../../base/index.ts';
import type { Descriptor, Mount } from '../containerd/index.ts';
import type { ImageEngine } from './blobs/index.ts';
import type { Image } from './catalog.ts';
import { MEDIA_TYPE } from './format/index.ts';

export interface UnpackOptions {
  /** Holds what is made until a name does. */
  readonly lease?: string;
  /** Resolves when the layer's blob is in the store; layers are unpacked while others are still on their way. */
  readonly ready?: (layer: Descriptor) => Promise<void>;
  /** A layer that was not unpacked before is about to be. */
  readonly onStart?: (layer: Descriptor, diffId: string) => void;
  readonly onDone?: (layer: Descriptor, diffId: string) => void;
}

type Unpackable = Pick<Image, 'diffIds' | 'chainIds' | 'manifest'>;

/** The label by which containerd takes a snapshot for needed although no record names it. */
const GC_ROOT = 'containerd.io/gc.root';

/** Turns layers into snapshots: one for each stack of layers, shared by all images that begin with it. */
export class Unpacker {
  readonly #engine: ImageEngine;
  readonly #log: Log;
  readonly #serial = new Serial();
  readonly #sizes = new Map<string, number>();
  /** Configurations that are known to hold their snapshot. */
  readonly #labelled = new Set<string>();

  constructor(deps: { engine: ImageEngine; log: Log }) {
    this.#engine = deps.engine;
    this.#log = deps.log;
  }

  /** Makes the image's snapshots where they are missing. Refuses a layer whose content is not what the image says. */
  async ensureUnpacked(image: Unpackable, options: UnpackOptions = {}): Promise<void> {
    const { chainIds, diffIds, manifest } = image;
    if (diffIds.length !== manifest.layers.length) {
      throw invalid(
        'invalid_image',
        `invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${manifest.layers.length}`,
      );
    }
    const top = chainIds.at(-1);
    if (top === undefined) return;
    const complete = await this.#isHere(top, options.lease);
    for (const [index, layer] of manifest.layers.entries()) {
      const chainId = chainIds[index];
      const diffId = diffIds[index];
      if (chainId === undefined || diffId === undefined) break;
      await options.ready?.(layer);
      if (!complete) {
        const step = { layer, diffId, chainId, parent: chainIds[index - 1] };
        await this.#serial.run(chainId, () => this.#unpack(step, options));
      }
      options.onDone?.(layer, diffId);
    }
    // A blob that has come back since was written under a lease, so only then is the label in doubt.
    if (options.lease === undefined && this.#labelled.has(manifest.config.digest)) return;
    const label = `containerd.io/gc.ref.snapshot.${this.#engine.snapshots.snapshotter}`;
    await this.#engine.content.setLabels(manifest.config.digest, { [label]: top });
    this.#labelled.add(manifest.config.digest);
  }

  /** A writable file tree on top of the image. Garbage collection leaves it until `removeRootfs`. */
  async prepareRootfs(
    key: string,
    image: Unpackable | null,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<Mount[]> {
    const prepare = (): Promise<Mount[]> => this.#prepare(key, image?.chainIds.at(-1), labels);
    if (!image) return prepare();
    if (this.#labelled.has(image.manifest.config.digest)) {
      // Unpacked before, so most likely still: one question less.
      try {
        return await prepare();
      } catch (error) {
        if (!isKind(error, 'notFound')) throw error;
      }
    }
    await this.ensureUnpacked(image);
    return prepare();
  }

  async #prepare(key: string, parent: string | undefined, labels: Readonly<Record<string, string>>): Promise<Mount[]> {
    const { snapshots } = this.#engine;
    try {
      return await snapshots.prepare(key, { parent, labels: { ...labels, [GC_ROOT]: new Date(0).toISOString() } });
    } catch (error) {
      if (!isKind(error, 'conflict')) throw error;
      return snapshots.mounts(key);
    }
  }

  /** One that is not there is as good. */
  async removeRootfs(key: string): Promise<void> {
    await ifFound(this.#engine.snapshots.remove(key));
  }

  /** Bytes of each layer on disk, from the bottom; zero for one that is not unpacked. */
  async layerSizes(image: Unpackable): Promise<number[]> {
    const sizes: number[] = [];
    for (const chainId of image.chainIds) {
      let size = this.#sizes.get(chainId);
      if (size === undefined) {
        size = await this.#measure(chainId);
        if (size !== undefined) this.#sizes.set(chainId, size);
      }
      sizes.push(size ?? 0);
    }
    return sizes;
  }

  /** Forgets what is known of images that are gone. */
  forgetAllBut(images: readonly Unpackable[]): void {
    const kept = new Set(images.flatMap(({ chainIds }) => chainIds));
    for (const chainId of this.#sizes.keys()) if (!kept.has(chainId)) this.#sizes.delete(chainId);
    const configs = new Set(images.map(({ manifest }) => manifest.config.digest));
    for (const digest of this.#labelled) if (!configs.has(digest)) this.#labelled.delete(digest);
  }

  async #measure(chainId: string): Promise<number | undefined> {
    return (await ifFound(this.#engine.snapshots.usage(chainId)))?.size;
  }

  /** From here on the lease holds it, too: another client may be removing the image that it came with. */
  async #isHere(chainId: string, lease: string | undefined): Promise<boolean> {
    const { leases, snapshots } = this.#engine;
    if (lease !== undefined) {
      await leases.addResource(lease, { id: chainId, type: `snapshots/${snapshots.snapshotter}` });
    }
    return this.#exists(chainId);
  }

  async #exists(key: string): Promise<boolean> {
    try {
      await this.#engine.snapshots.stat(key);
      return true;
    } catch (error) {
      if (isKind(error, 'notFound')) return false;
      throw error;
    }
  }

  async #unpack(
    step: { layer: Descriptor; diffId: string; chainId: string; parent: string | undefined },
    { lease, onStart }: UnpackOptions,
  ): Promise<void> {
    const { layer, diffId, chainId, parent } = step;
    if (await this.#isHere(chainId, lease)) return;
    onStart?.(layer, diffId);
    const { snapshots, diff } = this.#engine;
    const key = `extract-${newId().slice(0, 16)} ${chainId}`;
    const mounts = await snapshots.prepare(key, { parent, lease });
    try {
      const applied = await diff.apply(forContainerd(layer), mounts, lease === undefined ? {} : { lease });
      if (applied.digest !== diffId) {
        throw invalid(
          'layer_mismatch',
          `layer "${layer.digest}" holds "${applied.digest}" where the image says "${diffId}"`,
        );
      }
      await snapshots.commit(chainId, key, { lease });
    } catch (error) {
      await snapshots.remove(key).catch((failure) => {
        this.#log.warn({ key, reason: messageOf(failure) }, 'an unfinished snapshot stays until the garbage collector');
      });
      // Another client of the same namespace was faster.
      if (isKind(error, 'conflict') && (await this.#exists(chainId))) return;
      throw error;
    }
  }
}

/** containerd unpacks Docker's zstd layers under OCI's name for them only. */
function forContainerd(layer: Descriptor): Descriptor {
  const mediaType = layer.mediaType === MEDIA_TYPE.dockerLayerZstd ? MEDIA_TYPE.ociLayerZstd : layer.mediaType;
  const { digest, size } = layer;
  return { mediaType, digest, size };
}
