import { existsSync, mkdirSync } from 'node:fs';
import { type Clock, FairwayError, type Log, messageOf } from '../../base/index.ts';
import { Readiness } from '../../kernel/index.ts';
import type { AttachOptions, LogLine, LogQuery, StreamSession } from '../contract.ts';
import { type ContainerEngine, type ContainersOptions, containerFolder, pipeFolder } from '../engine.ts';
import { type LogSettings, LogWriter, readLog } from '../logs/index.ts';
import type { Container } from '../records/index.ts';
import {
  ContainerStreams,
  makeHolds,
  makePipes,
  type OutputName,
  type OutputPaths,
  openWriter,
  outputPaths,
  type PipePaths,
  pipePaths,
  removeHolds,
  removePipeFolder,
  removePipes,
} from '../streams/index.ts';
import { logDriverOf, logFileOf, logSettingsOf } from './log-settings.ts';
import type { PipeKeeper } from './pipe-keeper.ts';
import { Recorder } from './recorder.ts';

export interface IoDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  /** Keeps pipes open should we be killed. */
  readonly keeper?: PipeKeeper | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

interface Io {
  readonly streams: ContainerStreams;
  writer: LogWriter | undefined;
  recorder: Recorder | undefined;
  /** Opens stdin once the process is there to read it. */
  connectStdin: (() => void) | undefined;
}

/** Streams and logs of every container. */
export class IoHub {
  readonly #tasks: ContainerEngine['tasks'];
  readonly #keeper: PipeKeeper | undefined;
  readonly #readiness = new Readiness();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: ContainersOptions;
  readonly #all = new Map<string, Io>();

  constructor(deps: IoDeps, options: ContainersOptions) {
    this.#tasks = deps.containerd.tasks;
    this.#keeper = deps.keeper;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#options = options;
  }

