import type { ContentInfo } from '../containerd/index.ts';
import type { Reference } from '../images/index.ts';

/** containerd's label for the repositories of a registry that are known to hold a blob, with commas between them. */
const SOURCE = 'containerd.io/distribution.source.';
const REPOSITORIES_MAX = 8;

export function sourceLabel({ domain, path }: Reference): Record<string, string> {
  return { [`${SOURCE}${domain}`]: path };
}

/** Other repositories of the same registry from which a blob can be mounted. */
export function mountSources(blob: ContentInfo | null, { domain, path }: Reference): string[] {
  const known = blob?.labels[`${SOURCE}${domain}`]?.split(',') ?? [];
  return known.filter((one) => one !== '' && one !== path);
}

/** The label of a blob that now is in one more repository. */
export function sourceLabelWith(blob: ContentInfo | null, reference: Reference): Record<string, string> {
  const others = mountSources(blob, reference).slice(-(REPOSITORIES_MAX - 1));
  return { [`${SOURCE}${reference.domain}`]: [...others, reference.path].join(',') };
}
