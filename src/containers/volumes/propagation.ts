import { realpathSync } from 'node:fs';
import { invalid } from '../../base/index.ts';
import { listMounts, type MountEntry } from '../../kernel/index.ts';
import type { MountPoint } from '../contract.ts';

/**
 * A mount can only pass on what its source's own mount takes part in. Throws `invalid` with Docker's texts for a source that
 * does not.
 */
export function assertPropagation(point: MountPoint): void {
  const kind = point.propagation.replace(/^r/, '');
  if (point.type !== 'bind' || (kind !== 'shared' && kind !== 'slave')) return;
  const mount = mountOf(realpathSync(point.source));
  const takesPart = (word: string): boolean => mount?.propagation.some((one) => one.startsWith(word)) ?? false;
  if (takesPart('shared:') || (kind === 'slave' && takesPart('master:'))) return;
  throw invalid(
    'not_shared',
    `path ${point.source} is mounted on ${mount?.target ?? '/'} but it is not a shared ${kind === 'slave' ? 'or slave ' : ''}mount`,
  );
}

/** The mount that a path is on: the one with the longest target above it, the last of them. */
function mountOf(path: string): MountEntry | undefined {
  return listMounts()
    .filter(({ target }) => path === target || path.startsWith(target === '/' ? '/' : `${target}/`))
    .reduce<MountEntry | undefined>(
      (best, one) => (best && best.target.length > one.target.length ? best : one),
      undefined,
    );
}
