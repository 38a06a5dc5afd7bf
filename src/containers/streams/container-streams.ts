import type { Socket } from 'node:net';
import type { AttachOptions, StreamSession } from '../contract.ts';
import { ClientOutput } from './client-output.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from './detach-keys.ts';
import type { OutputName } from './pipes.ts';
import { SharedStdin } from './stdin.ts';

export interface ContainerStreamsOptions {
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly spillFolder: string;
}

interface Client {
  readonly stdout?: ClientOutput;
  readonly stderr?: ClientOutput;
  readonly leave: () => void;
}

/**
 * The streams of a container over all its runs: outputs go to everybody attached, stdin comes from anybody
 * attached. Clients may come before the start; they leave with the exit.
 */
export class ContainerStreams {
  readonly #options: ContainerStreamsOptions;
  readonly #clients = new Set<Client>();
  readonly #stdin = new SharedStdin();

  constructor(options: ContainerStreamsOptions) {
    this.#options = options;
  }

  /** Gives everybody attached what the process has written; the buffer is not used again. */
  offer(name: OutputName, chunk: Buffer): void {
    for (const client of this.#clients) client[name]?.offer(chunk);
  }

  /** What was typed so far goes in now; `close` tells the process that nothing more comes. */
  connectStdin(stdin: Socket, close: () => void): void {
    this.#stdin.connect(stdin, close);
  }

  /** The run is over, or the daemon is: lets every client go. */
  disconnect(): void {
    this.#stdin.disconnect();
    for (const client of [...this.#clients]) client.leave();
    this.#stdin.reset();
  }

  get attached(): number {
    return this.#clients.size;
  }

  attach(
    options: AttachOptions,
    extra: {
      readonly replay?: ((stream: OutputName) => AsyncIterable<Buffer>) | undefined;
      readonly onDetach?: () => void;
    },
  ): StreamSession {
    const { tty } = this.#options;
    const output = (wanted: boolean): ClientOutput | undefined =>
      wanted ? new ClientOutput({ spillFolder: this.#options.spillFolder }) : undefined;
    const stdout = output(options.stdout);
    const stderr = output(options.stderr && !tty);
    const client: Client = {
      ...(stdout && { stdout }),
      ...(stderr && { stderr }),
      leave: () => {
        this.#clients.delete(client);
        stdout?.finish();
        stderr?.finish();
      },
    };
    const detachKeys = tty ? parseDetachKeys(options.detachKeys || DEFAULT_DETACH_KEYS) : undefined;
    if (options.stream) this.#clients.add(client);
    for (const [name, one] of [
      ['stdout', stdout],
      ['stderr', stderr],
    ] as const) {
      one?.on('error', () => {});
      if (one && extra.replay) one.precede(extra.replay(name)).catch((error) => one.destroy(error));
    }
    if (!options.stream) client.leave();
    const stdin =
      options.stdin && options.stream && this.#options.openStdin
        ? this.#stdin.writer({
            once: this.#options.stdinOnce && !tty,
            ...(detachKeys && { detachKeys }),
            onDetach: () => {
              client.leave();
              extra.onDetach?.();
            },
          })
        : undefined;
    stdin?.on('error', () => {});
    return {
      tty,
      ...(stdin && { stdin }),
      ...(stdout && { stdout }),
      ...(stderr && { stderr }),
      detach: () => {
        client.leave();
        stdin?.destroy();
      },
    };
  }
}
