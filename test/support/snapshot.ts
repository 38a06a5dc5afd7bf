import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
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
    // Counters and handles are not shown by a plain listing; element timeouts are not used.
    rules: await lines('nft', 'list', 'ruleset'),
    mounts: (await lines('cat', '/proc/self/mounts')).map((line) => line.split(' ').slice(0, 3).join(' ')),
    processes: host
      .processes()
      .map(({ command }) => command)
      .filter((command) => !['cat', 'ip', 'nft', 'nsenter'].includes(command))
      .sort(),
    cgroups: cgroupPaths(host.cgroup).flatMap((path) => childrenOf(path)),
    files: [
      ...childrenOf(join(host.directory, 'lib/fairway/containers')),
      ...childrenOf(join(host.directory, 'run/fairway')),
    ],
  };
}

/** Waits until the host is as it was; some things go a moment after the call returned (discarded bridges, shims). */
export async function assertUnchanged(host: TestHost, before: Snapshot): Promise<void> {
  await eventually(async () => assert.deepEqual(await snapshot(host), before));
}

function childrenOf(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .map((entry) => join(path, entry.name))
      .sort();
  } catch {
    return [];
  }
}
