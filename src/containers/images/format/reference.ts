import { type FairwayError, invalid } from '../../../base/index.ts';
import { HUB } from './hub.ts';

/** A parsed image name. `docker.io/library/busybox:1.36` has the domain docker.io and the path library/busybox. */
export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag: string | null;
  /** `sha256:…` */
  readonly digest: string | null;
}

const DOMAIN_PART = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const PATH_PART = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const TAG = '[\\w][\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';

const NAME_PATTERN = new RegExp(`^${DOMAIN}/${PATH_PART}(?:/${PATH_PART})*$`);
const TAG_PATTERN = new RegExp(`^${TAG}$`);
const DIGEST_PATTERN = new RegExp(`^${DIGEST}$`);
const SHA256_PATTERN = /^sha256:[0-9a-f]{64}$/;

const NAME_MAX = 255;
export const DEFAULT_TAG = 'latest';

function badReference(reason?: string): FairwayError {
  return invalid('invalid_reference', reason === undefined ? 'invalid reference format' : reason);
}

/** Reads what a user typed, with Docker's rules and texts. Adds no tag. */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw badReference(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const at = text.indexOf('@');
  const digest = at === -1 ? null : text.slice(at + 1);
  const beforeDigest = at === -1 ? text : text.slice(0, at);
  // A colon after the last slash begins the tag; one before it is a port.
  const colon = beforeDigest.indexOf(':', beforeDigest.lastIndexOf('/') + 1);
  const tag = colon === -1 ? null : beforeDigest.slice(colon + 1);
  const name = colon === -1 ? beforeDigest : beforeDigest.slice(0, colon);
  const { domain, path } = splitDomain(name);
  if (path.toLowerCase() !== path) {
    throw badReference(`invalid reference format: repository name (${path}) must be lowercase`);
  }
  if (tag !== null && !TAG_PATTERN.test(tag)) throw badReference();
  if (digest !== null && !DIGEST_PATTERN.test(digest)) throw badReference();
  if (digest?.startsWith('sha256:') && !SHA256_PATTERN.test(digest)) {
    throw badReference('invalid checksum digest length');
  }
  if (!NAME_PATTERN.test(`${domain}/${path}`)) throw badReference();
  if (path.length > NAME_MAX) throw badReference(`repository name must not be more than ${NAME_MAX} characters`);
  return { domain, path, tag, digest };
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isDomain = slash !== -1 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  const domain = !isDomain || first === HUB.legacyDomain ? HUB.domain : first;
  const path = isDomain ? name.slice(slash + 1) : name;
  return { domain, path: domain === HUB.domain && !path.includes('/') ? `${HUB.officialPath}${path}` : path };
}

/** With the tag `latest` when it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === null && reference.digest === null ? { ...reference, tag: DEFAULT_TAG } : reference;
}

/** The repository with its domain: `docker.io/library/busybox`. */
export function repositoryOf({ domain, path }: Reference): string {
  return `${domain}/${path}`;
}

/** The whole name, as containerd has it. With both a tag and a digest the digest alone counts. */
export function fullName(reference: Reference): string {
  const { tag, digest } = reference;
  const suffix = digest !== null ? `@${digest}` : tag !== null ? `:${tag}` : '';
  return `${repositoryOf(reference)}${suffix}`;
}

/** The repository as Docker shows it: `busybox`, `me/app`, `example.org/app`. */
export function familiarRepository({ domain, path }: Reference): string {
  if (domain !== HUB.domain) return `${domain}/${path}`;
  const short = path.startsWith(HUB.officialPath) ? path.slice(HUB.officialPath.length) : path;
  // `library/a/b` must keep its prefix: `a/b` would be another repository.
  return short.includes('/') && short !== path ? path : short;
}

/** The name as Docker shows it, tag and digest included. */
export function familiarName(reference: Reference): string {
  const tag = reference.tag === null ? '' : `:${reference.tag}`;
  const digest = reference.digest === null ? '' : `@${reference.digest}`;
  return `${familiarRepository(reference)}${tag}${digest}`;
}
