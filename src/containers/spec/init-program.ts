import { accessSync, constants } from 'node:fs';
import { FairwayError } from '../../base/index.ts';

/** Small static programs that reap and pass signals on, where packages put them. A dynamic one would not run in every image. */
const KNOWN = ['/usr/libexec/docker/docker-init', '/usr/bin/docker-init', '/usr/bin/tini-static', '/usr/bin/catatonit'];

/** The program for `--init`: the configured one, or the first there is. Throws `unsupported` naming what to install. */
export function initProgram(configured: string | undefined): string {
  const candidates = configured === undefined ? KNOWN : [configured];
  const found = candidates.find(isExecutable);
  if (found !== undefined) return found;
  throw new FairwayError(
    `cannot start a container with --init: none of ${candidates.join(', ')} is here; install the package tini`,
    { code: 'init_missing', kind: 'unsupported' },
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
