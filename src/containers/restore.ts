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
  readonly networks: (alive: (sandbox: SandboxRecord) => Promise<boolean>) => Promise<void>;
  /** All that there are, if the caller has asked already: containerd asks every shim, which takes a while. */
  readonly tasks?: Promise<readonly TaskProcess[]>;
}

/** Makes a fresh daemon agree with what runs. Containers that run are not touched. */
export class Restorer {
  readonly #deps: RestorerDeps;

  constructor(deps: RestorerDeps) {
    this.#deps = deps;
  }

  async restore(options: RestoreOptions): Promise<void> {
    const { registry, volumes, wiring, containerd, service } = this.#deps;
    const asked = options.tasks ?? containerd.tasks.list();
    await registry.load();
    await volumes.load();
    for (const container of registry.all()) container.known = true;
    const found = asked.then((all) => new Map(all.map((task) => [task.containerId, task])));
    const alive = found.then((tasks) => this.#alive(tasks));
    await options.networks(async ({ ownerId }) => (await alive).has(ownerId));
    const tasks = await found;
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

  /** Owners of sandboxes that are in use. A start that was cut off before it was recorded is undone, its network with it. */
  #alive(tasks: ReadonlyMap<string, TaskProcess>): ReadonlySet<string> {
    const running = this.#deps.registry.all().filter(({ id, running }) => running && isAlive(tasks.get(id)));
    return new Set(running.flatMap(({ id, record }) => [id, record.sharesSandboxOf ?? id]));
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
