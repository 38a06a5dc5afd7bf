import {
  type Clock,
  FairwayError,
  invalid,
  isKind,
  messageOf,
  notFound,
  Serial,
  systemClock,
} from '../../base/index.ts';
import type { Descriptor } from '../containerd/index.ts';
import {
  familiarName,
  familiarRepository,
  fullName,
  gcLabels,
  hostPlatform,
  type ImageEngine,
  type ImageStore,
  isIndexType,
  isManifestType,
  LeasedBlobs,
  type Manifest,
  type Platform,
  type Progress,
  parseIndex,
  parseManifest,
  platformText,
  progressBar,
  type Reference,
  repositoryOf,
  selectManifest,
  withDefaultTag,
} from '../images/index.ts';
import type { RegistryCredentials } from './credentials.ts';
import { endpointsOf, type RegistryOptions } from './endpoints.ts';
import type { HttpClient } from './http.ts';
import { isUnreachable, Repository } from './repository.ts';

export interface PullDeps {
  readonly engine: ImageEngine;
  readonly store: Pick<ImageStore, 'adopt' | 'assignName' | 'announce'>;
  readonly http: HttpClient;
  readonly clock?: Clock;
}

export interface PullOptions {
  readonly platform?: Platform | undefined;
  readonly credentials?: RegistryCredentials | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Resolved {
  readonly repository: Repository;
  /** What the name points at: an index or a manifest. */
  readonly target: Descriptor;
  readonly manifest: Manifest;
  readonly manifestDescriptor: Descriptor;
  readonly platforms: readonly Platform[];
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Buffer }[];
}

const PARALLEL = 3;
const ATTEMPTS = 5;
const PROGRESS_MS = 100;

function uploadRef(digest: string): string {
  return `fairway-pull-${digest}`;
}

function shortDigest(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12);
}

/** Brings images from registries into containerd. */
export class Puller {
  readonly #deps: PullDeps;
  readonly #options: () => RegistryOptions;
  readonly #clock: Clock;
  readonly #serial = new Serial();

  constructor(deps: PullDeps, options: () => RegistryOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#clock = deps.clock ?? systemClock;
  }

  /** Asks the registry what a name points at, without bringing any layer. */
  resolve(reference: Reference, options: PullOptions = {}): Promise<Resolved> {
    const wanted = withDefaultTag(reference);
    return this.#anywhere(wanted, options, (repository) => this.#resolveAt(repository, wanted, options));
  }

  /** Every tag of the repository. */
  tags(reference: Reference, options: PullOptions = {}): Promise<string[]> {
    return this.#anywhere(reference, options, (repository) => repository.tags(options.signal));
  }

