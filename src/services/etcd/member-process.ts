import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  Backoff,
  type Clock,
  conflict,
  familyOf,
  type Ip,
  type Log,
  messageOf,
  unavailable,
} from '../../base/index.ts';
import { isRunning, type ProcessIdentity, processIdentity } from '../../kernel/index.ts';

/** How a member of etcd is to run. Plain JSON data. */
export interface MemberPlan {
  readonly name: string;
  readonly address: Ip;
  readonly clientPort: number;
  readonly peerPort: number;
  /** `name=url,…` of all members at its beginning. */
  readonly initialCluster: string;
  /** It joins others that run already. */
  readonly existing: boolean;
}

export interface MemberPaths {
  /** Where its data and its log are. */
  readonly folder: string;
  readonly pidFile: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface MemberDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Found by PATH when it has no slash. */
  readonly program: string;
}

const LOG_MAX_BYTES = 10 << 20;
const WATCH_MS = 1_000;
const RESTART_LONGEST_MS = 10_000;
const POLL_MS = 20;
const TERM_MS = 10_000;

/**
 * The etcd that this node runs. It outlives us, so that a restart of the daemon takes nothing from the others, and the next
 * start finds it by its pid file; while we live, one that dies is started again.
 */
export class MemberProcess {
  readonly #deps: MemberDeps;
  readonly #paths: MemberPaths;
  readonly #plan: MemberPlan;
  readonly #restarting: Backoff;
  #process: ProcessIdentity | undefined;
  #stopWatching: (() => void) | undefined;

  constructor(deps: MemberDeps, paths: MemberPaths, plan: MemberPlan) {
    this.#deps = deps;
    this.#paths = paths;
    this.#plan = plan;
    this.#restarting = new Backoff(
      {
        clock: deps.clock,
        work: async () => {
          if (await this.isRunning()) return false;
          await this.start();
          return true;
        },
        onError: (error) => deps.log.error({ err: error }, 'the etcd of this node does not start'),
      },
      { longestMs: RESTART_LONGEST_MS },
    );
  }

  /** Finds it running, or starts it, now or later; does not wait until it answers, for it may need others for that. */
  async keep(): Promise<void> {
    this.#process = await runningBy(this.#paths.pidFile);
    if (this.#process === undefined) {
      await this.start().catch((error) => this.#deps.log.error({ err: error }, 'the etcd of this node does not start'));
    }
    this.#watch();
  }

  async start(): Promise<void> {
    const { folder, pidFile } = this.#paths;
    await mkdir(join(folder, 'etcd'), { recursive: true, mode: 0o700 });
    const child = await this.#spawn();
    const started = await processIdentity(child.pid ?? 0);
    if (!started) throw unavailable('etcd_died', await this.epitaph());
    await writeFile(pidFile, `${started.pid} ${started.startedAt}\n`, { mode: 0o600 });
    this.#process = started;
    this.#deps.log.info({ pid: started.pid, address: this.#plan.address, port: this.#plan.clientPort }, 'started etcd');
    this.#watch();
  }

  async isRunning(): Promise<boolean> {
    return this.#process !== undefined && (await isRunning(this.#process));
  }

  /** Why it ended, in its own words. */
  async epitaph(): Promise<string> {
    const text = await readFile(this.#logFile, 'utf8').catch(() => '');
    const lines = text.trimEnd().split('\n').slice(-20);
    const said = lines.findLast((line) => /"level":"(?:fatal|panic|error)"/.test(line)) ?? lines.at(-1) ?? '';
    const { msg = said, error = '' } = parsed(said);
    return `etcd ended at once: ${[msg, error].filter((part) => part !== '').join(': ')} (see ${this.#logFile})`;
  }

  /** Leaves the process alone: what a stopping daemon does. */
  release(): void {
    this.#restarting[Symbol.dispose]();
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  async stop(): Promise<void> {
    this.release();
    const running = this.#process;
    this.#process = undefined;
    if (running) await end(running);
    await rm(this.#paths.pidFile, { force: true });
  }

  get #logFile(): string {
    return join(this.#paths.folder, 'etcd.log');
  }

  async #spawn(): Promise<ChildProcess> {
    const size = await stat(this.#logFile).then(
      (found) => found.size,
      () => 0,
    );
    if (size > LOG_MAX_BYTES) await rename(this.#logFile, `${this.#logFile}.1`);
    await using log = await open(this.#logFile, 'a', 0o600);
    const { program } = this.#deps;
    const args = memberFlags(this.#plan, this.#paths);
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log.fd, log.fd], cwd: '/' });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(etcdMissing(program, error)));
    });
    child.unref();
    return child;
  }

  #watch(): void {
    this.#stopWatching ??= this.#deps.clock.after(WATCH_MS, () => {
      this.#stopWatching = undefined;
      void this.isRunning().then((running) => {
        if (!running) this.#restarting.ask();
        if (this.#process !== undefined || !running) this.#watch();
      });
    });
  }
}

