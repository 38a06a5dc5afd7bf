import { existsSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import {
  type Clock,
  conflict,
  FairwayError,
  internal,
  isKind,
  type Log,
  messageOf,
  newId,
  notFound,
} from '../../base/index.ts';
import type { Store } from '../../model/index.ts';
import { ContainerdError, type Exit } from '../containerd/index.ts';
import type { ExecOptions, Execs, ExecView, StreamSession } from '../contract.ts';
import { type ContainerEngine, type ContainerImages, type ContainersOptions, pipeFolder } from '../engine.ts';
import type { Announcer } from '../lifecycle/index.ts';
import type { Container, Registry } from '../records/index.ts';
import { execProcess, type HostFacts } from '../spec/index.ts';
import {
  DEFAULT_DETACH_KEYS,
  makePipes,
  openWriter,
  type PipePaths,
  type PipeRequest,
  parseDetachKeys,
  pipePaths,
  removePipes,
  SharedStdin,
} from '../streams/index.ts';
import { type ExecRecord, ExecRecords } from './exec-records.ts';
import { Outputs } from './outputs.ts';

export interface ExecServiceDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  readonly images: Pick<ContainerImages, 'mountsOf'>;
  readonly registry: Registry;
  readonly store: Store;
  readonly announcer: Announcer;
  readonly facts: () => HostFacts;
  /** What legacy links say, as it is now. */
  readonly linkEnvironment: (container: Container) => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

interface Exec {
  readonly id: string;
  readonly container: Container;
  readonly options: ExecOptions;
  status: 'created' | 'running' | 'ended';
  exitCode: number | undefined;
  pid: number;
  /** It runs, or will not. Until then there is no terminal whose size could be set. */
  launched: Promise<unknown>;
  /** Which pipes it was started with. */
  pipes: PipeRequest;
  /** It no longer matters whether its container is removed. */
  unlisten: () => void;
}

const NO_PIPES: PipeRequest = { stdin: false, stdout: false, stderr: false };
const DRAIN_MS = 2_000;
/** Ended ones are forgotten after a while, as Docker does. */
const KEEP_MS = 300_000;

/** Further processes in running containers. From their start on they are stored: the next daemon sees their ends. */
export class ExecService implements Execs {
  readonly #deps: ExecServiceDeps;
  readonly #options: ContainersOptions;
  readonly #execs = new Map<string, Exec>();
  readonly #records: ExecRecords;
  readonly #stop = new AbortController();

  constructor(deps: ExecServiceDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#records = new ExecRecords(deps);
  }

  /** Takes up what an earlier daemon started. To be called when containers are known, and before ended ones are cleaned up. */
  async restore(): Promise<void> {
    for (const record of await this.#records.load()) {
      const container = this.#deps.registry.find(record.containerId);
      if (container) this.#adopt(record, container);
      else await this.#records.delete(record.id);
    }
  }

  async create(ref: string, options: ExecOptions): Promise<string> {
    const container = this.#deps.registry.get(ref);
    assertRunning(container, ref);
    if (options.cmd.length === 0)
      throw new FairwayError('No exec command specified', { code: 'no_command', kind: 'invalid' });
    if (options.detachKeys) parseDetachKeys(options.detachKeys);
    const exec: Exec = {
      id: newId(),
      container,
      options,
      status: 'created',
      exitCode: undefined,
      pid: 0,
      launched: Promise.resolve(),
      pipes: NO_PIPES,
      unlisten: () => {},
    };
    this.#know(exec);
    container.execIds.add(exec.id);
    this.#say(exec, `exec_create: ${options.cmd.join(' ')}`);
    return exec.id;
  }

  async start(id: string, options: Parameters<Execs['start']>[1]): Promise<StreamSession | undefined> {
    const exec = this.#get(id);
    if (exec.status === 'running') throw conflict('exec_running', `exec ${id} has already started`);
    if (exec.status === 'ended') throw conflict('exec_ended', `exec ${id} has already run`);
    assertRunning(exec.container, exec.container.id);
    exec.status = 'running';
    const wants = (attached: boolean): boolean => attached && !options.detach;
    const { tty } = exec.options;
    exec.pipes = {
      stdin: wants(exec.options.attachStdin),
      stdout: wants(exec.options.attachStdout) || (tty && !options.detach),
      stderr: wants(exec.options.attachStderr) && !tty,
    };
    const paths = makePipes(pipeFolder(this.#options, exec.container.id), id.slice(0, 16), exec.pipes);
    const outputs = new Outputs(paths);
    try {
      const launch = this.#launch(exec, paths, outputs, options);
      exec.launched = launch.catch(() => {});
      options.onAccepted?.();
      return await launch;
    } catch (error) {
      outputs.destroy();
      removePipes(paths);
      const failure = this.#failed(exec, error);
      // As Docker does: an attached client finds the reason in the output, and the exit code in the exec.
      const told = options.onAccepted !== undefined || error instanceof ContainerdError;
      if (!options.detach && told) return failureSession(tty, failure);
      throw failure;
    }
  }

  inspect(id: string): ExecView {
    const exec = this.#get(id);
    return {
      id: exec.id,
      containerId: exec.container.id,
      options: exec.options,
      running: exec.status === 'running',
      ...(exec.exitCode !== undefined && { exitCode: exec.exitCode }),
      pid: exec.pid,
    };
  }

  async resize(id: string, size: { readonly width: number; readonly height: number }): Promise<void> {
    const exec = this.#get(id);
    await exec.launched;
    if (exec.status !== 'running') throw conflict('exec_not_running', `exec ${id} is not running`);
    await this.#deps.containerd.tasks.resizePty(exec.container.id, { ...size, execId: id });
  }

  /** The container has ended, and with it all that ran in it. */
  containerEnded(container: Container): void {
    for (const id of container.execIds) {
      const exec = this.#execs.get(id);
      if (exec?.status === 'created') this.#forget(exec);
    }
  }

  /** Runs a command to its end and gives what it wrote, for health checks. Not shown to anybody. */
  async probe(
    container: Container,
    cmd: readonly string[],
    options: { readonly signal: AbortSignal; readonly limit: number },
  ): Promise<{ readonly exitCode: number; readonly output: string }> {
    const id = newId();
    const { tasks } = this.#deps.containerd;
    const paths = makePipes(pipeFolder(this.#options, container.id), id.slice(0, 16), {
      stdin: false,
      stdout: true,
      stderr: true,
    });
    const outputs = new Outputs(paths);
    const chunks: Buffer[] = [];
    let size = 0;
    for (const source of [outputs.stdout, outputs.stderr]) {
      source?.on('data', (chunk: Buffer) => {
        if (size < options.limit) chunks.push(chunk.subarray(0, options.limit - size));
        size += chunk.length;
      });
    }
    try {
      const process = await this.#process(container, { cmd, env: [], privileged: false, tty: false });
      await tasks.exec(container.id, id, process, { stdout: paths.stdout ?? '', stderr: paths.stderr ?? '' });
      try {
        await tasks.start(container.id, id);
        const kill = (): void => {
          tasks.kill(container.id, 9, { execId: id }).catch(() => {});
        };
        options.signal.addEventListener('abort', kill, { once: true });
        const exit = await tasks.wait(container.id, { execId: id });
        options.signal.removeEventListener('abort', kill);
        await this.#drained(outputs);
        return { exitCode: exit.exitCode, output: Buffer.concat(chunks).toString('utf8') };
      } finally {
        // Before it is deleted: the shim waits for the last of the output, and a child may hold that back.
        outputs.destroy();
        await tasks.deleteProcess(container.id, id).catch(() => {});
      }
    } finally {
      outputs.destroy();
      removePipes(paths);
    }
  }

  close(): void {
    this.#stop.abort();
  }

  async #launch(
    exec: Exec,
    paths: PipePaths,
    outputs: Outputs,
    options: Parameters<Execs['start']>[1],
  ): Promise<StreamSession | undefined> {
    const { tasks } = this.#deps.containerd;
    const { container, id } = exec;
    const { tty } = exec.options;
    const process = await this.#process(container, exec.options, options.size);
    // The shim knows no streams at all, and both outputs, but not one alone.
    const unheard = Object.keys(paths).length > 0 && !tty ? '/dev/null' : '';
    await tasks.exec(container.id, id, process, {
      stdin: paths.stdin ?? '',
      stdout: paths.stdout ?? unheard,
      stderr: paths.stderr ?? unheard,
      terminal: tty,
    });
    // Asked before it runs, so that the answer for a short one is on its way when it ends.
    const unstarted = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, unstarted.signal]);
    const exit = tasks.wait(container.id, { execId: id, signal });
    // It may fail before anybody watches; #watch hears of it all the same.
    exit.catch(() => {});
    try {
      exec.pid = await tasks.start(container.id, id);
    } catch (error) {
      unstarted.abort();
      await tasks.deleteProcess(container.id, id).catch(() => {});
      throw error;
    }
    if (tty && options.size && options.size.width > 0 && options.size.height > 0) {
      await tasks.resizePty(container.id, { ...options.size, execId: id }).catch(() => {});
    }
    this.#say(exec, `exec_start: ${exec.options.cmd.join(' ')}`);
    await this.#save(exec);
    const session = options.detach ? undefined : this.#session(exec, paths, outputs);
    this.#watch(exec, { paths, outputs, exit }).catch((error: unknown) => {
      this.#deps.log.warn({ exec: id, reason: messageOf(error) }, 'cleaning up after an exec failed');
    });
    return session;
  }

  #session(exec: Exec, paths: PipePaths, outputs: Outputs): StreamSession {
    const { tasks } = this.#deps.containerd;
    const { container, id } = exec;
    const { tty } = exec.options;
    const shared = new SharedStdin();
    outputs.onDestroy = () => shared.disconnect();
    if (paths.stdin !== undefined) {
      openWriter(paths.stdin, this.#deps.clock)
        .then((socket) => {
          if (!socket) return;
          if (exec.status !== 'running') socket.destroy();
          else
            shared.connect(socket, () => {
              tasks.closeStdin(container.id, id).catch(() => {});
            });
        })
        .catch((error: unknown) => {
          this.#deps.log.warn({ exec: id, reason: messageOf(error) }, 'an exec gets no input');
        });
    }
    const leave = (): void => outputs.leave();
    const stdin =
      paths.stdin === undefined
        ? undefined
        : shared.writer({
            // Who leaves a terminal, by its keys or otherwise, does not end what runs there.
            once: !tty,
            ...(tty && { detachKeys: parseDetachKeys(exec.options.detachKeys || DEFAULT_DETACH_KEYS) }),
            onDetach: () => {
              leave();
              this.#say(exec, 'exec_detach');
            },
          });
    stdin?.on('error', () => {});
    const { stdout, stderr } = outputs.clients();
    return {
      tty,
      ...(stdin && { stdin }),
      ...(stdout && { stdout }),
      ...(stderr && { stderr }),
      detach: () => {
        leave();
        stdin?.destroy();
      },
    };
  }

  async #watch(
    exec: Exec,
    { paths, outputs, exit }: { readonly paths: PipePaths; readonly outputs: Outputs; readonly exit: Promise<Exit> },
  ): Promise<void> {
    const { tasks } = this.#deps.containerd;
    const { container, id } = exec;
    let exitCode = 255;
    try {
      exitCode = (await exit).exitCode;
    } catch (error) {
      if (this.#stop.signal.aborted) {
        outputs.destroy();
        return;
      }
      if (!isKind(error, 'notFound')) this.#deps.log.debug({ exec: id, reason: messageOf(error) }, 'an exec was lost');
    }
    exec.exitCode = exitCode;
    exec.status = 'ended';
    exec.pid = 0;
    await this.#save(exec);
    await this.#drained(outputs);
    outputs.end();
    this.#say(exec, 'exec_die', { exitCode: String(exitCode) });
    removePipes(paths);
    container.execIds.delete(id);
    this.#forgetLater(exec);
    await tasks.deleteProcess(container.id, id).catch(() => {});
  }

  async #drained(outputs: Outputs): Promise<void> {
    let cancel = (): void => {};
    // A slow client holds its output back as long as it wants; only a pipe that nobody closes is given up.
    const late = new Promise<void>((resolve) => {
      const check = (): void => {
        cancel = this.#deps.clock.after(DRAIN_MS, () => {
          if (outputs.blocked) check();
          else resolve();
        });
      };
      check();
    });
    await Promise.race([outputs.closed, late]);
    cancel();
  }

  async #process(
    container: Container,
    options: Pick<ExecOptions, 'cmd' | 'env' | 'privileged' | 'tty'> & Pick<ExecOptions, 'workdir' | 'user'>,
    size?: { readonly width: number; readonly height: number },
  ): Promise<object> {
    const rootfs = container.rootfs ?? (await this.#deps.images.mountsOf(container.id));
    container.rootfs = rootfs;
    return execProcess({
      record: container.record,
      rootfs,
      options,
      facts: this.#deps.facts(),
      extraEnv: this.#deps.linkEnvironment(container),
      defaultUlimits: this.#options.defaultUlimits ?? [],
      ...(size && { size }),
    });
  }

  #failed(exec: Exec, error: unknown): Error {
    exec.status = 'ended';
    exec.container.execIds.delete(exec.id);
    this.#forgetLater(exec);
    if (!(error instanceof ContainerdError)) {
      exec.exitCode = 126;
      return error instanceof Error ? error : internal('exec_failed', messageOf(error));
    }
    const missing = /executable file not found|no such file or directory/.test(error.details);
    const forbidden = /permission denied|not a directory|is a directory/.test(error.details);
    exec.exitCode = missing ? 127 : 126;
    return new FairwayError(error.details, {
      code: 'exec_failed',
      kind: missing || forbidden ? 'invalid' : 'internal',
      cause: error,
    });
  }

  #get(id: string): Exec {
    const exec = this.#execs.get(id);
    if (!exec) throw notFound('exec_not_found', `No such exec instance: ${id}`);
    return exec;
  }

  /** Until it is forgotten, at the latest with its container. */
  #know(exec: Exec): void {
    this.#execs.set(exec.id, exec);
    exec.unlisten = exec.container.removed.on(() => this.#forget(exec));
  }

  #forgetLater(exec: Exec): void {
    this.#deps.clock.after(KEEP_MS, () => this.#forget(exec));
  }

  #forget(exec: Exec): void {
    exec.unlisten();
    exec.container.execIds.delete(exec.id);
    if (!this.#execs.delete(exec.id) || this.#stop.signal.aborted) return;
    this.#records.delete(exec.id).catch((error: unknown) => {
      this.#deps.log.warn({ exec: exec.id, reason: messageOf(error) }, 'the record of an exec stays');
    });
  }

  async #save({ id, container, options, pid, pipes, exitCode }: Exec): Promise<void> {
    if (!this.#execs.has(id)) return;
    const ended = exitCode === undefined ? {} : { exitCode };
    await this.#records.save({ version: 1, id, containerId: container.id, options, pid, pipes, ...ended });
  }

  #adopt({ id, options, pid, pipes, exitCode }: ExecRecord, container: Container): void {
    const status = exitCode === undefined ? 'running' : 'ended';
    const exec: Exec = {
      id,
      container,
      options,
      status,
      exitCode,
      pid,
      launched: Promise.resolve(),
      pipes,
      unlisten: () => {},
    };
    this.#know(exec);
    if (status === 'ended') {
      this.#forgetLater(exec);
      return;
    }
    container.execIds.add(id);
    const paths = pipePaths(pipeFolder(this.#options, container.id), id.slice(0, 16), pipes);
    // After a restart of the machine there are none.
    const there = [paths.stdout, paths.stderr].every((path) => path === undefined || existsSync(path));
    const outputs = new Outputs(there ? paths : {});
    outputs.discard();
    const exit = this.#deps.containerd.tasks.wait(container.id, { execId: id, signal: this.#stop.signal });
    exit.catch(() => {});
    this.#watch(exec, { paths, outputs, exit }).catch((error: unknown) => {
      this.#deps.log.warn({ exec: id, reason: messageOf(error) }, 'cleaning up after an exec failed');
    });
  }

  #say(exec: Exec, action: string, more: Readonly<Record<string, string>> = {}): void {
    this.#deps.announcer.say(exec.container, action, { execID: exec.id, ...more });
  }
}

function assertRunning(container: Container, ref: string): void {
  const { status } = container.record.state;
  if (status === 'paused') {
    throw conflict('container_paused', `container ${ref} is paused, unpause the container before exec`);
  }
  if (status === 'restarting') {
    throw conflict('container_restarting', `container ${ref} is restarting, wait until the container is running`);
  }
  if (!container.running) throw conflict('container_not_running', `container ${container.id} is not running`);
}

function failureSession(tty: boolean, failure: Error): StreamSession {
  const stdout = new PassThrough();
  stdout.end(`${failure.message}\r\n`);
  return { tty, stdout, detach: () => stdout.destroy() };
}
