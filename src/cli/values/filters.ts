import type { Filters } from '../../client/index.ts';

/** Every `--filter key=value`; a key of `label!` keeps its mark. */
export function parseFilters(specs: readonly string[]): Filters {
  const filters: Record<string, string[]> = {};
  for (const spec of specs) {
    if (spec === '') continue;
    const equals = spec.indexOf('=');
    if (equals < 0) throw new Error('bad format of filter (expected name=value)');
    const key = spec.slice(0, equals).trim().toLowerCase();
    filters[key] ??= [];
    filters[key].push(spec.slice(equals + 1).trim());
  }
  return filters;
}
