/** An image's name in its parts; `tag` is `latest` when neither tag nor digest was given. */
export interface ImageName {
  readonly repository: string;
  readonly tag: string;
  /** The registry that holds it. */
  readonly registry: string;
}

/** Splits `[registry/]path[:tag][@digest]`. Throws the stock client's text for what no registry would take. */
export function parseImageName(text: string): ImageName {
  const [named = '', digest] = text.split('@');
  const slash = named.lastIndexOf('/');
  const colon = named.indexOf(':', slash + 1);
  const repository = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? '' : named.slice(colon + 1);
  const first = repository.split('/')[0] ?? '';
  const hasRegistry = repository.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  const path = hasRegistry ? repository.slice(first.length + 1) : repository;
  if (path !== path.toLowerCase()) throw new Error('invalid reference format: repository name must be lowercase');
  if (!/^[a-z0-9]+((\.|_{1,2}|-+|\/)[a-z0-9]+)*$/.test(path) || (colon >= 0 && !/^\w[\w.-]{0,127}$/.test(tag))) {
    throw new Error('invalid reference format');
  }
  return { repository, tag: digest ?? (tag === '' ? 'latest' : tag), registry: hasRegistry ? first : 'docker.io' };
}
