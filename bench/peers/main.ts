import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { TestHost } from '../../test/support/index.ts';
import { live, networks, ports, starts } from './control.ts';
import { crowd, idle } from './crowd.ts';
import { type Peer, startPeers } from './engines.ts';
import { names } from './names.ts';
import { connections, dataPaths } from './paths.ts';
import { Report } from './report.ts';
import { Visitor } from './visitor.ts';

/** Then it fails, and takes everything down. */
const DEADLINE_MS = 15 * 60_000;

/** Bytes of each daemon's log that a failure shows. */
const LOG_TAIL = 3000;

const hosts: TestHost[] = [];
const before = leftovers();
const report = new Report();
const undo = new AsyncDisposableStack();
const asked = process.argv.slice(2);
let failed: unknown;
let ending: Promise<void> | undefined;
/** Once, whoever asks; what must be taken down outlives this process. */
const tearDown = (): Promise<void> => {
  ending ??= undo.disposeAsync();
  return ending;
};
for (const event of ['uncaughtException', 'SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(event, async (reason: unknown) => {
    console.error(event, reason);
    await tearDown();
    process.exit(1);
  });
}
try {
  const { peers, lan, bare } = await startPeers(undo);
  hosts.push(...peers.map(({ host }) => host));
  const visitor = undo.use(new Visitor(lan));
  for (const { api } of peers) await api.call('POST', '/networks/create', { Name: 'bench' });
  const suites: Readonly<Record<string, (peers: readonly Peer[]) => Promise<void>>> = {
    idle: (all) => idle(all, report),
    networks: (all) => networks(all, report),
    start: (all) => starts(all, report, visitor),
    live: (all) => live(all, report),
    ports: (all) => ports(all, report),
    connections: (all) => connections(all, report, { visitor, bare }),
    paths: (all) => dataPaths(all, report),
    names: (all) => names(all, report),
    crowd: (all) => crowd(all, report),
  };
  const unknown = asked.filter((name) => suites[name] === undefined);
  if (unknown.length > 0)
    throw new Error(`no suite ${unknown.join(', ')}; there are ${Object.keys(suites).join(', ')}`);
  const work = async (): Promise<void> => {
    for (const [name, suite] of Object.entries(suites)) {
      if (asked.length > 0 && !asked.includes(name)) continue;
      const begin = performance.now();
      await suite(peers);
      console.error(`${name}: ${Math.round((performance.now() - begin) / 1000)} s`);
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${DEADLINE_MS / 60_000} minutes`)), DEADLINE_MS);
  });
  await Promise.race([work(), deadline]).finally(() => clearTimeout(timer));
} catch (error) {
  failed = error;
  for (const { directory } of hosts) {
    const log = `${directory}/daemon.log`;
    if (existsSync(log)) console.error(`${log}:\n${readFileSync(log, 'utf8').slice(-LOG_TAIL)}`);
  }
}
try {
  await tearDown();
} catch (error) {
  failed ??= error;
}
console.log(report.table());
const left = leftovers().filter((name) => !before.includes(name));
if (left.length > 0) console.error(`left behind: ${left.join(', ')}`);
if (failed !== undefined) console.error(failed);
else if (asked.length === 0) report.write();
process.exit(failed !== undefined || left.length > 0 ? 1 : 0);

/** Folders of test hosts and cgroups of engines, which a host that ended has taken away. */
function leftovers(): string[] {
  return ['/tmp', '/sys/fs/cgroup', '/sys/fs/cgroup/memory']
    .flatMap((path) => list(path).map((name) => `${path}/${name}`))
    .filter((name) => /\/(fw-\w+|libpod_parent|docker)$/.test(name));
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
