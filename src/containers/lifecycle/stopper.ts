import { type Clock, conflict, isKind, type Log, messageOf } from '../../base/index.ts';
import type { ContainerEngine, ContainersOptions } from '../engine.ts';
import type { Container, ExitNotice, Registry } from '../records/index.ts';
import type { Announcer } from './announce.ts';
import { parseSignal, SIGKILL, SIGTERM } from './signals.ts';

export interface StopperDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  readonly registry: Registry;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StopOptions {
  readonly signal?: string;
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT_SECONDS = 10;
/** After SIGKILL the kernel needs a moment; a process stuck in it (disk, NFS) needs longer than anybody waits. */
const KILL_MS = 30_000;

/** What runc says of a process that has just ended, and containerd of a shim that goes with it. */
const HAS_ENDED = /process already finished|not running|ttrpc: closed/;

/** Signals to containers, and waiting for what they bring about. */
export class Stopper {
  readonly #deps: StopperDeps;
  readonly #options: ContainersOptions;

  constructor(deps: StopperDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Resolves when the container has ended and everything is cleaned up. */
  async stop(container: Container, options: StopOptions): Promise<void> {
    const { effective, spec } = container.record;
    const signal = parseSignal(options.signal || effective.stopSignal || String(SIGTERM));
    const timeout = options.timeout ?? spec.process.stopTimeout ?? this.#options.stopTimeout ?? DEFAULT_TIMEOUT_SECONDS;
    container.stopping = true;
    const exit = this.#nextExit(container);
    try {
      await this.#signal(container, signal);
      if (await this.#within(exit.promise, timeout < 0 ? null : timeout * 1000)) return;
      await this.#signal(container, SIGKILL);
      if (await this.#within(exit.promise, KILL_MS)) return;
      throw conflict('stop_failed', `cannot stop container: ${container.name}: the process does not end`);
    } finally {
      exit.stop();
    }
  }

  /** `docker kill`: any signal; it does not wait for what the process does, but a SIGKILL does end it. */
  async kill(container: Container, text: string | undefined): Promise<void> {
    const signal = parseSignal(text || 'SIGKILL');
    if (!container.running) {
      throw conflict(
        'container_not_running',
        `cannot kill container: ${container.name}: container ${container.id} is not running`,
      );
    }
    const stopSignal = parseSignal(container.record.effective.stopSignal ?? 'SIGTERM');
    if (signal === SIGKILL || signal === stopSignal) {
      container.stopping = true;
      container.change({ stoppedByUser: true });
      await this.#deps.registry.save(container);
    }
    const exit = this.#nextExit(container);
    try {
      await this.#signal(container, signal);
      if (signal === SIGKILL) await this.#within(exit.promise, KILL_MS);
    } finally {
      exit.stop();
    }
  }

  async pause(container: Container): Promise<void> {
    const { status } = container.record.state;
    if (status === 'paused') throw conflict('already_paused', `Container ${container.id} is already paused`);
    if (status !== 'running') throw conflict('container_not_running', `Container ${container.id} is not running`);
    await this.#deps.containerd.tasks.pause(container.id);
    await this.#become(container, 'paused', 'pause');
  }

  async unpause(container: Container): Promise<void> {
    if (container.record.state.status !== 'paused') {
      throw conflict('not_paused', `Container ${container.id} is not paused`);
    }
    await this.#deps.containerd.tasks.resume(container.id);
    await this.#become(container, 'running', 'unpause');
  }

  async #become(container: Container, status: 'paused' | 'running', action: string): Promise<void> {
    if (container.running) {
      container.changeState({ status });
      await this.#deps.registry.save(container);
    }
    this.#deps.announcer.say(container, action);
  }

  /** A process that is gone already is as good. A paused one gets the signal once it goes on. */
  async #signal(container: Container, signal: number): Promise<void> {
    const { tasks } = this.#deps.containerd;
    const all = signal === SIGKILL && container.record.spec.security.pidMode === 'host';
    try {
      await tasks.kill(container.id, signal, { all });
    } catch (error) {
      if (!isKind(error, 'notFound') && !HAS_ENDED.test(messageOf(error))) throw error;
    }
    this.#deps.announcer.say(container, 'kill', { signal: String(signal) });
    if (container.record.state.status === 'paused') {
      try {
        await tasks.resume(container.id);
        await this.#become(container, 'running', 'unpause');
      } catch (error) {
        this.#deps.log.debug(
          { container: container.id, reason: messageOf(error) },
          'a stopped container did not resume',
        );
      }
    }
  }

  #nextExit(container: Container): { readonly promise: Promise<ExitNotice>; readonly stop: () => void } {
    let stop = (): void => {};
    const promise = new Promise<ExitNotice>((resolve) => {
      stop = container.exited.on(resolve);
    });
    return { promise, stop };
  }

  async #within(exit: Promise<ExitNotice>, ms: number | null): Promise<boolean> {
    if (ms === null) {
      await exit;
      return true;
    }
    let cancel = (): void => {};
    const late = new Promise<false>((resolve) => {
      cancel = this.#deps.clock.after(ms, () => resolve(false));
    });
    try {
      return await Promise.race([exit.then(() => true as const), late]);
    } finally {
      cancel();
    }
  }
}
