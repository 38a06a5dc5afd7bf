import { type Clock, FairwayError, invalid, isKind, messageOf, Serial } from '../../base/index.ts';
import type { Descriptor } from '../containerd/index.ts';
import {
  type ImageEngine,
  type LeasedBlobs,
  type Progress,
  progressBar,
  shortDigest,
  type UploadWriter,
} from '../images/index.ts';
import { isDropped } from './http/index.ts';
import type { Limiter } from './limiter.ts';
import type { Repository } from './repository.ts';
import { delayBefore, pause, retryingIn } from './retry.ts';

export interface DownloaderDeps {
  readonly engine: Pick<ImageEngine, 'content'>;
  readonly clock: Clock;
  readonly limiter: Limiter;
}

export interface DownloadOptions {
  readonly blobs: LeasedBlobs;
  /** containerd's labels for the blob. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly attempts: number;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PROGRESS_MS = 100;
/** So much is gathered while containerd takes what came before. */
const GATHERED_MAX = 4 << 20;

function uploadRef(digest: string): string {
  return `fairway-pull-${digest}`;
}

/** Brings single blobs from a registry into containerd's store, each once however many pulls want it. */
export class Downloader {
  readonly #deps: DownloaderDeps;
  readonly #serial = new Serial();
  readonly #coming = new Set<string>();

  constructor(deps: DownloaderDeps) {
    this.#deps = deps;
  }

  /** A broken connection is taken up where it broke, also when it was a daemon before us that began. */
  async download(repository: Repository, blob: Descriptor, options: DownloadOptions): Promise<void> {
    const { limiter } = this.#deps;
    const id = shortDigest(blob.digest);
    const { progress, signal } = options;
    const waiting = (): void => progress?.({ status: 'Waiting', progressDetail: {}, id });
    if (this.#coming.has(blob.digest)) waiting();
    await this.#serial.run(blob.digest, async () => {
      // Another pull may have brought it meanwhile.
      if (await options.blobs.hold(blob.digest)) return;
      this.#coming.add(blob.digest);
      if (limiter.full) waiting();
      try {
        await limiter.run(() => this.#persistently(repository, blob, options), signal);
      } finally {
        this.#coming.delete(blob.digest);
      }
    });
    progress?.({ status: 'Download complete', progressDetail: {}, id });
  }

  async #persistently(repository: Repository, blob: Descriptor, options: DownloadOptions): Promise<void> {
    const { clock, engine } = this.#deps;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#once(repository, blob, options);
        return;
      } catch (error) {
        if (!mayGoWell(error) || attempt >= options.attempts || options.signal?.aborted) {
          // Only a daemon that died leaves something to continue; this pull's lease goes, and with it what it holds.
          await engine.content.abort(uploadRef(blob.digest)).catch(() => {});
          throw error;
        }
        const ms = delayBefore(attempt, undefined, clock.now()) ?? 0;
        options.progress?.({ status: retryingIn(ms), progressDetail: {}, id: shortDigest(blob.digest) });
        await pause(clock, ms, options.signal);
      }
    }
  }

  async #once(repository: Repository, blob: Descriptor, options: DownloadOptions): Promise<void> {
    const { content } = this.#deps.engine;
    const ref = uploadRef(blob.digest);
    const { blobs, labels, signal } = options;
    const ingest = { ref, expected: blob.digest, total: blob.size, lease: blobs.lease, labels, signal };
    let writer = await content.openWriter(ingest);
    const continued = writer.offset > 0;
    try {
      if (writer.offset < blob.size || blob.size === 0) {
        const { partial, body } = await repository.blob(blob.digest, writer.offset, signal);
        if (!partial && continued) {
          writer.close();
          await content.abort(ref);
          writer = await content.openWriter(ingest);
        }
        await this.#pump(body as AsyncIterable<Buffer>, writer, { blob, options });
        if (writer.offset < blob.size) {
          const text = `the registry sent ${writer.offset} of the ${blob.size} bytes of "${blob.digest}": unexpected EOF`;
          throw new Incomplete(text);
        }
      }
      await this.#commit(writer, blob, { continued, options });
    } finally {
      writer.close();
    }
  }

  async #commit(
    writer: UploadWriter,
    blob: Descriptor,
    { continued, options }: { continued: boolean; options: DownloadOptions },
  ): Promise<void> {
    options.progress?.({ status: 'Verifying Checksum', progressDetail: {}, id: shortDigest(blob.digest) });
    try {
      await writer.commit();
    } catch (error) {
      if (!/unexpected commit (digest|size)/.test(messageOf(error))) throw error;
      const text = `filesystem layer verification failed for digest ${blob.digest}`;
      if (!continued) throw invalid('digest_mismatch', text, error);
      // Perhaps only what an earlier attempt left was wrong.
      await this.#deps.engine.content.abort(uploadRef(blob.digest));
      throw new Incomplete(text, error);
    }
  }

  /** While containerd takes one piece the next is gathered, so that neither side waits and pieces grow with the speed. */
  async #pump(
    body: AsyncIterable<Buffer>,
    writer: UploadWriter,
    { blob, options }: { blob: Descriptor; options: DownloadOptions },
  ): Promise<void> {
    const show = this.#meter(blob, options.progress);
    let gathered: Buffer[] = [];
    let size = 0;
    let total = writer.offset;
    let writing: Promise<void> | null = null;
    let failure: unknown;
    const write = async (): Promise<void> => {
      while (gathered.length > 0) {
        const piece = gathered.length === 1 && gathered[0] ? gathered[0] : Buffer.concat(gathered);
        gathered = [];
        size = 0;
        await writer.write(piece);
        show(writer.offset);
      }
      writing = null;
    };
    for await (const chunk of body) {
      total += chunk.length;
      if (total > blob.size) {
        throw invalid('blob_too_large', `the registry sent more than the ${blob.size} bytes of "${blob.digest}"`);
      }
      gathered.push(chunk);
      size += chunk.length;
      writing ??= write().catch((error: unknown) => {
        failure = error;
      });
      if (size > GATHERED_MAX) await writing;
      if (failure !== undefined) throw failure;
    }
    await writing;
    if (failure !== undefined) throw failure;
  }

  #meter(blob: Descriptor, progress: Progress | undefined): (current: number) => void {
    let last = 0;
    return (current) => {
      const now = this.#deps.clock.now();
      if (now - last < PROGRESS_MS && current < blob.size) return;
      last = now;
      progress?.({
        status: 'Downloading',
        progressDetail: { current, total: blob.size },
        progress: progressBar(current, blob.size),
        id: shortDigest(blob.digest),
      });
    };
  }
}

/** Less came than was promised. */
class Incomplete extends FairwayError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'incomplete_blob', kind: 'unavailable', cause });
    this.name = 'Incomplete';
  }
}

function mayGoWell(error: unknown): boolean {
  if (error instanceof Incomplete || isDropped(error)) return true;
  // The second: a daemon that has just died still has the upload's lock, for a moment.
  return isKind(error, 'unavailable') && (error.code === 'wrong_range' || error.code === 'containerd_unavailable');
}
