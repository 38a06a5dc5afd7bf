import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { stopChild, type TestLan } from '../../test/support/lan.ts';

const KNOCK = fileURLToPath(new URL('knock.ts', import.meta.url));

/** A client on the LAN, outside of all engines' hosts; one question at a time. */
export class Visitor implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(lan: TestLan) {
    const child = spawn('nsenter', [`--net=/proc/${lan.pid}/ns/net`, process.execPath, KNOCK], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    const lines: Interface = createInterface(child.stdout);
    this.#answers = lines[Symbol.asyncIterator]();
  }

  /** Until a connection is made. */
  async until(address: string, port: number): Promise<void> {
    await this.#ask(`until ${address} ${port}`);
  }

  /** Connections per second, each made and reset. */
  async rate(address: string, port: number): Promise<number> {
    return Number(await this.#ask(`rate ${address} ${port} 1500 16`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopChild(this.#child);
  }

  async #ask(question: string): Promise<string> {
    this.#child.stdin?.write(`${question}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`the client on the LAN ended at: ${question}`);
    return answer.value;
  }
}
