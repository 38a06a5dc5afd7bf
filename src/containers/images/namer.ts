import { type Emitter, isKind, Serial } from '../../base/index.ts';
import type { Descriptor, ImageRecord } from '../containerd/index.ts';
import type { ImageEngine } from './blobs/index.ts';
import { type Catalog, danglingName, type Image, isDanglingName } from './catalog.ts';

export type ImageAction = 'delete' | 'import' | 'load' | 'pull' | 'push' | 'save' | 'tag' | 'untag' | 'prune';

export interface ImageEvent {
  readonly action: ImageAction;
  /** Image id, for `pull` and `push` the reference. */
  readonly id: string;
  /** The `name` attribute. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type ImageEvents = Emitter<ImageEvent>;

/** Gives names to images and takes them away, so that an image never vanishes by losing its name to another. */
export class Namer {
  readonly #engine: ImageEngine;
  readonly #catalog: Catalog;
  readonly #serial = new Serial<'names'>();

  constructor(deps: { engine: ImageEngine; catalog: Catalog }) {
    this.#engine = deps.engine;
    this.#catalog = deps.catalog;
  }

  /**
   * Points a name (in full) at a manifest or index. The image that had the name before stays, without a name if it was
   * its last. Resolves to that image's id, null when nobody lost the name.
   */
  assign(name: string, target: Descriptor): Promise<string | null> {
    return this.#serial.run('names', () => this.#assign(name, target));
  }

  async #assign(name: string, target: Descriptor): Promise<string | null> {
    const images = await this.#catalog.list();
    const holder = images.find(({ records }) => records.some((record) => record.name === name));
    const mine = await this.#catalog.read(target);
    const displaced = holder && holder.id !== mine.id ? holder : null;
    if (displaced) await this.#keepWithout(displaced, name);
    await this.#put(name, target);
    await this.#dropDangling(mine.id);
    return displaced?.id ?? null;
  }

  /** Keeps an image that has no name. Does nothing when it has one. */
  keepDangling(target: Descriptor): Promise<void> {
    return this.#serial.run('names', async () => {
      const { id } = await this.#catalog.read(target);
      const image = (await this.#catalog.list()).find((one) => one.id === id);
      if (!image) await this.#put(danglingName(target.digest), target);
    });
  }

  /** Takes names away; the last one takes the image with it once containerd has collected. */
  remove(records: readonly ImageRecord[]): Promise<void> {
    return this.#serial.run('names', () => this.#remove(records));
  }

  /** Takes one name away and keeps the image. */
  untag(image: Image, record: ImageRecord): Promise<void> {
    return this.#serial.run('names', async () => {
      await this.#keepWithout(image, record.name);
      await this.#remove([record]);
    });
  }

  async #remove(records: readonly ImageRecord[]): Promise<void> {
    for (const [index, record] of records.entries()) {
      try {
        await this.#engine.images.delete(record.name, { sync: index === records.length - 1 });
      } catch (error) {
        if (!isKind(error, 'notFound')) throw error;
      }
    }
  }

  async #keepWithout(image: Image, name: string): Promise<void> {
    const others = image.records.filter((record) => record.name !== name);
    const target = image.records.find((record) => record.name === name)?.target;
    if (others.length === 0 && target) await this.#put(danglingName(target.digest), target);
  }

  async #dropDangling(id: string): Promise<void> {
    const image = (await this.#catalog.list()).find((one) => one.id === id);
    const dangling = image?.records.filter((record) => isDanglingName(record.name)) ?? [];
    if (image && dangling.length < image.records.length) await this.#remove(dangling);
  }

  async #put(name: string, target: Descriptor): Promise<void> {
    try {
      await this.#engine.images.create({ name, target });
    } catch (error) {
      if (!isKind(error, 'conflict')) throw error;
      await this.#engine.images.update({ name, target });
    }
  }
}
