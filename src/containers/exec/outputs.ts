import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { openReader, type PipePaths } from '../streams/index.ts';

/** The outputs of one exec: straight from the pipe to its one client, who may be slow. */
export class Outputs {
  readonly stdout: Socket | undefined;
  readonly stderr: Socket | undefined;
  readonly closed: Promise<void>;
  onDestroy: () => void = () => {};
  #clients: { readonly stdout?: PassThrough; readonly stderr?: PassThrough } = {};

  constructor(paths: PipePaths) {
    this.stdout = paths.stdout === undefined ? undefined : openReader(paths.stdout);
    this.stderr = paths.stderr === undefined ? undefined : openReader(paths.stderr);
    const ends = [this.stdout, this.stderr].map((source) => {
      source?.on('error', () => {});
      return source ? new Promise<void>((resolve) => source.once('close', resolve)) : Promise.resolve();
    });
    this.closed = Promise.all(ends).then(() => {});
  }

  /** Waits for its client to read on. */
  get blocked(): boolean {
    const { stdout, stderr } = this.#clients;
    return (stdout?.writableNeedDrain ?? false) || (stderr?.writableNeedDrain ?? false);
  }

  clients(): { readonly stdout?: PassThrough; readonly stderr?: PassThrough } {
    const join = (source: Socket | undefined): PassThrough | undefined => {
      if (!source) return undefined;
      const client = new PassThrough();
      client.on('error', () => {});
      // Its end comes with the exit code, not before: clients ask for the code as soon as the output ends.
      source.pipe(client, { end: false });
      // A client that has gone must not keep the process from writing.
      client.once('close', () => {
        source.unpipe(client);
        source.resume();
      });
      return client;
    };
    const stdout = join(this.stdout);
    const stderr = join(this.stderr);
    this.#clients = { ...(stdout && { stdout }), ...(stderr && { stderr }) };
    return this.#clients;
  }

  /** Nobody is there any more to see what comes. */
  discard(): void {
    this.stdout?.resume();
    this.stderr?.resume();
  }

  leave(): void {
    const { stdout, stderr } = this.#clients;
    for (const [source, client] of [
      [this.stdout, stdout],
      [this.stderr, stderr],
    ] as const) {
      if (!source || !client) continue;
      source.unpipe(client);
      client.end();
      source.resume();
    }
    this.#clients = {};
  }

  /** The process is gone and all is read, or nothing more is waited for. */
  end(): void {
    this.#clients.stdout?.end();
    this.#clients.stderr?.end();
    this.destroy();
  }

  destroy(): void {
    this.stdout?.destroy();
    this.stderr?.destroy();
    this.onDestroy();
  }
}
