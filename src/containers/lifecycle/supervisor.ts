import { type Clock, ifFound, isKind, type Log, messageOf, rfc3339Nano } from '../../base/index.ts';
import type { ContainerEngine } from '../engine.ts';
import type { IoHub } from '../io/index.ts';
import type { Container, ExitNotice, Registry } from '../records/index.ts';
import type { Mounter } from '../volumes/index.ts';
import type { Wiring } from '../wiring/index.ts';
import type { Announcer } from './announce.ts';

export interface SupervisorDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  readonly registry: Registry;
  readonly wiring: Wiring;
  readonly mounter: Mounter;
  readonly io: IoHub;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SupervisorHooks {
  /** Decides whether it comes back; says so before anybody hears of the exit. */
  readonly willRestart: (container: Container, exit: ExitNotice) => boolean;
  /** Everything has been cleaned up. */
  readonly afterExit: (container: Container, exit: ExitNotice, restarts: boolean) => void;
  /** Before the clean-up: execs and health checks end with the container. */
  readonly onExit: (container: Container) => void;
}

/** Output that still comes after the process has ended, from children that kept the pipes, is waited for so long. */
const DRAIN_MS = 2_000;
const RETRY_MS = 250;
/** What is known of a process that ended while nobody watched and that containerd has forgotten. */
export const UNKNOWN_EXIT = 255;

/** Watches the processes of containers and cleans up after them. */
export class Supervisor {
  readonly #deps: SupervisorDeps;
  readonly #hooks: SupervisorHooks;
  readonly #watches = new Map<string, AbortController>();
  #closed = false;

  constructor(deps: SupervisorDeps, hooks: SupervisorHooks) {
    this.#deps = deps;
    this.#hooks = hooks;
  }

  /** From now on until its process ends. */
  watch(container: Container): void {
    const controller = new AbortController();
    this.#watches.set(container.id, controller);
    container.settling = this.#supervise(container, controller.signal);
  }

  /** Stops watching; the processes go on. */
  close(): void {
    this.#closed = true;
    for (const controller of this.#watches.values()) controller.abort();
    this.#watches.clear();
  }

  async #supervise(container: Container, signal: AbortSignal): Promise<void> {
    const exit = await this.#exitOf(container, signal);
    if (exit === undefined || this.#closed) return;
    this.#watches.delete(container.id);
    try {
      await this.settle(container, exit);
    } catch (error) {
      this.#deps.log.error({ container: container.id, err: error }, 'cleaning up after a container failed');
    }
  }

  async #exitOf(
    container: Container,
    signal: AbortSignal,
  ): Promise<{ readonly exitCode: number; readonly exitedAt: bigint } | undefined> {
    for (;;) {
      try {
        return await this.#deps.containerd.tasks.wait(container.id, { signal });
      } catch (error) {
        if (signal.aborted) return undefined;
        if (isKind(error, 'notFound')) return { exitCode: UNKNOWN_EXIT, exitedAt: 0n };
        this.#deps.log.debug({ container: container.id, reason: messageOf(error) }, 'waiting for containerd');
        await new Promise<void>((resolve) => this.#deps.clock.after(RETRY_MS, resolve));
        if (signal.aborted) return undefined;
      }
    }
  }

  /** Brings a container whose process has ended to rest. Also for those that ended while no daemon was there. */
  async settle(container: Container, exit: { readonly exitCode: number; readonly exitedAt: bigint }): Promise<void> {
    const { containerd, wiring, mounter, io, registry, announcer, clock, log } = this.#deps;
    this.#hooks.onExit(container);
    await this.#noteOom(container);
    const notice: ExitNotice = { exitCode: exit.exitCode };
    const restarts = this.#hooks.willRestart(container, notice);
    const state = {
      pid: 0,
      exitCode: exit.exitCode,
      finishedAt: rfc3339Nano(exit.exitedAt > 0n ? exit.exitedAt : clock.nowNanos()),
    } as const;
    const results = await Promise.allSettled([
      io.drain(container, DRAIN_MS).then(() => io.finish(container)),
      ifFound(containerd.tasks.delete(container.id)).then(() => {
        container.mayHaveTask = false;
      }),
      wiring.close(container),
    ]);
    for (const result of results) {
      if (result.status === 'rejected') {
        log.warn({ container: container.id, reason: messageOf(result.reason) }, 'a stopped container left something');
      }
    }
    container.changeState({ ...state, status: restarts ? 'restarting' : 'exited' });
    // Whoever takes the end of a stream for the end of the container is right.
    io.letGo(container);
    mounter.deactivate(container.record, (name) => this.#inUse(name));
    try {
      await registry.save(container, { thisBoot: container.record.spec.autoRemove });
    } catch (error) {
      // It has ended all the same. Another daemon finds no process and comes to the same end.
      log.error({ container: container.id, reason: messageOf(error) }, 'the end of a container cannot be stored');
    }
    announcer.say(container, 'die', {
      exitCode: String(exit.exitCode),
      execDuration: String(durationSeconds(container.record.state.startedAt, state.finishedAt)),
    });
    container.exited.emit(notice);
    this.#hooks.afterExit(container, notice, restarts);
  }

  /** containerd's own event of it does not come on every kind of cgroup, and never to a daemon that was away. */
  async #noteOom(container: Container): Promise<void> {
    if (container.record.spec.resources.memory === 0 || container.record.state.oomKilled) return;
    const metrics = await this.#deps.containerd.tasks.metrics(container.id).catch(() => null);
    if (!metrics || metrics.oomKills === 0n) return;
    container.changeState({ oomKilled: true });
    this.#deps.announcer.say(container, 'oom');
  }

  #inUse(volume: string): boolean {
    return this.#deps.registry
      .all()
      .some((other) => other.running && other.record.mounts.some(({ name }) => name === volume));
  }
}

function durationSeconds(from: string, to: string): number {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return Number.isFinite(seconds) && seconds > 0 ? Math.floor(seconds) : 0;
}
