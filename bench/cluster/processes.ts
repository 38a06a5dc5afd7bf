import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, Orders } from './orders.ts';

/** A process that is some of the nodes. */
export class Nodes {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { readonly done: (value: unknown) => void; readonly failed: (error: Error) => void }
  >();
  #id = 0;

  /** `inside`: makes a command line that runs where it is to be; absent: here. */
  constructor(inside: (command: readonly string[]) => string[] = (command) => [...command]) {
    const script = fileURLToPath(new URL('nodes.ts', import.meta.url));
    const [program = '', ...args] = inside([
      process.execPath,
      '--expose-gc',
      '--disable-warning=ExperimentalWarning',
      script,
    ]);
    this.#child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ id, value, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.done(value);
      else waiting?.failed(new Error(error));
    });
    this.#child.on('exit', (code) => {
      for (const { failed } of this.#waiting.values()) failed(new Error(`a process of nodes ended with ${code}`));
    });
  }

  ask<Order extends keyof Orders>(
    order: Order,
    asked: Parameters<Orders[Order]>[0],
  ): Promise<ReturnType<Orders[Order]>> {
    this.#id += 1;
    const id = this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { done: (value) => resolve(value as ReturnType<Orders[Order]>), failed: reject });
      this.#child.send({ id, order, asked });
    });
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}
