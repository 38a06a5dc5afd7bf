import { type Channel, nanosOf, type WireTimestamp } from '../wire/index.ts';
import { type Descriptor, descriptorOf, type WireDescriptor } from './descriptor.ts';

/** A name that points at a manifest or an index; the name keeps everything below it from garbage collection. */
export interface ImageRecord {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

export interface NewImage {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels?: Readonly<Record<string, string>>;
}

interface WireImage {
  readonly name: string;
  readonly target: WireDescriptor;
  readonly labels: Record<string, string>;
  readonly createdAt: WireTimestamp | null;
  readonly updatedAt: WireTimestamp | null;
}

const SERVICE = 'images.v1.Images';

function imageOf(wire: WireImage): ImageRecord {
  return {
    name: wire.name,
    target: descriptorOf(wire.target),
    labels: wire.labels,
    createdAt: nanosOf(wire.createdAt),
    updatedAt: nanosOf(wire.updatedAt),
  };
}

export class ImagesService {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  async get(name: string): Promise<ImageRecord> {
    const call = { service: SERVICE, method: 'Get', what: `inspect image "${name}"` };
    const { image } = await this.#channel.unary<{ image: WireImage }>(call, { name });
    return imageOf(image);
  }

  async list(filters: readonly string[] = []): Promise<ImageRecord[]> {
    const call = { service: SERVICE, method: 'List', what: 'list images' };
    const { images } = await this.#channel.unary<{ images: WireImage[] }>(call, { filters });
    return images.map(imageOf);
  }

  async create(image: NewImage): Promise<ImageRecord> {
    const call = { service: SERVICE, method: 'Create', what: `create image "${image.name}"` };
    const { image: created } = await this.#channel.unary<{ image: WireImage }>(call, {
      image: { labels: {}, ...image },
    });
    return imageOf(created);
  }

  /** Points the name at another target, labels included. */
  async update(image: NewImage): Promise<ImageRecord> {
    const call = { service: SERVICE, method: 'Update', what: `update image "${image.name}"` };
    const { image: updated } = await this.#channel.unary<{ image: WireImage }>(call, {
      image: { labels: {}, ...image },
      updateMask: { paths: ['target', 'labels'] },
    });
    return imageOf(updated);
  }

  /** `sync` waits until the garbage collector has freed what nothing else needs. */
  async delete(name: string, options: { readonly sync?: boolean } = {}): Promise<void> {
    const call = { service: SERVICE, method: 'Delete', what: `delete image "${name}"` };
    await this.#channel.unary(call, { name, sync: options.sync ?? false }, { deadlineMs: 600_000 });
  }
}
