import { type Clock, invalid, notFound, systemClock } from '../../base/index.ts';
import type { Descriptor } from '../containerd/index.ts';
import {
  familiarName,
  familiarRepository,
  fitsPlatform,
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
  shortDigest,
  withDefaultTag,
} from '../images/index.ts';
import type { RegistryCredentials } from './credentials.ts';
import { Downloader } from './download.ts';
import { endpointsOf, isInsecure, REGISTRY_DEFAULTS, type RegistryOptions } from './endpoints.ts';
import type { HttpClient } from './http/index.ts';
import { allOrNone, Limiter } from './limiter.ts';
import { isUnreachable } from './refusals.ts';
import { Repository } from './repository.ts';
import { sourceLabel } from './sources.ts';

export interface PullDeps {
  readonly engine: ImageEngine;
  readonly store: Pick<ImageStore, 'adopt' | 'assignName' | 'announce' | 'holderOf' | 'get' | 'releaseStaleLeases'>;
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
  readonly manifestBytes: Buffer;
  readonly platforms: readonly Platform[];
}

/** Brings images from registries into containerd. */
export class Puller {
  readonly #deps: PullDeps;
  readonly #options: () => RegistryOptions;
  readonly #clock: Clock;
  readonly #downloader: Downloader;

  constructor(deps: PullDeps, options: () => RegistryOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#clock = deps.clock ?? systemClock;
    this.#downloader = new Downloader({
      engine: deps.engine,
      clock: this.#clock,
      limiter: new Limiter(() => options().maxDownloads ?? REGISTRY_DEFAULTS.maxDownloads),
    });
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

  /**
   * Resolves to the image id. A layer is continued where its connection broke, or where a daemon was killed; layers are
   * unpacked while others still come. What fails leaves nothing.
   */
  pull(reference: Reference, options: PullOptions = {}): Promise<string> {
    const wanted = withDefaultTag(reference);
    return this.#anywhere(wanted, options, async (repository) => {
      // Before the first line, so that a missing image can still be told by a status.
      const resolved = await this.#resolveAt(repository, wanted, options);
      const id = await this.#bring(wanted, resolved, { ...options, progress: options.progress ?? (() => {}) });
      // Whatever an earlier daemon had of it has been used.
      await this.#deps.store.releaseStaleLeases();
      return id;
    });
  }

  /** The first endpoint that can be reached does the work. */
  async #anywhere<T>(
    wanted: Reference,
    options: PullOptions,
    work: (repository: Repository) => Promise<T>,
  ): Promise<T> {
    const { insecureRegistries = [], maxAttempts = REGISTRY_DEFAULTS.maxAttempts } = this.#options();
    let last: unknown;
    for (const endpoint of endpointsOf(wanted.domain, this.#options())) {
      const repository = new Repository(
        { http: this.#deps.http, clock: this.#clock, credentials: options.credentials },
        endpoint,
        wanted,
        { attempts: endpoint.mirror ? 1 : maxAttempts, plainHttp: (host) => isInsecure(host, insecureRegistries) },
      );
      try {
        return await work(repository);
      } catch (error) {
        // What a mirror lacks, the registry behind it may have; the first failure names the scheme that was meant.
        if (options.signal?.aborted || (!isUnreachable(error) && !endpoint.mirror)) throw error;
        if (endpoint.mirror) continue;
        last ??= error;
      }
    }
    throw last;
  }

  async #bring(wanted: Reference, resolved: Resolved, options: PullOptions & { progress: Progress }): Promise<string> {
    const { progress } = options;
    const { manifestDescriptor, target } = resolved;
    const { store } = this.#deps;
    const shown = familiarName(wanted);
    progress({ status: `Pulling from ${wanted.path}`, id: wanted.digest ?? wanted.tag ?? '' });
    return LeasedBlobs.during(this.#deps.engine, this.#clock.now(), async (blobs) => {
      const id = await this.#fetch(resolved, blobs, options);
      const fresh = (await store.holderOf(fullName(wanted))) !== id;
      // Names lead to the one platform that is here; the digest in a name is what the registry calls it.
      await store.assignName(`${repositoryOf(wanted)}@${target.digest}`, manifestDescriptor);
      if (wanted.digest === null) await store.assignName(fullName(wanted), manifestDescriptor);
      progress({ status: `Digest: ${target.digest}` });
      if (options.platform)
        await this.#warnOfPlatform(fullName(wanted), shown, { ...options, platform: options.platform });
      progress({ status: `Status: ${fresh ? 'Downloaded newer image' : 'Image is up to date'} for ${shown}` });
      store.announce({ action: 'pull', id: shown, name: familiarRepository(wanted), labels: {} });
      return id;
    });
  }

  async #resolveAt(repository: Repository, wanted: Reference, options: PullOptions): Promise<Resolved> {
    const top = await repository.manifest(wanted.digest ?? wanted.tag ?? '', options.signal);
    const target = { mediaType: top.mediaType, digest: top.digest, size: top.bytes.length };
    if (isManifestType(top.mediaType)) {
      const manifest = parseManifest(top.bytes);
      return { repository, target, manifest, manifestDescriptor: target, manifestBytes: top.bytes, platforms: [] };
    }
    if (!isIndexType(top.mediaType)) {
      throw invalid('unsupported_manifest', `cannot use a manifest of type ${JSON.stringify(top.mediaType)}`);
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
    return {
      repository,
      target,
      manifest: parseManifest(found.bytes),
      manifestDescriptor: { mediaType: entry.mediaType, digest: found.digest, size: found.bytes.length },
      manifestBytes: found.bytes,
      platforms: index.manifests.flatMap((one) => (one.platform ? [one.platform] : [])),
    };
  }

  /** Brings every blob and unpacks; resolves to the image id. */
  async #fetch(resolved: Resolved, blobs: LeasedBlobs, options: PullOptions & { progress: Progress }): Promise<string> {
    const { manifest, manifestDescriptor, repository } = resolved;
    const { progress } = options;
    const layers = [...new Map(manifest.layers.map((layer) => [layer.digest, layer])).values()];
    const known = new Set<string>();
    for (const { digest } of layers) {
      if (await blobs.hold(digest)) known.add(digest);
      const status = known.has(digest) ? 'Already exists' : 'Pulling fs layer';
      progress({ status, progressDetail: {}, id: shortDigest(digest) });
    }
    const { maxAttempts: attempts = REGISTRY_DEFAULTS.maxAttempts } = this.#options();
    const labels = sourceLabel(repository.reference);
    const common = { blobs, attempts, labels };
    await this.#downloader.download(repository, manifest.config, { ...common, signal: options.signal });
    await blobs.writeBytes(resolved.manifestBytes, gcLabels(manifest));
    const arrivals = new Map(layers.map(({ digest }) => [digest, Promise.withResolvers<void>()]));
    let id = '';
    const bring = async (layer: Descriptor, signal: AbortSignal): Promise<void> => {
      const arrival = arrivals.get(layer.digest);
      // Nobody may be waiting for it any more.
      arrival?.promise.catch(() => {});
      try {
        const wanted = { ...common, progress, signal };
        if (!known.has(layer.digest)) await this.#downloader.download(repository, layer, wanted);
        arrival?.resolve();
      } catch (error) {
        arrival?.reject(error);
        throw error;
      }
    };
    const unpack = async (): Promise<void> => {
      id = await this.#deps.store.adopt(manifestDescriptor, blobs.lease, {
        ready: async ({ digest }) => arrivals.get(digest)?.promise,
        onStart: ({ digest, size }) => extracting(progress, digest, { current: 0, total: size }),
        onDone: ({ digest, size }) => {
          if (known.has(digest)) return;
          extracting(progress, digest, { current: size, total: size });
          progress({ status: 'Pull complete', progressDetail: {}, id: shortDigest(digest) });
        },
      });
    };
    await allOrNone<Descriptor | null>(
      [...layers, null],
      (layer, signal) => (layer === null ? unpack() : bring(layer, signal)),
      options.signal,
    );
    return id;
  }

  /** An image of a single platform comes whatever was asked for; then it is said that it is another. */
  async #warnOfPlatform(name: string, shown: string, options: PullOptions & { platform: Platform }): Promise<void> {
    const image = await this.#deps.store.get(name);
    if (fitsPlatform(image, options.platform)) return;
    const text = `image with reference ${shown} was found but its platform (${platformText(image)}) does not match the specified platform (${platformText(options.platform)})`;
    options.progress?.({ status: `WARNING: ${text}` });
  }
}

function extracting(progress: Progress, digest: string, progressDetail: { current: number; total: number }): void {
  const { current, total } = progressDetail;
  progress({ status: 'Extracting', progressDetail, progress: progressBar(current, total), id: shortDigest(digest) });
}
