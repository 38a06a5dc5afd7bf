import { type Clock, FairwayError, invalid, notFound, systemClock } from '../../base/index.ts';
import type { Descriptor } from '../containerd/index.ts';
import {
  assertPlatform,
  familiarRepository,
  fullName,
  type Image,
  type ImageEngine,
  type ImageStore,
  type Platform,
  type Progress,
  progressBar,
  type Reference,
  repositoryOf,
  shortDigest,
} from '../images/index.ts';
import type { RegistryCredentials } from './credentials.ts';
import { endpointsOf, isInsecure, REGISTRY_DEFAULTS, type RegistryOptions } from './endpoints.ts';
import { type HttpClient, isDropped } from './http/index.ts';
import { allOrNone, Limiter } from './limiter.ts';
import { isUnreachable } from './refusals.ts';
import { Repository } from './repository.ts';
import { delayBefore, pause, retryingIn } from './retry.ts';
import { mountSources, sourceLabelWith } from './sources.ts';

export interface PushDeps {
  readonly engine: ImageEngine;
  readonly store: Pick<ImageStore, 'list' | 'assignName' | 'announce'>;
  readonly http: HttpClient;
  readonly clock?: Clock;
}

export interface PushOptions {
  /** Refuse to push an image of another. */
  readonly platform?: Platform | undefined;
  readonly credentials?: RegistryCredentials | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PROGRESS_MS = 100;

interface Layer extends Descriptor {
  /** As the client shows it. */
  readonly id: string;
}

/** Brings images from containerd to registries. */
export class Pusher {
  readonly #deps: PushDeps;
  readonly #options: () => RegistryOptions;
  readonly #clock: Clock;
  readonly #limiter: Limiter;

  constructor(deps: PushDeps, options: () => RegistryOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#clock = deps.clock ?? systemClock;
    this.#limiter = new Limiter(() => options().maxUploads ?? REGISTRY_DEFAULTS.maxUploads);
  }

