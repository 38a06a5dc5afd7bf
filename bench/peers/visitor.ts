import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { stopChild } from '../../test/support/lan.ts';

const KNOCK = fileURLToPath(new URL('knock.ts', import.meta.url));
const RATE_MS = 500;
const RATE_WINDOW = 16;
const ECHOES = 3000;

/** A client somewhere: on the LAN, outside of all engines' hosts, on a host, or in a container. One question at a time. */
export class Visitor implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  /** `enter` is a command line that runs what follows it there. */
  constructor(enter: readonly string[]) {
    const [program = '', ...args] = [...enter, process.execPath, KNOCK];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.on('error', () => {});
    this.#child = child;
    const lines: Interface = createInterface(child.stdout);
    this.#answers = lines[Symbol.asyncIterator]();
  }

  /** Until a connection is made. */
  async until(address: string, port: number): Promise<void> {
    await this.#ask(`until ${address} ${port}`);
  }

  /** Until a request by HTTP gets an answer. */
  async answered(address: string, port: number): Promise<void> {
    await this.#ask(`answer ${address} ${port}`);
  }

  /** Connections per second, each made and reset. */
  async rate(address: string, port: number, ms = RATE_MS): Promise<number> {
    return Number(await this.#ask(`rate ${address} ${port} ${ms} ${RATE_WINDOW}`));
  }

  /** Microseconds of a byte there and back, to a server that echoes; the median. */
  async echo(address: string, port: number, count = ECHOES): Promise<number> {
    return Number(await this.#ask(`echo ${address} ${port} ${count}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopChild(this.#child);
  }

  async #ask(question: string): Promise<string> {
    this.#child.stdin?.write(`${question}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`the client ended at: ${question}`);
    if (answer.value.startsWith('failed: ')) throw new Error(answer.value.slice('failed: '.length));
    return answer.value;
  }
}
