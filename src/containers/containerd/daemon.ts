import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Emitter, invalid, type Log, messageOf, silentLog, unavailable } from '../../base/index.ts';
import { isRunning, type ProcessIdentity, processIdentity } from '../../kernel/index.ts';
import { Containerd } from './client.ts';
import { type DaemonPaths, daemonConfig, SOCKET_PATH_MAX } from './daemon-config.ts';

export interface ContainerdDaemonOptions extends DaemonPaths {
  readonly log?: Log;
  /** The program; found by PATH when it has no slash. */
  readonly program?: string;
  /** How long to wait until a started daemon answers. */
  readonly startMs?: number;
  /** The environment of the process, so that a test host's own can be given. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const START_MS = 60_000;
const POLL_MS = 20;
const PING_MS = 5_000;
const WATCH_MS = 1_000;
const LOG_MAX_BYTES = 10 << 20;
const RESTART_MAX_MS = 10_000;

/**
 * A containerd of our own. It outlives us, and the next start finds it by its pid file; while we live, one that dies
 * is started again. Containers do not need it to go on running: their shims are processes of their own.
 */
export class ContainerdDaemon {
  readonly socketPath: string;
  /** Emits after a daemon that died answers again: event streams must be opened anew. */
  readonly restarted = new Emitter<void>();
  readonly #options: ContainerdDaemonOptions;
  readonly #log: Log;
  #process: ProcessIdentity | undefined;
  #timer: NodeJS.Timeout | undefined;
  #watching = false;

  private constructor(options: ContainerdDaemonOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.socketPath = options.socketPath;
  }

  /** Finds the running daemon or starts one; resolves when it answers. */
  static async ensure(options: ContainerdDaemonOptions): Promise<ContainerdDaemon> {
    if (Buffer.byteLength(options.socketPath) > SOCKET_PATH_MAX) {
      throw invalid(
        'socket_path_too_long',
        `cannot start containerd: socket path "${options.socketPath}" is longer than ${SOCKET_PATH_MAX} bytes`,
      );
    }
    const daemon = new ContainerdDaemon(options);
    if (!(await daemon.#adopt())) await daemon.#start();
    daemon.#watch();
    return daemon;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Ends our watching and leaves the process alone: what a stopping fairwayd does. */
  release(): void {
    this.#watching = false;
    clearTimeout(this.#timer);
  }

  /** Ends the process. Containers go on running, and a later daemon finds them again. */
  async stop(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.release();
    const running = this.#process;
    if (running && (await isRunning(running))) {
      process.kill(running.pid, 'SIGTERM');
      const deadline = Date.now() + (options.timeoutMs ?? 20_000);
      while (await isRunning(running)) {
        if (Date.now() > deadline) process.kill(running.pid, 'SIGKILL');
        await delay(POLL_MS);
      }
    }
    this.#process = undefined;
    await rm(this.#pidFile, { force: true });
  }

  get #pidFile(): string {
    return join(this.#options.state, 'containerd.pid');
  }

  async #adopt(): Promise<boolean> {
    const text = await readFile(this.#pidFile, 'utf8').catch(() => '');
    const [pid, startedAt] = text.trim().split(' ');
    if (!pid || !startedAt) return false;
    const found = { pid: Number(pid), startedAt };
    if (!(await isRunning(found))) return false;
    await this.#answers(found);
    this.#process = found;
    this.#log.info({ pid: found.pid, socket: this.socketPath }, 'found our containerd running');
    return true;
  }

  async #start(): Promise<void> {
    const { root, state } = this.#options;
    await mkdir(root, { recursive: true, mode: 0o711 });
    await mkdir(state, { recursive: true, mode: 0o711 });
    const configFile = join(state, 'containerd.toml');
    await writeFile(configFile, daemonConfig(this.#options), { mode: 0o600 });
    const child = await this.#spawn(configFile);
    try {
      const started = await processIdentity(child.pid ?? 0);
      if (!started) throw unavailable('containerd_died', await this.#epitaph());
      await writeFile(this.#pidFile, `${started.pid} ${started.startedAt}\n`, { mode: 0o600 });
      await this.#answers(started);
      this.#process = started;
      this.#log.info({ pid: started.pid, socket: this.socketPath }, 'started containerd');
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  async #spawn(configFile: string): Promise<ChildProcess> {
    const logFile = this.#logFile;
    const size = await stat(logFile).then(
      (found) => found.size,
      () => 0,
    );
    if (size > LOG_MAX_BYTES) await rename(logFile, `${logFile}.1`);
    await using log = await open(logFile, 'a', 0o600);
    const program = this.#options.program ?? 'containerd';
    const child = spawn(program, ['--config', configFile], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      cwd: '/',
      ...(this.#options.env && { env: this.#options.env }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(unavailable('containerd_missing', `cannot start "${program}": ${messageOf(error)}`, error)),
      );
    });
    child.unref();
    return child;
  }

  get #logFile(): string {
    return join(this.#options.root, 'containerd.log');
  }

  /** Waits until the daemon answers; a daemon that ends meanwhile ends the wait. */
  async #answers(running: ProcessIdentity): Promise<void> {
    const deadline = Date.now() + (this.#options.startMs ?? START_MS);
    for (;;) {
      try {
        await Containerd.ping(this.socketPath, PING_MS);
        return;
      } catch (error) {
        if (!(await isRunning(running))) throw unavailable('containerd_died', await this.#epitaph(), error);
        if (Date.now() > deadline) throw error;
        await delay(POLL_MS);
      }
    }
  }

  async #epitaph(): Promise<string> {
    const text = await readFile(this.#logFile, 'utf8').catch(() => '');
    const last = text.trimEnd().split('\n').slice(-3).join('; ');
    return `cannot start containerd: it ended at once${last === '' ? '' : `: ${last}`}`;
  }

  #watch(): void {
    this.#watching = true;
    this.#later(WATCH_MS, () => this.#check(WATCH_MS));
  }

  async #check(backoffMs: number): Promise<void> {
    const running = this.#process;
    if (running && (await isRunning(running))) {
      this.#later(WATCH_MS, () => this.#check(WATCH_MS));
      return;
    }
    if (!this.#watching) return;
    this.#log.warn({ pid: running?.pid }, 'containerd has ended; starting it again');
    try {
      await this.#start();
      this.restarted.emit();
      this.#later(WATCH_MS, () => this.#check(WATCH_MS));
    } catch (error) {
      this.#log.error({ err: error }, 'containerd does not start');
      const next = Math.min(backoffMs * 2, RESTART_MAX_MS);
      this.#later(backoffMs, () => this.#check(next));
    }
  }

  #later(ms: number, work: () => Promise<void>): void {
    if (!this.#watching) return;
    this.#timer = setTimeout(() => {
      work().catch((error) => this.#log.error({ err: error }, 'watching containerd failed'));
    }, ms);
    this.#timer.unref();
  }
}