  /** One tag, or without a tag all of the repository's. */
  async push(reference: Reference, options: PushOptions = {}): Promise<void> {
    if (reference.digest !== null) throw invalid('digest_push', 'cannot push a digest reference');
    const progress = options.progress ?? (() => {});
    progress({ status: `The push refers to repository [${repositoryOf(reference)}]` });
    const chosen = await this.#chosen(reference, options.platform);
    const remote = await this.#connect(reference, options);
    for (const { image, tag } of chosen)
      await this.#pushOne(remote, image, { ...reference, tag }, { ...options, progress });
    this.#deps.store.announce({
      action: 'push',
      id: familiarRepository(reference),
      name: familiarRepository(reference),
      labels: {},
    });
  }

  async #chosen(reference: Reference, platform: Platform | undefined): Promise<{ image: Image; tag: string }[]> {
    const repository = repositoryOf(reference);
    const images = (await this.#deps.store.list()).map(({ image }) => image);
    const chosen = images.flatMap((image) =>
      image.records.flatMap(({ name }) => {
        if (reference.tag !== null) return name === fullName(reference) ? [{ image, tag: reference.tag }] : [];
        return name.startsWith(`${repository}:`) ? [{ image, tag: name.slice(repository.length + 1) }] : [];
      }),
    );
    const shown = familiarRepository(reference);
    for (const { image, tag } of chosen) assertPlatform(image, `${shown}:${tag}`, platform);
    if (chosen.length > 0) return chosen;
    throw reference.tag === null
      ? notFound('no_such_image', `An image does not exist locally with the tag: ${shown}`)
      : notFound('no_such_image', `tag does not exist: ${shown}:${reference.tag}`);
  }

  async #connect(reference: Reference, options: PushOptions): Promise<Repository> {
    const { insecureRegistries = [], maxAttempts: attempts = REGISTRY_DEFAULTS.maxAttempts } = this.#options();
    let last: unknown;
    for (const endpoint of endpointsOf(reference.domain, this.#options(), true)) {
      const repository = new Repository(
        { http: this.#deps.http, clock: this.#clock, credentials: options.credentials },
        endpoint,
        reference,
        { push: true, attempts, plainHttp: (host) => isInsecure(host, insecureRegistries) },
      );
      try {
        await repository.ping(options.signal);
        return repository;
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        last ??= error;
      }
    }
    throw last;
  }

  async #pushOne(
    remote: Repository,
    image: Image,
    reference: Reference & { readonly tag: string },
    options: PushOptions,
  ): Promise<void> {
    const { manifest, manifestDescriptor } = image;
    const { progress, signal } = options;
    const { content } = this.#deps.engine;
    const layers = new Map<string, Layer>();
    for (const [index, layer] of manifest.layers.entries()) {
      const id = shortDigest(image.diffIds[index] ?? '');
      progress?.({ status: 'Preparing', progressDetail: {}, id });
      layers.set(layer.digest, { ...layer, id });
    }
    await allOrNone(
      [...layers.values()],
      (layer, stop) => this.#pushLayer(remote, layer, { ...options, signal: stop }),
      signal,
    );
    await this.#pushLayer(remote, { ...manifest.config, id: '' }, { signal });
    const { digest, mediaType } = manifestDescriptor;
    const bytes = await content.readAll(digest);
    await remote.putManifest(reference.tag, { mediaType, bytes }, signal);
    await this.#deps.store.assignName(`${repositoryOf(reference)}@${digest}`, manifestDescriptor);
    progress?.({ status: `${reference.tag}: digest: ${digest} size: ${bytes.length}` });
    progress?.({ progressDetail: {}, aux: { Tag: reference.tag, Digest: digest, Size: bytes.length } });
  }

  /** Sends what the registry has neither here nor in another repository that we know of. */
  async #pushLayer(remote: Repository, layer: Layer, options: PushOptions): Promise<void> {
    const say = (status: string): void => options.progress?.({ status, progressDetail: {}, id: layer.id });
    if (this.#limiter.full) say('Waiting');
    await this.#limiter.run(async () => {
      const { content } = this.#deps.engine;
      const known = await content.find(layer.digest);
      say(await this.#transfer(remote, layer, { ...options, sources: mountSources(known, remote.reference) }));
      await content.setLabels(layer.digest, sourceLabelWith(known, remote.reference));
    }, options.signal);
  }

  async #transfer(
    remote: Repository,
    layer: Layer,
    options: PushOptions & { readonly sources: readonly string[] },
  ): Promise<string> {
    const { signal } = options;
    if (await remote.hasBlob(layer.digest, signal)) return 'Layer already exists';
    for (const source of options.sources) {
      if (await remote.mountBlob(layer.digest, source, signal)) return `Mounted from ${source}`;
    }
    const { maxAttempts = REGISTRY_DEFAULTS.maxAttempts } = this.#options();
    for (let attempt = 1; ; attempt += 1) {
      try {
        await remote.uploadBlob(layer, () => this.#metered(layer, options), signal);
        return 'Pushed';
      } catch (error) {
        const again = isDropped(error) || (error instanceof FairwayError && error.code === 'registry_error');
        if (!again || attempt >= maxAttempts || signal?.aborted) throw error;
        const ms = delayBefore(attempt, undefined, this.#clock.now()) ?? 0;
        options.progress?.({ status: retryingIn(ms), progressDetail: {}, id: layer.id });
        await pause(this.#clock, ms, signal);
      }
    }
  }

  async *#metered(layer: Layer, { progress }: PushOptions): AsyncGenerator<Buffer, void, undefined> {
    let current = 0;
    let last = 0;
    for await (const chunk of this.#deps.engine.content.read(layer.digest)) {
      yield chunk;
      current += chunk.length;
      const now = this.#clock.now();
      if (now - last < PROGRESS_MS && current < layer.size) continue;
      last = now;
      progress?.({
        status: 'Pushing',
        progressDetail: { current, total: layer.size },
        progress: progressBar(current, layer.size),
        id: layer.id,
      });
    }
  }
}
