import { mkdirSync } from 'node:fs';
import { type Clock, FairwayError, type Log, messageOf } from '../../base/index.ts';
import type { AttachOptions, LogLine, LogQuery, StreamSession } from '../contract.ts';
import { type ContainerEngine, type ContainersOptions, containerFolder, pipeFolder } from '../engine.ts';
import { type LogSettings, LogWriter, readLog } from '../logs/index.ts';
import type { Container } from '../records/index.ts';
import {
  ContainerStreams,
  makePipes,
  type OutputName,
  openReader,
  openWriter,
  type PipePaths,
  pipePaths,
  removePipes,
} from '../streams/index.ts';
import { logFileOf, logSettingsOf } from './log-settings.ts';

export interface IoDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  readonly clock: Clock;
  readonly log: Log;
}

interface Io {
  readonly streams: ContainerStreams;
  writer: LogWriter | undefined;
  /** Opens stdin once the process is there to read it. */
  connectStdin: (() => void) | undefined;
}

/** Streams and logs of every container. */
export class IoHub {
  readonly #tasks: ContainerEngine['tasks'];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: ContainersOptions;
  readonly #all = new Map<string, Io>();

  constructor(deps: IoDeps, options: ContainersOptions) {
    this.#tasks = deps.containerd.tasks;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#options = options;
  }

  settingsOf(container: Pick<Container, 'record'>): LogSettings {
    return logSettingsOf(container, this.#options);
  }

  logPath(container: Container): string {
    return logFileOf(container, this.#options);
  }

  /** Makes the pipes of a run and reads from them. Undone by {@link close}. */
  open(container: Container): PipePaths & { readonly terminal: boolean } {
    const { tty, openStdin } = container.record.spec.process;
    const paths = makePipes(pipeFolder(this.#options, container.id), 'init', {
      stdin: openStdin,
      stdout: true,
      stderr: !tty,
    });
    this.#connect(container, paths);
    return { ...paths, terminal: tty };
  }

  /** The process has been made: what clients typed so far goes to it. */
  begin(container: Container): void {
    const io = this.#io(container);
    io.connectStdin?.();
    io.connectStdin = undefined;
  }

  /** Takes up the pipes of a process that an earlier daemon started. */
  reopen(container: Container): void {
    const { tty, openStdin } = container.record.spec.process;
    const paths = pipePaths(pipeFolder(this.#options, container.id), 'init', {
      stdin: openStdin,
      stdout: true,
      stderr: !tty,
    });
    try {
      this.#connect(container, paths);
      this.begin(container);
    } catch (error) {
      this.#log.warn({ container: container.id, reason: messageOf(error) }, 'the output of a container is lost');
    }
  }

  /** Resolves when the run's output is read to its end and written, at the latest after `ms`. */
  async drain(container: Container, ms: number): Promise<void> {
    const io = this.#all.get(container.id);
    if (!io) return;
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(ms, resolve);
    });
    await Promise.race([io.streams.drained, late]);
    cancel();
  }

  /** Ends the run: every client leaves, the log is closed, the pipes are gone. Repeatable. */
  async close(container: Container): Promise<void> {
    const io = this.#all.get(container.id);
    const { tty, openStdin } = container.record.spec.process;
    removePipes(
      pipePaths(pipeFolder(this.#options, container.id), 'init', { stdin: openStdin, stdout: true, stderr: !tty }),
    );
    if (!io) return;
    await io.writer?.close();
    io.writer = undefined;
    io.streams.disconnect();
  }

  /** The daemon ends; processes and pipes stay. */
  async release(): Promise<void> {
    for (const io of this.#all.values()) {
      io.streams.release();
      await io.writer?.close();
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
    // Replay and live output meet without a gap: from an idle writer on, everything newer reaches the client itself.
    const { writer } = io;
    for (let attempt = 0; writer && !writer.idle && attempt < 20; attempt += 1) await writer.flush();
    const end = writer?.position;
    const source = { path: this.logPath(container), maxFiles: this.settingsOf(container).maxFiles };
    const replay = (stream: OutputName): AsyncIterable<Buffer> =>
      dataOf(
        readLog(
          source,
          { follow: false, stdout: stream === 'stdout', stderr: stream === 'stderr' },
          end ? { end } : {},
        ),
      );
    return io.streams.attach(options, { onDetach, replay });
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
        connectStdin: undefined,
      };
      this.#all.set(container.id, io);
    }
    return io;
  }

  #connect(container: Container, paths: PipePaths): void {
    const io = this.#io(container);
    io.writer = new LogWriter(
      { clock: this.#clock, log: this.#log },
      this.logPath(container),
      this.settingsOf(container),
    );
    io.streams.connect(
      {
        stdout: paths.stdout === undefined ? undefined : openReader(paths.stdout),
        stderr: paths.stderr === undefined ? undefined : openReader(paths.stderr),
      },
      io.writer,
    );
    const { stdin } = paths;
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
