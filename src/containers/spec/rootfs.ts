import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, readAttribute } from '../../kernel/index.ts';
import type { Mount } from '../containerd/index.ts';

const MAX_LINKS = 40;
const MAX_BYTES = 4 << 20;

/** The folders that an unmounted file tree consists of, the topmost first. */
export function layersOf(mounts: readonly Mount[]): string[] {
  return mounts.flatMap((mount) => {
    if (mount.type !== 'overlay') return [mount.source];
    const option = (name: string): string[] =>
      mount.options.flatMap((text) => (text.startsWith(`${name}=`) ? [text.slice(name.length + 1)] : []));
    return [...option('upperdir'), ...option('lowerdir').flatMap((list) => list.split(':'))];
  });
}

/**
 * Reads a file of a container's tree without mounting it. Links are followed inside the tree only; undefined when there
 * is no such file. For small system files (`/etc/passwd`).
 */
export function readTreeFile(layers: readonly string[], path: string): string | undefined {
  let rest = path.split('/').filter((part) => part !== '');
  let done: string[] = [];
  let links = 0;
  while (rest.length > 0) {
    const [part = '', ...later] = rest;
    if (part === '.' || part === '..') {
      if (part === '..') done = done.slice(0, -1);
      rest = later;
      continue;
    }
    const found = lookUp(layers, [...done, part]);
    if (!found) return undefined;
    if (found.kind === 'link') {
      links += 1;
      if (links > MAX_LINKS) return undefined;
      if (found.target.startsWith('/')) done = [];
      rest = [...found.target.split('/').filter((one) => one !== ''), ...later];
      continue;
    }
    done = [...done, part];
    rest = later;
    if (rest.length === 0)
      return found.kind === 'file' && found.size <= MAX_BYTES ? readFileSync(found.path, 'utf8') : undefined;
  }
  return undefined;
}

type Found =
  | { readonly kind: 'file'; readonly path: string; readonly size: number }
  | { readonly kind: 'folder' }
  | { readonly kind: 'link'; readonly target: string };

/** The topmost layer that has the path decides; a whiteout (device 0/0) hides what is below. No link is followed. */
function lookUp(layers: readonly string[], parts: readonly string[]): Found | undefined {
  for (const layer of layers) {
    const answer = inLayer(layer, parts);
    if (answer === 'hidden') return undefined;
    if (answer !== 'absent') return answer;
  }
  return undefined;
}

function inLayer(layer: string, parts: readonly string[]): Found | 'hidden' | 'absent' {
  let path = layer;
  // What a layer does not have below a folder that it has made anew is nowhere.
  let absent: 'hidden' | 'absent' = 'absent';
  for (const [index, part] of parts.entries()) {
    path = join(path, part);
    try {
      const stat = lstatSync(path);
      if (stat.isCharacterDevice() && stat.rdev === 0) return 'hidden';
      const last = index === parts.length - 1;
      if (stat.isDirectory()) {
        if (last) return { kind: 'folder' };
        if (isOpaque(path)) absent = 'hidden';
      } else if (!last) return 'absent';
      else if (stat.isSymbolicLink()) return { kind: 'link', target: readlinkSync(path) };
      else if (stat.isFile()) return { kind: 'file', path, size: stat.size };
      else return 'hidden';
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return absent;
      throw error;
    }
  }
  return 'absent';
}

/** overlayfs's mark of a folder that hides those of the same name in the layers below. */
function isOpaque(folder: string): boolean {
  return readAttribute(folder, 'trusted.overlay.opaque')?.toString() === 'y';
}

/** The folder, or one on the way to it, hides what the layers below have. */
function hidesBelow(layer: string, parts: readonly string[]): boolean {
  return parts.some((_, index) => isOpaque(join(layer, ...parts.slice(0, index + 1))));
}

/** A folder of the tree, merged over its layers; undefined when there is none. Links on the way are not followed. */
export function listTree(
  layers: readonly string[],
  path: string,
):
  | { readonly path: string; readonly children: readonly { readonly name: string; readonly path: string }[] }
  | undefined {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  const children = new Map<string, string | null>();
  let top: string | undefined;
  for (const layer of layers) {
    const answer = parts.length === 0 ? ({ kind: 'folder' } as const) : inLayer(layer, parts);
    if (answer === 'absent') continue;
    if (answer === 'hidden' || answer.kind !== 'folder') break;
    const folder = join(layer, ...parts);
    top ??= folder;
    for (const name of readdirSync(folder)) {
      if (children.has(name)) continue;
      const stat = lstatSync(join(folder, name));
      children.set(name, stat.isCharacterDevice() && stat.rdev === 0 ? null : join(folder, name));
    }
    if (hidesBelow(layer, parts)) break;
  }
  if (top === undefined) return undefined;
  return {
    path: top,
    children: [...children].flatMap(([name, found]) => (found === null ? [] : [{ name, path: found }])),
  };
}
