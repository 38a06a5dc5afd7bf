import { matchesGlob } from 'node:path';
import { invalid } from '../../base/index.ts';
import { findImage, type Image, referenceOf } from './catalog.ts';
import { familiarName, familiarRepository } from './format/index.ts';

export interface ImageFilters {
  /** Glob patterns over familiar names; alternatives. */
  readonly reference?: readonly string[];
  /** `key` or `key=value`; all must hold. */
  readonly label?: readonly string[];
  /** `key` or `key=value`; none may hold. */
  readonly notLabel?: readonly string[];
  readonly dangling?: boolean;
  readonly before?: readonly string[];
  readonly since?: readonly string[];
  /** Made before this time; milliseconds since the epoch. */
  readonly until?: number;
}

/** When the image was made; milliseconds since the epoch, zero when it does not say. */
export function createdAt(image: Pick<Image, 'created'>): number {
  const time = Date.parse(image.created);
  return Number.isNaN(time) || time < 0 ? 0 : time;
}

export function isDangling(image: Pick<Image, 'repoTags' | 'repoDigests'>): boolean {
  return image.repoTags.length === 0 && image.repoDigests.length === 0;
}

/** The images that all filters let through, newest first. With a reference filter only the matching names are left. */
export function filterImages(images: readonly Image[], filters: ImageFilters): Image[] {
  const { reference, label = [], notLabel = [], dangling, until } = filters;
  const before = moments(images, filters.before);
  const since = moments(images, filters.since);
  const passing = images.filter((image) => {
    if (dangling !== undefined && isDangling(image) !== dangling) return false;
    if (!label.every((wanted) => hasLabel(image, wanted))) return false;
    if (notLabel.some((unwanted) => hasLabel(image, unwanted))) return false;
    const created = createdAt(image);
    if (until !== undefined && created >= until) return false;
    return before.every((moment) => created < moment) && since.every((moment) => created > moment);
  });
  const named = reference && reference.length > 0 ? passing.flatMap((image) => matching(image, reference)) : passing;
  return named.sort((one, other) => createdAt(other) - createdAt(one) || (one.id < other.id ? -1 : 1));
}

function moments(images: readonly Image[], refs: readonly string[] = []): number[] {
  return refs.map((ref) => createdAt(findImage(images, ref)));
}

function hasLabel(image: Image, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const key = equals === -1 ? wanted : wanted.slice(0, equals);
  const value = image.config.Labels?.[key];
  return value !== undefined && (equals === -1 || value === wanted.slice(equals + 1));
}

function matching(image: Image, patterns: readonly string[]): Image[] {
  const fits = (record: Image['records'][number]): boolean => {
    const reference = referenceOf(record);
    if (!reference) return false;
    const names = [familiarName(reference), familiarRepository(reference)];
    return patterns.some((pattern) => names.some((name) => matchesPattern(name, pattern)));
  };
  const shown = new Set(image.records.filter(fits).map((record) => record.name));
  if (shown.size === 0) return [];
  const kept = (digest: boolean): string[] =>
    image.records
      .filter((record) => shown.has(record.name))
      .map(referenceOf)
      .filter((reference) => reference !== null)
      .filter((reference) => (reference.digest !== null) === digest)
      .map(familiarName)
      .sort();
  return [{ ...image, repoTags: kept(false), repoDigests: kept(true) }];
}

function matchesPattern(name: string, pattern: string): boolean {
  if (/\[[^\]]*$/.test(pattern))
    throw invalid('invalid_filter', `invalid filter 'reference=${pattern}': syntax error in pattern`);
  return matchesGlob(name, pattern);
}

export interface HistoryItem {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly createdBy: string;
  readonly tags: readonly string[] | null;
  readonly size: number;
  readonly comment: string;
}

/** The steps by which an image was made, newest first. `sizes` are those of its layers from the bottom. */
export function historyOf(image: Image, sizes: readonly number[]): HistoryItem[] {
  let layer = 0;
  const items = image.history.map((entry): HistoryItem => {
    const size = entry.empty_layer ? 0 : (sizes[layer] ?? 0);
    if (!entry.empty_layer) layer += 1;
    return {
      id: '<missing>',
      created: Math.floor(createdAt({ created: entry.created ?? '' }) / 1000),
      createdBy: entry.created_by ?? '',
      tags: null,
      size,
      comment: entry.comment ?? '',
    };
  });
  items.reverse();
  const [top, ...rest] = items;
  return top ? [{ ...top, id: image.id, tags: image.repoTags }, ...rest] : [];
}
