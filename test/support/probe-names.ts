import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Probed } from './dns-prober.ts';
import { stopChild } from './lan.ts';

const PROBER = fileURLToPath(new URL('dns-prober.ts', import.meta.url));

/** Questions asked all the while in the network namespace of a process. */
export class NameProbe implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #output: Promise<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#output = new Promise((resolve) => {
      let text = '';
      child.stdout?.on('data', (chunk) => (text += String(chunk)));
      child.on('close', () => resolve(text));
    });
  }

  /** Resolves when it asks. `*` in a name becomes a number that no question before had. */
  static async start(pid: string | number, names: readonly string[], everyMs = 10): Promise<NameProbe> {
    const command = [`--net=/proc/${pid}/ns/net`, process.execPath, PROBER, String(everyMs), ...names];
    const child = spawn('nsenter', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    const probe = new NameProbe(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the prober ended with ${code}`)));
    });
    return probe;
  }

  /** What it saw, when all is answered that will be. */
  async stop(): Promise<Probed> {
    this.#child.stdin?.end();
    const lines = (await this.#output).trim().split('\n');
    return JSON.parse(lines.at(-1) ?? '') as Probed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopChild(this.#child);
  }
}
