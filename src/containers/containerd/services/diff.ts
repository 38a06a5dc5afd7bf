import type { Channel } from '../wire/index.ts';
import { type Descriptor, descriptorOf, type WireDescriptor } from './descriptor.ts';
import type { Mount } from './mounts.ts';

const SERVICE = 'diff.v1.Diff';
const SLOW = { deadlineMs: 1_800_000 } as const;

/** Layers as archives: into a file tree and out of it. */
export class DiffService {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Unpacks a layer (tar, gzip or zstd by its media type) onto the mounts; the answer is the uncompressed archive. */
  async apply(layer: Descriptor, mounts: readonly Mount[], options: { lease?: string } = {}): Promise<Descriptor> {
    const call = { service: SERVICE, method: 'Apply', what: `unpack layer "${layer.digest}"` };
    const answer = await this.#channel.unary<{ applied: WireDescriptor }>(
      call,
      { diff: layer, mounts },
      { ...SLOW, lease: options.lease },
    );
    return descriptorOf(answer.applied);
  }

  /** Writes what `upper` has beyond `lower` into the content store, as a layer of that media type. */
  async diff(
    lower: readonly Mount[],
    upper: readonly Mount[],
    options: { mediaType: string; ref: string; labels?: Readonly<Record<string, string>>; lease?: string },
  ): Promise<Descriptor> {
    const { lease, ...rest } = options;
    const call = { service: SERVICE, method: 'Diff', what: `pack layer "${options.ref}"` };
    const answer = await this.#channel.unary<{ diff: WireDescriptor }>(
      call,
      { left: lower, right: upper, ...rest },
      { ...SLOW, lease },
    );
    return descriptorOf(answer.diff);
  }
}
