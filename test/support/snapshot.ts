import assert from 'node:assert/strict';
import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { cgroupPaths, type TestHost } from './host.ts';

/** All that a daemon can leave on a host. */
export interface Snapshot {
  readonly links: readonly string[];
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly namespaces: readonly string[];
  readonly rules: readonly string[];
  readonly mounts: readonly string[];
  readonly processes: readonly string[];
  readonly cgroups: readonly string[];
  readonly files: readonly string[];
}

/** What is on the host now, in an order that does not depend on chance. */
export async function snapshot(host: TestHost): Promise<Snapshot> {
  const lines = async (...command: string[]): Promise<string[]> =>
    (await host.ok(command))
      .split('\n')
      .filter((line) => line !== '')
      .sort();
  return {
    links: (await lines('ip', '-br', 'link')).map((line) => line.split(/\s+/)[0] ?? ''),
    addresses: (await lines('ip', '-br', 'addr')).map((line) => line.replace(/\s+(UP|DOWN|UNKNOWN)\s+/, ' ').trim()),
    routes: [...(await lines('ip', 'route')), ...(await lines('ip', '-6', 'route'))].map((line) =>
      line.replace(/ linkdown| dead| pref medium/g, '').trim(),
    ),
    namespaces: readdirSync(join(host.directory, 'run/netns')).sort(),
    // Without counters, which go on counting.
    rules: (await lines('nft', '-s', 'list', 'ruleset')).map(element).sort(),
    mounts: (await lines('cat', '/proc/self/mounts')).map((line) => line.split(' ').slice(0, 3).join(' ')),
    processes: host
      .processes()
      .map(({ command }) => command)
      .filter((command) => !['cat', 'ip', 'nft', 'nsenter'].includes(command))
      .sort(),
    cgroups: cgroupPaths(host.cgroup).flatMap((path) => childrenOf(path, (entry) => entry.isDirectory())),
    files: ['lib/fairway/containers', 'run/fairway/containers'].flatMap((path) =>
      childrenOf(join(host.directory, path)),
    ),
  };
}

/** A line without what tells its place in a set, or which daemon made the table: another one may have put the elements in in another order. */
function element(line: string): string {
  return line
    .replace(/^\s*(elements = \{ )?/, '')
    .replace(/(,| \})$/, '')
    .replace(/^(table inet fairway_seal)\d.*/, '$1');
}

/** Waits until the host is as it was; some things go a moment after the call returned (discarded bridges, shims). */
export async function assertUnchanged(host: TestHost, before: Snapshot): Promise<void> {
  await eventually(async () => assert.deepEqual(difference(before, await snapshot(host)), {}));
}

/** Only what is more or less than before, so that a failure is short. */
function difference(before: Snapshot, after: Snapshot): Record<string, { more: string[]; less: string[] }> {
  const without = (all: readonly string[], known: readonly string[]): string[] => {
    const rest = [...known];
    return all.filter((line) => {
      const at = rest.indexOf(line);
      if (at >= 0) rest.splice(at, 1);
      return at < 0;
    });
  };
  const found: Record<string, { more: string[]; less: string[] }> = {};
  for (const key of Object.keys(before) as (keyof Snapshot)[]) {
    const more = without(after[key], before[key]);
    const less = without(before[key], after[key]);
    if (more.length + less.length > 0) found[key] = { more, less };
  }
  return found;
}

function childrenOf(path: string, wanted: (entry: Dirent) => boolean = () => true): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter(wanted)
      .map((entry) => join(path, entry.name))
      .sort();
  } catch {
    return [];
  }
}
