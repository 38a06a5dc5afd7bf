import { type Clock, notFound, systemClock } from '../../base/index.ts';
import {
  familiarRepository,
  fullName,
  type Image,
  type ImageEngine,
  type ImageStore,
  type Progress,
  progressBar,
  type Reference,
  repositoryOf,
} from '../images/index.ts';
import type { RegistryCredentials } from './credentials.ts';
import { endpointsOf, type RegistryOptions } from './endpoints.ts';
import type { HttpClient } from './http.ts';
import { isUnreachable, Repository } from './repository.ts';

export interface PushDeps {
  readonly engine: ImageEngine;
  readonly store: Pick<ImageStore, 'list' | 'assignName' | 'announce'>;
  readonly http: HttpClient;
  readonly clock?: Clock;
}

export interface PushOptions {
  readonly credentials?: RegistryCredentials | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PROGRESS_MS = 100;

/** Brings images from containerd to registries. */
export class Pusher {
  readonly #deps: PushDeps;
  readonly #options: () => RegistryOptions;
  readonly #clock: Clock;

  constructor(deps: PushDeps, options: () => RegistryOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#clock = deps.clock ?? systemClock;
  }

  /** One tag, or without a tag all of the repository's. */
  async push(reference: Reference, options: PushOptions = {}): Promise<void> {
    const repository = repositoryOf(reference);
    const progress = options.progress ?? (() => {});
    progress({ status: `The push refers to repository [${repository}]` });
    const chosen = await this.#chosen(reference);
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

  async #chosen(reference: Reference): Promise<{ image: Image; tag: string }[]> {
    const repository = repositoryOf(reference);
    const images = (await this.#deps.store.list()).map(({ image }) => image);
    const chosen = images.flatMap((image) =>
      image.records.flatMap(({ name }) => {
        if (reference.tag !== null) return name === fullName(reference) ? [{ image, tag: reference.tag }] : [];
        return name.startsWith(`${repository}:`) ? [{ image, tag: name.slice(repository.length + 1) }] : [];
      }),
    );
    if (chosen.length > 0) return chosen;
    const shown = familiarRepository(reference);
    throw reference.tag === null
      ? notFound('no_such_image', `An image does not exist locally with the tag: ${shown}`)
      : notFound('no_such_image', `tag does not exist: ${shown}:${reference.tag}`);
  }

  async #connect(reference: Reference, options: PushOptions): Promise<Repository> {
    let last: unknown;
    for (const endpoint of endpointsOf(reference.domain, this.#options(), true)) {
      const deps = { http: this.#deps.http, credentials: options.credentials };
      const repository = new Repository(deps, endpoint, reference, { push: true });
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
    for (const [index, layer] of manifest.layers.entries()) {
      const id = image.diffIds[index]?.slice('sha256:'.length, 'sha256:'.length + 12) ?? '';
      progress?.({ status: 'Preparing', progressDetail: {}, id });
      if (await remote.hasBlob(layer.digest, signal)) {
        progress?.({ status: 'Layer already exists', progressDetail: {}, id });
        continue;
      }
      await remote.uploadBlob(layer, () => this.#metered(layer, id, options), signal);
      progress?.({ status: 'Pushed', progressDetail: {}, id });
    }
    if (!(await remote.hasBlob(manifest.config.digest, signal))) {
      await remote.uploadBlob(manifest.config, () => content.read(manifest.config.digest), signal);
    }
    const { digest, mediaType } = manifestDescriptor;
    const bytes = await content.readAll(digest);
    await remote.putManifest(reference.tag, { mediaType, bytes }, signal);
    await this.#deps.store.assignName(`${repositoryOf(reference)}@${digest}`, manifestDescriptor);
    progress?.({ status: `${reference.tag}: digest: ${digest} size: ${bytes.length}` });
    progress?.({ progressDetail: {}, aux: { Tag: reference.tag, Digest: digest, Size: bytes.length } });
  }

  async *#metered(
    layer: { digest: string; size: number },
    id: string,
    { progress }: PushOptions,
  ): AsyncGenerator<Buffer, void, undefined> {
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
        id,
      });
    }
  }
}
