import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupPaths } from '../../test/support/host.ts';
import type { TestHost } from '../../test/support/index.ts';
import { within } from '../data-path.ts';
import { bringUp, type Field } from './bring-up.ts';
import { live, networks, starts } from './control.ts';
import { QUICK } from './counts.ts';
import { crowd, idle, manyNetworks, restarts } from './crowd.ts';
import { clear } from './engines.ts';
import { library } from './library.ts';
import { names } from './names.ts';
import { connections, dataPaths, published } from './paths.ts';
import { type Pace, ports, portsOnMany } from './ports.ts';
import { Report } from './report.ts';
import { reasonOf, Turns } from './turns.ts';
import { Visitor } from './visitor.ts';

/** No part begins after it; each ends soon. */
const DEADLINE_MS = 20 * 60_000;
/** What is under way when somebody interrupts ends by itself: a stream, a client of names. */
const SETTLE_MS = 15_000;
/** Bytes of each daemon's log that a failure shows. */
const LOG_TAIL = 3000;

interface Part {
  /** No further round begins after so many seconds. */
  readonly seconds: number;
  readonly run: (turns: Turns, field: Field, visitor: Visitor) => Promise<void>;
}

/** What `ports` learns for `many-ports`. */
const pace: Pace = new Map();

const PARTS: Readonly<Record<string, Part>> = {
  idle: { seconds: 30, run: (turns) => idle(turns) },
  networks: { seconds: 45, run: (turns) => networks(turns) },
  start: { seconds: 60, run: (turns, _, visitor) => starts(turns, visitor) },
  live: { seconds: 45, run: (turns) => live(turns) },
  ports: { seconds: 120, run: (turns) => ports(turns, pace) },
  'many-ports': { seconds: 90, run: (turns) => portsOnMany(turns, pace) },
  connections: { seconds: 90, run: (turns, { bare }, visitor) => connections(turns, visitor, bare) },
  paths: { seconds: 75, run: (turns) => dataPaths(turns) },
  published: { seconds: 150, run: (turns, { bare }) => published(turns, bare) },
  names: { seconds: 100, run: (turns) => names(turns) },
  'many-networks': { seconds: 90, run: (turns) => manyNetworks(turns) },
  crowd: { seconds: 240, run: (turns) => crowd(turns) },
  restart: { seconds: 120, run: (turns) => restarts(turns) },
  library: { seconds: 60, run: (turns, { bare }) => library(turns, bare) },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => PARTS[name] === undefined);
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  process.exit(1);
}
const interrupted = new AbortController();
const hosts: TestHost[] = [];
const report = new Report();
const undo = new AsyncDisposableStack();
const begin = performance.now();
// The parent has been interrupted, or is gone.
process.once('disconnect', () => interrupted.abort(new Error('interrupted')));
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(event, () => interrupted.abort(new Error(`interrupted by ${event}`)));
}
let failed: unknown;
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => {
    if (!interrupted.signal.aborted) console.error(event, error);
    failed ??= error;
    interrupted.abort(error);
  });
}

const { signal } = interrupted;
const work = measure().catch((error: unknown) => {
  failed ??= error;
});
await Promise.race([work, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
if (signal.aborted) {
  failed ??= signal.reason;
  console.error('ending …');
  await Promise.race([work, sleep(SETTLE_MS)]);
} else if (failed !== undefined || !report.complete) showLogs();
try {
  await undo.disposeAsync();
} catch (error) {
  console.error(error);
  failed ??= error;
}
console.log(report.table());
const left = leftovers();
if (left.length > 0) console.error(`left behind: ${left.join(', ')}`);
if (failed !== undefined) console.error(failed);
// What was measured is worth keeping, although something was not.
else if (asked.length === 0 && !QUICK) report.write();
process.exit(failed !== undefined || left.length > 0 || !report.complete ? 1 : 0);

async function measure(): Promise<void> {
  const options = {
    signal,
    onHost: (host: TestHost) => void hosts.push(host),
    onFailure: (name: string, error: unknown) => {
      console.error(`${name} does not come up:`, error);
      report.leftOut('all parts', name, reasonOf(error));
    },
  };
  const field = await bringUp(undo, options);
  const visitor = undo.use(new Visitor(within(field.lan.pid)));
  console.error(`set up: ${secondsSince(begin)} s`);
  for (const [name, { seconds, run }] of Object.entries(PARTS)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    const start = performance.now();
    if (start > begin + DEADLINE_MS) {
      report.leftOut(name, 'all', `not begun: ${DEADLINE_MS / 60_000} minutes were over`);
      continue;
    }
    const until = Math.min(start + seconds * 1000, begin + DEADLINE_MS);
    const turns = new Turns(name, field.peers, report, { until, signal });
    try {
      await run(turns, field, visitor);
    } catch (error) {
      signal.throwIfAborted();
      console.error(`${name}:`, error);
      report.leftOut(name, 'all', reasonOf(error));
    }
    const cleaning = new Turns(`cleaning after ${name}`, field.peers, report, { until, signal });
    await cleaning.each(clear);
    console.error(`${name}: ${secondsSince(start)} s`);
  }
  console.error(`all: ${secondsSince(begin)} s`);
}

function secondsSince(start: number): number {
  return Math.round((performance.now() - start) / 1000);
}

function showLogs(): void {
  for (const { directory } of hosts) {
    const log = `${directory}/daemon.log`;
    if (existsSync(log)) console.error(`${log}:\n${readFileSync(log, 'utf8').slice(-LOG_TAIL)}`);
  }
}

/** Folders, cgroups and processes of our hosts, all of which their ends have taken away. */
function leftovers(): string[] {
  return hosts.flatMap(({ directory, cgroup }) => [
    ...(existsSync(directory) ? [directory] : []),
    ...cgroupPaths(cgroup),
    ...readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && mountsOf(pid).includes(`${directory}/`)),
  ]);
}

function mountsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
  } catch {
    return '';
  }
}
