import { conflict, shortId } from '../../base/index.ts';
import type { ImageRecord } from '../containerd/index.ts';
import { assertPlatform, type Catalog, type Image, isIdReference, referenceOf } from './catalog.ts';
import {
  familiarName,
  familiarRepository,
  fitsPlatform,
  fullName,
  type Platform,
  parseReference,
  repositoryOf,
  withDefaultTag,
} from './format/index.ts';
import type { ImageEvents, Namer } from './namer.ts';

/** A container that was made from an image. */
export interface ImageUser {
  readonly id: string;
  readonly running: boolean;
}

/** What a removal did, in Docker's order and words. */
export type RemovedItem = { readonly Untagged: string } | { readonly Deleted: string };

export interface RemoveOptions {
  readonly force?: boolean;
  /** Here no image has parents to prune; accepted and without effect. */
  readonly noPrune?: boolean;
  /** The image must be of one of these. */
  readonly platforms?: readonly Platform[];
}

interface Deps {
  readonly catalog: Catalog;
  readonly namer: Namer;
  readonly events: ImageEvents;
  readonly usedBy: (imageId: string) => readonly ImageUser[];
}

function truncated(id: string): string {
  return shortId(id.replace(/^sha256:/, ''));
}

/** `docker rmi`, to the letter of its rules about names and containers. */
export class Remover {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async remove(ref: string, options: RemoveOptions = {}): Promise<RemovedItem[]> {
    const image = await this.#deps.catalog.get(ref);
    const { platforms = [] } = options;
    if (!platforms.some((platform) => fitsPlatform(image, platform))) assertPlatform(image, ref, platforms[0]);
    const force = options.force ?? false;
    if (!isIdReference(image, ref)) return this.#removeName(image, ref, force);
    const names = namedRecords(image);
    const removed: RemovedItem[] = [];
    if (inOneRepository(names)) {
      this.#refuseUsed(image, force);
    } else if (!force) {
      throw conflict(
        'image_in_use',
        `conflict: unable to delete ${truncated(image.id)} (must be forced) - image is referenced in multiple repositories`,
      );
    } else {
      this.#refuseUsed(image, force);
    }
    for (const record of names) removed.push(this.#untagged(image, record));
    return [...removed, ...(await this.#delete(image))];
  }

  async #removeName(image: Image, ref: string, force: boolean): Promise<RemovedItem[]> {
    const names = namedRecords(image);
    const reference = withDefaultTag(parseReference(ref));
    const target = names.find((record) => record.name === fullName(reference));
    if (!target) return [];
    const [user] = this.#deps.usedBy(image.id);
    if (!force && user && inOneRepository(names)) {
      throw conflict(
        'image_in_use',
        `conflict: unable to remove repository reference "${ref}" (must force) - container ${shortId(user.id)} is using its referenced image ${truncated(image.id)}`,
      );
    }
    const gone = [target, ...orphanedDigests(names, target)];
    const left = names.filter((record) => !gone.includes(record));
    const removed = gone.map((record) => this.#untagged(image, record));
    const keeps = left.length > 0 || this.#deps.usedBy(image.id).some(({ running }) => running);
    if (keeps) {
      // A running container keeps its image, if without a name.
      const [last, ...others] = left.length > 0 ? [undefined, ...gone] : gone;
      await this.#deps.namer.remove(others.filter((record) => record !== undefined));
      if (last) await this.#deps.namer.untag({ ...image, records: [last] }, last);
      return removed;
    }
    return [...removed, ...(await this.#delete(image))];
  }

  /** Takes the image and every record of it away, and says which layers went with it. */
  async #delete(image: Image): Promise<RemovedItem[]> {
    const { catalog, namer, events } = this.#deps;
    await namer.remove(image.records);
    events.emit({ action: 'delete', id: image.id, name: image.id, labels: image.config.Labels ?? {} });
    const kept = new Set((await catalog.list()).flatMap(({ chainIds }) => chainIds));
    const layers = image.chainIds.filter((chainId) => !kept.has(chainId)).reverse();
    return [{ Deleted: image.id }, ...layers.map((chainId) => ({ Deleted: chainId }))];
  }

  #untagged(image: Image, record: ImageRecord): RemovedItem {
    this.#deps.events.emit({ action: 'untag', id: image.id, name: image.id, labels: image.config.Labels ?? {} });
    const reference = referenceOf(record);
    return { Untagged: reference ? familiarName(reference) : record.name };
  }

  #refuseUsed(image: Image, force: boolean): void {
    const users = this.#deps.usedBy(image.id);
    const running = users.find((user) => user.running);
    if (running) {
      throw conflict(
        'image_in_use',
        `conflict: unable to delete ${truncated(image.id)} (cannot be forced) - image is being used by running container ${shortId(running.id)}`,
      );
    }
    const [stopped] = users;
    if (stopped && !force) {
      throw conflict(
        'image_in_use',
        `conflict: unable to delete ${truncated(image.id)} (must be forced) - image is being used by stopped container ${shortId(stopped.id)}`,
      );
    }
  }
}

function namedRecords(image: Image): ImageRecord[] {
  return image.records.filter((record) => referenceOf(record) !== null);
}

/** At most one tag, and every name in the same repository: then an id stands for all of them. */
function inOneRepository(records: readonly ImageRecord[]): boolean {
  const references = records.map(referenceOf).filter((reference) => reference !== null);
  const repositories = new Set(references.map(repositoryOf));
  return repositories.size <= 1 && references.filter(({ digest }) => digest === null).length <= 1;
}

/** Digest names of a repository that loses its last tag go with it. */
function orphanedDigests(names: readonly ImageRecord[], removed: ImageRecord): ImageRecord[] {
  const reference = referenceOf(removed);
  if (!reference || reference.digest !== null) return [];
  const siblings = names.filter((record) => {
    const other = referenceOf(record);
    return other && record !== removed && familiarRepository(other) === familiarRepository(reference);
  });
  const tagged = siblings.some((record) => referenceOf(record)?.digest === null);
  return tagged ? [] : siblings;
}