/** One that an earlier daemon started and nobody is to keep. */
export async function endLeftMember(pidFile: string): Promise<void> {
  const running = await runningBy(pidFile);
  if (running) await end(running);
  await rm(pidFile, { force: true });
}

async function runningBy(pidFile: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(pidFile, 'utf8').catch(() => '');
  const [pid, startedAt] = text.trim().split(' ');
  if (!pid || !startedAt) return undefined;
  const found = { pid: Number(pid), startedAt };
  return (await isRunning(found)) ? found : undefined;
}

async function end(running: ProcessIdentity): Promise<void> {
  if (!(await isRunning(running))) return;
  process.kill(running.pid, 'SIGTERM');
  const late = performance.now() + TERM_MS;
  while (await isRunning(running)) {
    if (performance.now() > late) process.kill(running.pid, 'SIGKILL');
    await delay(POLL_MS);
  }
}

export function urlOf(address: Ip, port: number): string {
  return `https://${familyOf(address) === 6 ? `[${address}]` : address}:${port}`;
}

export function memberFlags(plan: MemberPlan, { folder, caFile, certFile, keyFile }: MemberPaths): string[] {
  const clients = urlOf(plan.address, plan.clientPort);
  const peers = urlOf(plan.address, plan.peerPort);
  return [
    ...['--name', plan.name, '--data-dir', join(folder, 'etcd')],
    ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
    ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
    ...['--initial-cluster', plan.initialCluster, '--initial-cluster-state', plan.existing ? 'existing' : 'new'],
    ...['--client-cert-auth', '--trusted-ca-file', caFile, '--cert-file', certFile, '--key-file', keyFile],
    ...[
      '--peer-client-cert-auth',
      '--peer-trusted-ca-file',
      caFile,
      '--peer-cert-file',
      certFile,
      '--peer-key-file',
      keyFile,
    ],
    // What happened is asked for by whoever was cut off meanwhile; after an hour a node looks what is there instead.
    ...['--auto-compaction-mode', 'periodic', '--auto-compaction-retention', '1h'],
    ...['--logger', 'zap', '--log-level', 'warn', '--log-outputs', 'stderr'],
  ];
}

export async function assertEtcdThere(program: string): Promise<void> {
  try {
    await promisify(execFile)(program, ['--version']);
  } catch (error) {
    throw etcdMissing(program, error);
  }
}

/** Somebody else would get the blame of an etcd that cannot listen. */
export async function assertPortsFree(address: Ip, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const server = createServer();
    try {
      server.listen({ host: address, port, exclusive: true });
      await once(server, 'listening');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE') {
        throw conflict(
          'port_taken',
          `cannot run etcd on ${address} port ${port}: it is taken; choose another with --port`,
          error,
        );
      }
      if (code === 'EADDRNOTAVAIL') {
        throw conflict('not_our_address', `cannot run etcd on ${address}: it is no address of this host`, error);
      }
      throw unavailable('port_unusable', `cannot run etcd on ${address} port ${port}: ${messageOf(error)}`, error);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

function etcdMissing(program: string, cause: unknown): Error {
  return unavailable(
    'etcd_missing',
    `cannot run "${program}": ${messageOf(cause)}; install it (Debian: etcd-server)`,
    cause,
  );
}

function parsed(line: string): { readonly msg?: string; readonly error?: string } {
  try {
    return JSON.parse(line) as { msg?: string; error?: string };
  } catch {
    return {};
  }
}
