import { newId } from '../../../base/index.ts';
import type { ImageEngine } from './engine.ts';

/** All of our leases begin so. */
export const LEASE_PREFIX = 'fairway-';

/** Should we die in between, containerd ends the lease after this time and frees what nothing names. */
const LEASE_MS = 24 * 3_600_000;

/** Blobs written under one lease. `release` when names hold what is to stay. */
export class LeasedBlobs {
  readonly lease: string;
  readonly #engine: ImageEngine;
  #next = 0;

  private constructor(engine: ImageEngine, lease: string) {
    this.#engine = engine;
    this.lease = lease;
  }

  static async open(engine: ImageEngine, now: number): Promise<LeasedBlobs> {
    const id = `${LEASE_PREFIX}${newId().slice(0, 24)}`;
    await engine.leases.create({ id, expiresAt: new Date(now + LEASE_MS) });
    return new LeasedBlobs(engine, id);
  }

  /** `collect` waits until what no name holds is gone: for work that failed. */
  async release(options: { readonly collect?: boolean } = {}): Promise<void> {
    await this.#engine.leases.delete(this.lease, { sync: options.collect ?? false });
  }

  /** Runs the work under a lease of its own. */
  static async during<T>(engine: ImageEngine, now: number, work: (blobs: LeasedBlobs) => Promise<T>): Promise<T> {
    const blobs = await LeasedBlobs.open(engine, now);
    let failed = true;
    try {
      const result = await work(blobs);
      failed = false;
      return result;
    } finally {
      await blobs.release({ collect: failed });
    }
  }

  /** True when the blob is there; then the lease holds it too. */
  async hold(digest: string): Promise<boolean> {
    if (!(await this.#engine.content.find(digest))) return false;
    await this.#engine.leases.addResource(this.lease, { id: digest, type: 'content' });
    // It may have been collected just before the lease held it.
    return (await this.#engine.content.find(digest)) !== null;
  }

  /** Stores a stream; a blob that is there already (by `expected`) is kept and the stream read to its end. */
  async writeStream(
    source: AsyncIterable<Uint8Array>,
    options: { expected?: string; labels?: Record<string, string>; signal?: AbortSignal | undefined } = {},
  ): Promise<{ digest: string; size: number }> {
    if (options.expected !== undefined && (await this.hold(options.expected))) {
      let size = 0;
      for await (const chunk of source) size += chunk.length;
      if (options.labels) await this.#engine.content.setLabels(options.expected, options.labels);
      return { digest: options.expected, size };
    }
    this.#next += 1;
    const written = await this.#engine.content.write(source, {
      ...options,
      ref: `${this.lease}-${this.#next}`,
      lease: this.lease,
    });
    // When the same bytes were there already, the commit told so and the lease does not hold them yet.
    await this.hold(written.digest);
    if (options.labels) await this.#engine.content.setLabels(written.digest, options.labels);
    return written;
  }

  async writeBytes(bytes: Buffer, labels: Record<string, string> = {}): Promise<{ digest: string; size: number }> {
    return this.writeStream(once(bytes), { labels });
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
