import { type Channel, ContainerdError, type Duplex, GRPC, nanosOf, type WireTimestamp } from '../wire/index.ts';

export interface ContentInfo {
  readonly digest: string;
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: bigint;
}

export interface IngestOptions {
  /** Names the unfinished upload: the same ref continues where it stopped. */
  readonly ref: string;
  /** `sha256:…`; a different result is refused. */
  readonly expected?: string | undefined;
  readonly total?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly lease?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface WireInfo {
  readonly digest: string;
  readonly size: string;
  readonly labels: Record<string, string>;
  readonly createdAt: WireTimestamp | null;
}

interface WireWrite {
  readonly offset: string;
  readonly digest: string;
}

const SERVICE = 'content.v1.Content';

/** gRPC messages of containerd end at 16 MiB; one of these keeps both sides busy enough. */
const CHUNK = 1 << 20;

function infoOf(wire: WireInfo): ContentInfo {
  return {
    digest: wire.digest,
    size: Number(wire.size),
    labels: wire.labels,
    createdAt: nanosOf(wire.createdAt),
  };
}

/** Blobs by digest. */
export class ContentService {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  async info(digest: string): Promise<ContentInfo> {
    const call = { service: SERVICE, method: 'Info', what: `inspect content "${digest}"` };
    const { info } = await this.#channel.unary<{ info: WireInfo }>(call, { digest });
    return infoOf(info);
  }

  /** Like `info`, and null for what is not there. */
  async find(digest: string): Promise<ContentInfo | null> {
    try {
      return await this.info(digest);
    } catch (error) {
      if (error instanceof ContainerdError && error.grpcCode === GRPC.NOT_FOUND) return null;
      throw error;
    }
  }

  async list(filters: readonly string[] = []): Promise<ContentInfo[]> {
    const found: ContentInfo[] = [];
    const call = { service: SERVICE, method: 'List', what: 'list content' };
    for await (const { info } of this.#channel.stream<{ info: WireInfo[] }>(call, { filters })) {
      found.push(...info.map(infoOf));
    }
    return found;
  }

  /** Sets these labels and keeps the others; an empty value takes one away. */
  async setLabels(digest: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const call = { service: SERVICE, method: 'Update', what: `label content "${digest}"` };
    const paths = Object.keys(labels).map((label) => `labels.${label}`);
    await this.#channel.unary(call, { info: { digest, labels }, updateMask: { paths } });
  }

  async delete(digest: string): Promise<void> {
    await this.#channel.unary({ service: SERVICE, method: 'Delete', what: `delete content "${digest}"` }, { digest });
  }

  /** The bytes from `offset` on, in chunks as they come. */
  async *read(
    digest: string,
    options: { readonly offset?: number; readonly size?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Buffer, void, undefined> {
    const call = { service: SERVICE, method: 'Read', what: `read content "${digest}"` };
    const request = { digest, offset: options.offset ?? 0, size: options.size ?? 0 };
    for await (const { data } of this.#channel.stream<{ data: Buffer }>(call, request, { signal: options.signal })) {
      yield data;
    }
  }

  /** A whole blob in memory; refuses one larger than `limit` bytes. */
  async readAll(digest: string, limit = 8 << 20): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.read(digest)) {
      size += chunk.length;
      if (size > limit) throw new RangeError(`content "${digest}" is larger than ${limit} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** How far an unfinished upload has come; null when there is none of that name. */
  async status(ref: string): Promise<{ offset: number; total: number } | null> {
    try {
      const { status } = await this.#channel.unary<{ status: { offset: string; total: string } }>(
        { service: SERVICE, method: 'Status', what: `inspect upload "${ref}"` },
        { ref },
      );
      return { offset: Number(status.offset), total: Number(status.total) };
    } catch (error) {
      if (error instanceof ContainerdError && error.grpcCode === GRPC.NOT_FOUND) return null;
      throw error;
    }
  }

  /** Forgets an unfinished upload; one that is not there is as good. */
  async abort(ref: string): Promise<void> {
    try {
      await this.#channel.unary({ service: SERVICE, method: 'Abort', what: `abort upload "${ref}"` }, { ref });
    } catch (error) {
      if (!(error instanceof ContainerdError && error.grpcCode === GRPC.NOT_FOUND)) throw error;
    }
  }

  /**
   * Opens an upload, new or left unfinished. Conflict when the expected blob is there already; unavailable while
   * somebody else writes under the same ref.
   */
  async openWriter(options: IngestOptions): Promise<ContentWriter> {
    const call = { service: SERVICE, method: 'Write', what: `write content "${options.expected ?? options.ref}"` };
    const duplex = this.#channel.duplex<object, WireWrite>(call, { signal: options.signal, lease: options.lease });
    try {
      const { offset } = await duplex.exchange({
        action: 'STAT',
        ref: options.ref,
        total: options.total ?? 0,
        expected: options.expected ?? '',
      });
      return new ContentWriter(duplex, options, Number(offset));
    } catch (error) {
      duplex.close();
      throw error;
    }
  }

  /** Stores a stream as one blob, from its first byte. A blob that is there already is left as it is. */
  async write(source: AsyncIterable<Uint8Array>, options: IngestOptions): Promise<{ digest: string; size: number }> {
    if (options.expected !== undefined) {
      const present = await this.find(options.expected);
      if (present) {
        if (options.labels) await this.setLabels(present.digest, options.labels);
        return { digest: present.digest, size: present.size };
      }
    }
    await this.abort(options.ref);
    const writer = await this.openWriter(options);
    try {
      for await (const chunk of source) await writer.write(chunk);
      return await writer.commit();
    } finally {
      writer.close();
    }
  }
}

/** One upload. `close` without `commit` leaves it to be continued under the same ref. */
export class ContentWriter {
  readonly #duplex: Duplex<object, WireWrite>;
  readonly #options: IngestOptions;
  #offset: number;

  constructor(duplex: Duplex<object, WireWrite>, options: IngestOptions, offset: number) {
    this.#duplex = duplex;
    this.#options = options;
    this.#offset = offset;
  }

  /** How many bytes containerd has. */
  get offset(): number {
    return this.#offset;
  }

  async write(data: Uint8Array): Promise<void> {
    for (let start = 0; start < data.length; start += CHUNK) {
      const chunk = data.subarray(start, start + CHUNK);
      await this.#duplex.exchange({ action: 'WRITE', offset: this.#offset, data: chunk });
      this.#offset += chunk.length;
    }
  }

  async commit(): Promise<{ digest: string; size: number }> {
    const { expected, labels } = this.#options;
    try {
      const { digest } = await this.#duplex.exchange({
        action: 'COMMIT',
        offset: this.#offset,
        total: this.#offset,
        expected: expected ?? '',
        labels: labels ?? {},
      });
      return { digest, size: this.#offset };
    } catch (error) {
      const digest = existingDigest(error);
      if (digest === null) throw error;
      return { digest, size: this.#offset };
    }
  }

  close(): void {
    this.#duplex.close();
  }
}

/** Two uploads of the same bytes: the second one's commit says which blob is there already. */
function existingDigest(error: unknown): string | null {
  if (!(error instanceof ContainerdError) || error.grpcCode !== GRPC.ALREADY_EXISTS) return null;
  return /sha256:[0-9a-f]{64}/.exec(error.details)?.[0] ?? null;
}
