import type { Socket } from 'node:net';
import type { AttachOptions, StreamSession } from '../contract.ts';
import { ClientOutput } from './client-output.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from './detach-keys.ts';
import { SharedStdin } from './stdin.ts';

export type OutputName = 'stdout' | 'stderr';

/** Where outputs are kept. `accept` returns false when it wants a pause; `whenReady` calls back once. */
export interface OutputSink {
  accept(stream: OutputName, chunk: Buffer): boolean;
  whenReady(callback: () => void): void;
}

export interface ProcessPipes {
  readonly stdout?: Socket | undefined;
  readonly stderr?: Socket | undefined;
}

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
 * The streams of a container over all its runs: outputs go to the log and to everybody attached, stdin comes from
 * anybody attached. Clients may come before the start; they leave with the exit.
 */
export class ContainerStreams {
  readonly #options: ContainerStreamsOptions;
  readonly #clients = new Set<Client>();
  readonly #stdin = new SharedStdin();
  #pipes: ProcessPipes = {};
  #sink: OutputSink | undefined;
  #drained: Promise<void> = Promise.resolve();

  constructor(options: ContainerStreamsOptions) {
    this.#options = options;
  }

  /** Resolves when the process of the current run has let go of its outputs and all is handed on. */
  get drained(): Promise<void> {
    return this.#drained;
  }

  connect(pipes: ProcessPipes, sink: OutputSink): void {
    this.#pipes = pipes;
    this.#sink = sink;
    const ends: Promise<void>[] = [];
    if (pipes.stdout) ends.push(this.#pump('stdout', pipes.stdout, sink));
    if (pipes.stderr) ends.push(this.#pump('stderr', pipes.stderr, sink));
    this.#drained = Promise.all(ends).then(() => {});
  }

  /** What was typed so far goes in now; `close` tells the process that nothing more comes. */
  connectStdin(stdin: Socket, close: () => void): void {
    this.#stdin.connect(stdin, close);
  }

  /** The run is over: closes the pipes and lets every client go. */
  disconnect(): void {
    this.#stdin.disconnect();
    this.#pipes.stdout?.destroy();
    this.#pipes.stderr?.destroy();
    this.#pipes = {};
    for (const client of [...this.#clients]) client.leave();
    this.#stdin.reset();
  }

  /** The daemon goes, the container stays: hands on what has been read and closes our ends without ending anything. */
  release(): void {
    for (const name of ['stdout', 'stderr'] as const) {
      const source = this.#pipes[name];
      source?.pause();
      // What Node has taken from the pipe is nowhere else; whoever reads next would miss it.
      for (let chunk = source?.read(); chunk; chunk = source?.read()) this.#sink?.accept(name, chunk as Buffer);
    }
    this.disconnect();
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

  #pump(name: OutputName, source: Socket, sink: OutputSink): Promise<void> {
    return new Promise((resolve) => {
      source.on('data', (chunk: Buffer) => {
        for (const client of this.#clients) client[name]?.offer(chunk);
        if (sink.accept(name, chunk)) return;
        source.pause();
        sink.whenReady(() => source.resume());
      });
      source.on('error', () => {});
      source.on('close', () => resolve());
    });
  }
}
