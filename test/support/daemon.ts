import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';
import type { TestHost } from './host.ts';

const FAIRWAYD = fileURLToPath(new URL('../../bin/fairwayd', import.meta.url));

/** A `fairwayd` inside a test host, with its default paths (private to the host). */
export class Daemon {
  readonly host: TestHost;
  /** What the next start runs: this repository's, unless a test installs another. */
  program = FAIRWAYD;
  /** Of the next start. */
  args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;

  private constructor(host: TestHost, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.host = host;
    this.args = args;
    this.#env = env;
  }

  /** `env`: of its process, beside what there is. */
  static async start(
    host: TestHost,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Daemon> {
    const daemon = new Daemon(host, args, env);
    await daemon.start();
    return daemon;
  }

  /** The API's socket, as seen from outside the host. */
  get socket(): string {
    return join(this.host.directory, 'run/fairway/fairway.sock');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** All it has logged, over restarts. */
  get log(): string {
    return readFileSync(join(this.host.directory, 'daemon.log'), 'utf8');
  }

  async start(): Promise<void> {
    const log = openSync(join(this.host.directory, 'daemon.log'), 'a');
    const command = [this.program, '--cgroup-parent', this.host.cgroup, ...this.args];
    const [program = '', ...args] = this.host.inside(command);
    const child = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, ...this.#env } });
    closeSync(log);
    this.#child = child;
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`fairwayd ended (${code}):\n${this.log.slice(-4000)}`);
    });
    await Promise.race([eventually(() => ping(this.socket), 60_000), ended]);
    // It ends some day; then nobody waits for it here.
    ended.catch(() => {});
  }

  /** SIGTERM, and its exit status. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async killHard(): Promise<void> {
    await this.#end('SIGKILL');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Open descriptors of the daemon's process. */
  openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    const [code] = (await ended) as [number | null];
    clearTimeout(timer);
    return code;
  }
}

function ping(socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: '/_ping', method: 'GET' }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`ping: ${response.statusCode}`)),
      );
    });
    call.on('error', reject);
    call.end();
  });
}
