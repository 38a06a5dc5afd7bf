import { type Log, messageOf } from '../base/index.ts';
import type { SandboxRecord } from '../model/index.ts';
import type { TaskProcess } from './containerd/index.ts';
import type { ContainerEngine } from './engine.ts';
import type { ExecService } from './exec/index.ts';
import type { IoHub } from './io/index.ts';
import type { Leftovers } from './leftovers.ts';
import { type ContainerService, type Remover, UNKNOWN_EXIT } from './lifecycle/index.ts';
import type { Container, Registry } from './records/index.ts';
import type { VolumeStore } from './volumes/index.ts';
import type { Wiring } from './wiring/index.ts';

export interface RestorerDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  readonly leftovers: Leftovers;
  readonly registry: Registry;
  readonly volumes: VolumeStore;
  readonly wiring: Wiring;
  readonly io: IoHub;
  readonly execs: Pick<ExecService, 'restore'>;
  readonly remover: Remover;
  readonly service: ContainerService;
  readonly log: Log;
}

export interface RestoreOptions {
  /** Restores networks and sandboxes; told which of these belong to containers that run. */
  readonly networks: (alive: (sandbox: SandboxRecord) => boolean) => Promise<void>;
  /** All that there are, if the caller has asked already: containerd asks every shim. */
  readonly tasks?: readonly TaskProcess[];
}

/** Makes a fresh daemon agree with what runs. Containers that run are not touched. */
export class Restorer {
  readonly #deps: RestorerDeps;

  constructor(deps: RestorerDeps) {
    this.#deps = deps;
  }

  async restore(options: RestoreOptions): Promise<void> {
    const { registry, volumes, wiring, service, containerd } = this.#deps;
    await registry.load();
    await volumes.load();
    const found = options.tasks ?? (await containerd.tasks.list());
    const tasks = new Map(found.map((task) => [task.containerId, task]));
    const alive = new Set<string>();
    for (const container of registry.all()) {
      container.known = true;
      // A start that was cut off before it was recorded is undone below, its network with it.
      if (!container.running || !isAlive(tasks.get(container.id))) continue;
      alive.add(container.id);
      const { sharesSandboxOf } = container.record;
      if (sharesSandboxOf !== undefined) alive.add(sharesSandboxOf);
    }
    await options.networks(({ ownerId }) => alive.has(ownerId));
    // All of them before the first container is started again: it must not be given what another one is configured for.
    for (const container of registry.all()) {
      try {
        wiring.reserve(container);
      } catch (error) {
        // Its network was made anew, with another subnet.
        this.#deps.log.warn({ container: container.id, reason: messageOf(error) }, 'an address is not kept');
      }
    }
    await this.#deps.execs.restore();
    for (const container of registry.all()) {
      try {
        await this.#restoreOne(container, tasks.get(container.id));
      } catch (error) {
        this.#deps.log.error({ container: container.id, err: error }, 'a container could not be restored');
      }
    }
    service.resumePolicies();
  }

  /** Removes what a creation or a start that was cut off has left. After it, at any time. */
  async sweep(): Promise<void> {
    const { leftovers, log } = this.#deps;
    for (const id of await leftovers.find()) {
      try {
        await leftovers.remove(id);
      } catch (error) {
        log.warn({ container: id, reason: messageOf(error) }, 'an unfinished container stays');
      }
    }
  }

  async #restoreOne(container: Container, task: TaskProcess | undefined): Promise<void> {
    const { registry, io, remover, service } = this.#deps;
    const { status } = container.record.state;
    if (status === 'removing' || status === 'dead') {
      if (task) await this.#end(container.id);
      await remover.remove(container, { volumes: false });
      return;
    }
    if (isAlive(task) && container.running) {
      const now = { status: task?.status === 'paused' ? 'paused' : 'running', pid: task?.pid ?? 0 } as const;
      const { state } = container.record;
      const changed = state.status !== now.status || state.pid !== now.pid;
      if (changed) container.changeState(now);
      if (io.reopen(container)) io.begin(container);
      service.adopt(container);
      if (changed) await registry.save(container);
      return;
    }
    // A start that was cut off: what it has made so far goes, as after any failed start.
    if (isAlive(task)) await this.#end(container.id);
    if (container.running) {
      // Its last words may still be in the pipes.
      io.reopen(container);
      await service.settle(container, { exitCode: task?.exitCode ?? UNKNOWN_EXIT, exitedAt: task?.exitedAt ?? 0n });
      return;
    }
    if (task) await this.#end(container.id);
    if (!this.#deps.wiring.isShared(container)) container.dropSandbox();
    if (status === 'restarting') container.changeState({ status: 'exited', pid: 0 });
    await registry.save(container);
  }

  async #end(id: string): Promise<void> {
    try {
      await this.#deps.leftovers.end(id);
    } catch (error) {
      this.#deps.log.warn({ container: id, reason: messageOf(error) }, 'an unfinished start stays');
    }
  }
}

export function isAlive(task: TaskProcess | undefined): boolean {
  return task !== undefined && task.status !== 'stopped' && task.status !== 'unknown';
}
