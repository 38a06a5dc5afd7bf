import { lstat, mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isNotFound } from '../../../client/index.ts';
import { bool, type Command, type Context, type Flags, warn } from '../../grammar/index.ts';
import { packPath, unpackTo } from './archive.ts';

interface Place {
  readonly container: string;
  readonly path: string;
}

export const cp: Command = {
  usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-',
  args: { min: 2, max: 2 },
  flags: [
    bool('archive,a', 'Archive mode (copy all uid/gid information)'),
    bool('follow-link,L', 'Always follow symbol link in SRC_PATH'),
    bool(
      'quiet,q',
      'Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached',
    ),
  ],
  completes: ['containers', 'files'],
  async run(context, flags, [from = '', to = '']) {
    const source = placeOf(from);
    const target = placeOf(to);
    if (source.container !== '' && target.container !== '') {
      throw new Error('copying between containers is not supported');
    }
    if (source.container !== '') await copyOut(context, source, { path: target.path, quiet: flags.bool('quiet') });
    else if (target.container !== '') await copyIn(context, flags, { from: source.path, to: target });
    else throw new Error('must specify at least one container source');
    return 0;
  },
};

/** `container:path`; a path that begins with a dot or a slash is never a container. */
function placeOf(text: string): Place {
  const colon = text.indexOf(':');
  if (colon < 0 || /^[./]/.test(text)) return { container: '', path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

async function copyOut(context: Context, source: Place, target: { path: string; quiet: boolean }): Promise<void> {
  const { tar, stat: found } = await context.client.containers.getArchive(source.container, source.path);
  if (target.path === '-') {
    for await (const chunk of tar) context.stdout.write(chunk);
    return;
  }
  const path = resolve(target.path);
  const existing = await stat(path).catch(() => undefined);
  const contentOnly = /\/\.$/.test(source.path);
  if (existing?.isDirectory() === true) {
    await unpackTo(tar, { folder: path, root: found.name, rename: contentOnly ? '' : found.name });
  } else {
    if (target.path.endsWith('/') && !isFolder(found.mode)) throw new Error(`no such directory: ${target.path}`);
    if (isFolder(found.mode)) await mkdir(dirname(path), { recursive: true });
    await unpackTo(tar, { folder: dirname(path), root: found.name, rename: basename(path) });
  }
  if (!target.quiet && context.stderr.isTTY === true) {
    warn(context, `Successfully copied ${source.container}:${source.path} to ${path}`);
  }
}

/** Go's file mode: the top bit is the folder's. */
function isFolder(mode: number): boolean {
  return mode >= 0x80000000;
}

async function copyIn(context: Context, flags: Flags, what: { from: string; to: Place }): Promise<void> {
  const { containers } = context.client;
  const copyUidGid = flags.bool('archive');
  if (what.from === '-') {
    await containers.putArchive(what.to.container, { path: what.to.path, tar: context.stdin, copyUidGid });
    return;
  }
  const source = resolve(what.from);
  const info = await (flags.bool('follow-link') ? stat(source) : lstat(source));
  const contentOnly = /\/\.$/.test(what.from);
  const existing = await containers.statPath(what.to.container, what.to.path).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  const into = existing !== undefined && isFolder(existing.mode);
  if (existing !== undefined && !into && info.isDirectory()) {
    throw new Error(`cannot copy directory to file ${what.to.container}:${what.to.path}`);
  }
  const path = into ? what.to.path : dirname(join('/', what.to.path));
  const name = into ? (contentOnly ? '' : basename(source)) : basename(what.to.path);
  const tar = packPath(source, { name, follow: flags.bool('follow-link') });
  await containers.putArchive(what.to.container, { path, tar, copyUidGid });
  if (!flags.bool('quiet') && context.stderr.isTTY === true) {
    warn(context, `Successfully copied ${source} to ${what.to.container}:${what.to.path}`);
  }
}
