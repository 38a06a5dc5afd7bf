import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Change {
  readonly path: string;
  /** Docker's numbers: modified, added, deleted. */
  readonly kind: 0 | 1 | 2;
}

/** What runc makes so that it can mount there; not the container's doing. */
const MOUNT_TARGETS = new Set([
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/dev',
  '/proc',
  '/sys',
  '/.dockerenv',
]);

/** What the topmost layer has beyond those below it. */
export function changesOf(layers: readonly string[], mountPoints: readonly string[] = []): Change[] {
  const [upper, ...lower] = layers;
  if (upper === undefined || lower.length === 0) return [];
  const hidden = new Set([...MOUNT_TARGETS, ...mountPoints]);
  return walk(upper, lower, '', hidden);
}

function walk(upper: string, lower: readonly string[], folder: string, hidden: ReadonlySet<string>): Change[] {
  const changes: Change[] = [];
  for (const name of readdirSync(join(upper, folder)).sort()) {
    const path = `${folder}/${name}`;
    if (hidden.has(path)) continue;
    const stat = lstatSync(join(upper, path));
    if (stat.isCharacterDevice() && stat.rdev === 0) {
      changes.push({ path, kind: 2 });
      continue;
    }
    const known = existsBelow(lower, path);
    if (!stat.isDirectory()) {
      changes.push({ path, kind: known ? 0 : 1 });
      continue;
    }
    const inside = walk(upper, lower, path, hidden);
    // A folder that is there only for a mount is none of the container's changes.
    const empty = readdirSync(join(upper, path)).length > 0 && inside.length === 0;
    if (!empty || !known) changes.push({ path, kind: known ? 0 : 1 }, ...inside);
  }
  return changes;
}

function existsBelow(lower: readonly string[], path: string): boolean {
  for (const layer of lower) {
    try {
      const stat = lstatSync(join(layer, path));
      return !(stat.isCharacterDevice() && stat.rdev === 0);
    } catch {
      // In another layer, or in none.
    }
  }
  return false;
}