  /** The first endpoint that can be reached does the work. */
  async #anywhere<T>(
    wanted: Reference,
    options: PullOptions,
    work: (repository: Repository) => Promise<T>,
  ): Promise<T> {
    let last: unknown;
    for (const endpoint of endpointsOf(wanted.domain, this.#options())) {
      const repository = new Repository({ http: this.#deps.http, credentials: options.credentials }, endpoint, wanted);
      try {
        return await work(repository);
      } catch (error) {
        // What a mirror lacks, the registry behind it may have; the first failure names the scheme that was meant.
        if (!isUnreachable(error) && !endpoint.mirror) throw error;
        last ??= error;
      }
    }
    throw last;
  }

  /** Resolves to the image id. A layer is continued where its connection broke, or where a daemon was killed. */
  async pull(reference: Reference, options: PullOptions = {}): Promise<string> {
    const progress = options.progress ?? (() => {});
    const wanted = withDefaultTag(reference);
    const shown = familiarName(wanted);
    // Before the first line, so that a missing image can still be told by a status.
    const resolved = await this.resolve(wanted, options);
    progress({ status: `Pulling from ${wanted.path}`, id: wanted.digest ?? wanted.tag ?? '' });
    return LeasedBlobs.during(this.#deps.engine, this.#clock.now(), async (blobs) => {
      const known = await this.#fetch(resolved, blobs, { ...options, progress });
      const id = await this.#deps.store.adopt(resolved.target, blobs.lease, {
        ...(options.platform && { platform: options.platform }),
        onLayer: ({ digest }) => {
          if (!known.has(digest)) progress({ status: 'Pull complete', progressDetail: {}, id: shortDigest(digest) });
        },
      });
      const { digest } = resolved.target;
      await this.#deps.store.assignName(`${repositoryOf(wanted)}@${digest}`, resolved.target);
      if (wanted.digest === null) await this.#deps.store.assignName(fullName(wanted), resolved.target);
      const fresh = known.size < resolved.manifest.layers.length || resolved.manifest.layers.length === 0;
      progress({ status: `Digest: ${digest}` });
      progress({ status: `Status: ${fresh ? 'Downloaded newer image' : 'Image is up to date'} for ${shown}` });
      this.#deps.store.announce({ action: 'pull', id: shown, name: familiarRepository(wanted), labels: {} });
      return id;
    });
  }

  async #resolveAt(repository: Repository, wanted: Reference, options: PullOptions): Promise<Resolved> {
    const top = await repository.manifest(wanted.digest ?? wanted.tag ?? '', options.signal);
    const target = { mediaType: top.mediaType, digest: top.digest, size: top.bytes.length };
    if (isManifestType(top.mediaType)) {
      const manifest = parseManifest(top.bytes);
      const blobs = [{ descriptor: target, bytes: top.bytes }];
      return { repository, target, manifest, manifestDescriptor: target, platforms: [], blobs };
    }
    if (!isIndexType(top.mediaType)) {
      throw invalid('unsupported_manifest', `cannot use a manifest of type "${top.mediaType}"`);
    }
    const index = parseIndex(top.bytes);
    const platform = options.platform ?? hostPlatform();
    const entry = selectManifest(index, platform);
    if (!entry) {
      throw notFound(
        'no_matching_manifest',
        `no matching manifest for ${platformText(platform)} in the manifest list entries`,
      );
    }
    const found = await repository.manifest(entry.digest, options.signal);
    const manifestDescriptor = { mediaType: entry.mediaType, digest: found.digest, size: found.bytes.length };
    return {
      repository,
      target,
      manifest: parseManifest(found.bytes),
      manifestDescriptor,
      platforms: index.manifests.flatMap((one) => (one.platform ? [one.platform] : [])),
      blobs: [
        { descriptor: manifestDescriptor, bytes: found.bytes },
        { descriptor: target, bytes: top.bytes },
      ],
    };
  }

  /** Brings every blob; resolves to the layers that were there before. */
  async #fetch(resolved: Resolved, blobs: LeasedBlobs, options: PullOptions): Promise<Set<string>> {
    const { manifest, manifestDescriptor, target } = resolved;
    const known = new Set<string>();
    const layers = [...new Map(manifest.layers.map((layer) => [layer.digest, layer])).values()];
    for (const { digest } of layers) {
      if (await blobs.hold(digest)) known.add(digest);
      const status = known.has(digest) ? 'Already exists' : 'Pulling fs layer';
      options.progress?.({ status, progressDetail: {}, id: shortDigest(digest) });
    }
    const missing = [manifest.config, ...layers.filter(({ digest }) => !known.has(digest))];
    await inParallel(
      missing,
      PARALLEL,
      (blob, signal) => this.#blob(resolved.repository, blob, blobs, { ...options, signal }),
      options.signal,
    );
    await blobs.writeBytes(resolved.blobs[0]?.bytes ?? Buffer.alloc(0), gcLabels(manifest));
    if (target.digest !== manifestDescriptor.digest) {
      const labels = {
        [`containerd.io/gc.ref.content.m.${shortDigest(manifestDescriptor.digest)}`]: manifestDescriptor.digest,
      };
      await blobs.writeBytes(resolved.blobs[1]?.bytes ?? Buffer.alloc(0), labels);
    }
    return known;
  }

  /** One blob at a time however many pulls want it. A broken connection is taken up where it broke. */
  async #blob(repository: Repository, blob: Descriptor, blobs: LeasedBlobs, options: PullOptions): Promise<void> {
    await this.#serial.run(blob.digest, async () => {
      for (let attempt = 1; ; attempt += 1) {
        if (await blobs.hold(blob.digest)) return;
        try {
          await this.#download(repository, blob, blobs, options);
          return;
        } catch (error) {
          const final = error instanceof FairwayError && !isKind(error, 'unavailable');
          if (final || attempt === ATTEMPTS || options.signal?.aborted) {
            // Only a daemon that died leaves something to continue; this pull's lease goes, and with it what it holds.
            await this.#deps.engine.content.abort(uploadRef(blob.digest)).catch(() => {});
            throw error;
          }
          const reason = `Retrying in 1 second: ${messageOf(error)}`;
          options.progress?.({ status: reason, progressDetail: {}, id: shortDigest(blob.digest) });
          await this.#pause(1000, options.signal);
        }
      }
    });
  }

  async #download(repository: Repository, blob: Descriptor, blobs: LeasedBlobs, options: PullOptions): Promise<void> {
    const { content } = this.#deps.engine;
    const ref = uploadRef(blob.digest);
    const ingest = { ref, expected: blob.digest, total: blob.size, lease: blobs.lease, signal: options.signal };
    let writer = await content.openWriter(ingest);
    try {
      if (writer.offset < blob.size) {
        const { partial, body } = await repository.blob(blob.digest, writer.offset, options.signal);
        if (!partial && writer.offset > 0) {
          writer.close();
          await content.abort(ref);
          writer = await content.openWriter(ingest);
        }
        const show = this.#meter(blob, options.progress);
        for await (const chunk of body as AsyncIterable<Buffer>) {
          if (writer.offset + chunk.length > blob.size) {
            throw invalid('blob_too_large', `the registry sent more than the ${blob.size} bytes of "${blob.digest}"`);
          }
          await writer.write(chunk);
          show(writer.offset);
        }
      }
      await writer.commit();
      options.progress?.({ status: 'Download complete', progressDetail: {}, id: shortDigest(blob.digest) });
    } finally {
      writer.close();
    }
  }

  #meter(blob: Descriptor, progress: Progress | undefined): (current: number) => void {
    let last = 0;
    return (current) => {
      const now = this.#clock.now();
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

  #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(ms, () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      });
      const stop = (): void => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', stop, { once: true });
    });
  }
}

/** At most `limit` at once; the first failure stops the others, and is thrown once they have stopped. */
async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  outer: AbortSignal | undefined,
): Promise<void> {
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        signal.throwIfAborted();
        await work(item, signal);
      } catch (error) {
        failures.push(error);
        stop.abort();
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  if (failures.length > 0) throw failures[0];
}