  /** Throws for options that nobody knows. */
  settingsOf(container: Pick<Container, 'record'>): LogSettings {
    return logSettingsOf(container, this.#options);
  }

  driverOf(container: Pick<Container, 'record'>): string {
    return logDriverOf(container, this.#options);
  }

  logPath(container: Container): string {
    return logFileOf(container, this.#options);
  }

  /** Makes the pipes of a run and reads from them. Undone by {@link close}. */
  open(container: Container): PipePaths & { readonly terminal: boolean } {
    const paths = makePipes(pipeFolder(this.#options, container.id), 'init', pipesOf(container));
    removeHolds(this.#outputPaths(container, paths));
    this.#connect(container, paths, { resumed: false });
    return { ...paths, terminal: container.record.spec.process.tty };
  }

  /** The process has been made: what clients typed so far goes to it. */
  begin(container: Container): void {
    const io = this.#io(container);
    io.connectStdin?.();
    io.connectStdin = undefined;
  }

  /**
   * Takes up the pipes of a process that an earlier daemon started, be it that it has ended meanwhile. False: there are
   * none.
   */
  reopen(container: Container): boolean {
    const paths = pipePaths(pipeFolder(this.#options, container.id), 'init', pipesOf(container));
    // They do not outlive the machine's restart.
    if (!paths.stdout || !existsSync(paths.stdout)) return false;
    try {
      this.#connect(container, paths, { resumed: true });
      return true;
    } catch (error) {
      this.#log.warn({ container: container.id, reason: messageOf(error) }, 'the output of a container is lost');
      return false;
    }
  }

  /** Resolves when the run's output is read to its end and written, at the latest after `ms`. */
  async drain(container: Container, ms: number): Promise<void> {
    const recorder = this.#all.get(container.id)?.recorder;
    if (!recorder) return;
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(ms, resolve);
    });
    await Promise.race([recorder.ended, late]);
    cancel();
  }

  /** Ends the run: the log is closed, the pipes are gone, every client leaves. Repeatable. */
  async close(container: Container): Promise<void> {
    await this.finish(container);
    this.letGo(container);
  }

  /** As {@link close}, but clients have all output and do not see the end of it before {@link letGo}. */
  async finish(container: Container): Promise<void> {
    const io = this.#all.get(container.id);
    await io?.recorder?.close();
    this.#keeper?.forget(container.id);
    const paths = pipePaths(pipeFolder(this.#options, container.id), 'init', pipesOf(container));
    removePipes(paths);
    removeHolds(this.#outputPaths(container, paths));
    removePipeFolder(pipeFolder(this.#options, container.id));
    if (!io) return;
    io.recorder = undefined;
    io.writer = undefined;
  }

  letGo(container: Container): void {
    this.#all.get(container.id)?.streams.disconnect();
  }

  /** The daemon ends; processes and pipes stay. */
  async release(): Promise<void> {
    for (const io of this.#all.values()) {
      await io.recorder?.release();
      io.streams.disconnect();
    }
    this.#all.clear();
  }

  forget(container: Container): void {
    this.#all.get(container.id)?.streams.disconnect();
    this.#all.delete(container.id);
  }

  async attach(container: Container, options: AttachOptions, onDetach: () => void): Promise<StreamSession> {
    const io = this.#io(container);
    if (!options.logs) return io.streams.attach(options, { onDetach });
    const path = this.logPath(container);
    const { maxFiles } = this.settingsOf(container);
    const { recorder, writer } = io;
    return new Promise((resolve) => {
      const attach = (): void => {
        const end = writer && { end: writer.position };
        const replay = (stream: OutputName): AsyncIterable<Buffer> => {
          const query = { follow: false, stdout: stream === 'stdout', stderr: stream === 'stderr' };
          return dataOf(readLog({ path, maxFiles }, query, end));
        };
        resolve(io.streams.attach(options, { onDetach, replay }));
      };
      // Replay and live output meet without a gap: what is in the log now has been shown, and nothing else has.
      if (recorder) recorder.whenAtRest(attach);
      else attach();
    });
  }

  logs(container: Container, query: LogQuery, signal?: AbortSignal): AsyncIterable<LogLine> {
    const settings = this.settingsOf(container);
    if (settings.driver === 'none') {
      throw new FairwayError('configured logging driver does not support reading', {
        code: 'logs_unreadable',
        kind: 'unsupported',
      });
    }
    const writer = this.#all.get(container.id)?.writer;
    return readLog(
      { path: this.logPath(container), maxFiles: settings.maxFiles, writer: container.running ? writer : undefined },
      query,
      { signal },
    );
  }

  #io(container: Container): Io {
    let io = this.#all.get(container.id);
    if (!io) {
      const { process } = container.record.spec;
      const spillFolder = containerFolder(this.#options, container.id);
      mkdirSync(spillFolder, { recursive: true, mode: 0o710 });
      io = {
        streams: new ContainerStreams({
          tty: process.tty,
          openStdin: process.openStdin,
          stdinOnce: process.stdinOnce,
          spillFolder,
        }),
        writer: undefined,
        recorder: undefined,
        connectStdin: undefined,
      };
      this.#all.set(container.id, io);
    }
    return io;
  }

  #outputPaths(container: Container, paths: PipePaths): OutputPaths {
    return outputPaths(paths, `${pipeFolder(this.#options, container.id)}/init-journal`);
  }

  #connect(container: Container, pipes: PipePaths, { resumed }: { readonly resumed: boolean }): void {
    const io = this.#io(container);
    const paths = this.#outputPaths(container, pipes);
    makeHolds(paths);
    const writer = new LogWriter(
      { clock: this.#clock, log: this.#log },
      this.logPath(container),
      this.settingsOf(container),
    );
    try {
      io.recorder = new Recorder(
        { readiness: this.#readiness, writer, log: this.#log },
        { paths, resumed, onOutput: (stream, chunk) => io.streams.offer(stream, chunk) },
      );
    } catch (error) {
      writer.close();
      throw error;
    }
    io.writer = writer;
    this.#keeper?.keep(container.id, io.recorder.descriptors);
    const { stdin } = pipes;
    io.connectStdin =
      stdin === undefined
        ? undefined
        : () => {
            this.#openStdin(container, io, stdin).catch((error: unknown) => {
              this.#log.warn({ container: container.id, reason: messageOf(error) }, 'a container gets no input');
            });
          };
  }

  async #openStdin(container: Container, io: Io, path: string): Promise<void> {
    const run = io.writer;
    const socket = await openWriter(path, this.#clock);
    if (!socket) return;
    if (io.writer !== run) {
      // The run is over already.
      socket.destroy();
      return;
    }
    io.streams.connectStdin(socket, () => {
      this.#tasks.closeStdin(container.id).catch((error: unknown) => {
        this.#log.debug({ container: container.id, reason: messageOf(error) }, 'stdin was closed already');
      });
    });
  }
}

async function* dataOf(lines: AsyncIterable<LogLine>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { data } of lines) yield data;
}

function pipesOf({ record }: Container): {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
} {
  const { tty, openStdin } = record.spec.process;
  return { stdin: openStdin, stdout: true, stderr: !tty };
}
