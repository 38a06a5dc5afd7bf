import { type Clock, type Id, type Log, messageOf } from '../base/index.ts';
import type { Drift, Reconciliation, Reconciling } from '../model/index.ts';
import type { TaskProcess } from './containerd/index.ts';
import type { ContainerEngine } from './engine.ts';
import type { Leftovers } from './leftovers.ts';
import { type ContainerService, UNKNOWN_EXIT } from './lifecycle/index.ts';
import type { Container, Registry } from './records/index.ts';
import { isAlive } from './restore.ts';

export interface ContainerReconcilerDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  readonly registry: Registry;
  readonly service: Pick<ContainerService, 'settle'>;
  readonly leftovers: Leftovers;
  readonly clock: Clock;
  readonly log: Log;
}

/** A container that starts or stops looks wrong for a moment: what is wrong twice, this far apart, is. */
const SECOND_LOOK_MS = 300;

/** Compares containers as they are remembered with what containerd and the disk have. */
export class ContainerReconciler implements Reconciling {
  readonly #deps: ContainerReconcilerDeps;

  constructor(deps: ContainerReconcilerDeps) {
    this.#deps = deps;
  }

  /** Touches nothing. */
  async verify(): Promise<readonly Drift[]> {
    const wrong = (await this.#wrong()).map(({ drift }) => drift);
    return [...wrong, ...(await this.#deps.leftovers.find()).map(orphan)];
  }

  /** Containers that are said to run and do not are settled as ended; processes of such as do not run are ended. */
  async repair(): Promise<Reconciliation> {
    const done: Drift[] = [];
    const failed: Reconciliation['failed'][number][] = [];
    for (const { drift, container, task } of await this.#wrong()) {
      try {
        if (container.running) {
          const { exitCode = UNKNOWN_EXIT, exitedAt = 0n } = task ?? {};
          await this.#deps.service.settle(container, { exitCode, exitedAt });
        } else await this.#deps.leftovers.end(container.id);
        this.#deps.log.warn({ container: container.id }, `made good: ${drift.object} ${drift.detail}`);
        done.push(drift);
      } catch (error) {
        failed.push({ ...drift, reason: messageOf(error) });
      }
    }
    return { done, failed };
  }

  /** Removes what there is of containers that nobody knows. */
  async collect(): Promise<Reconciliation> {
    const done: Drift[] = [];
    const failed: Reconciliation['failed'][number][] = [];
    for (const id of await this.#deps.leftovers.find()) {
      try {
        await this.#deps.leftovers.remove(id);
        done.push(orphan(id));
      } catch (error) {
        failed.push({ ...orphan(id), reason: messageOf(error) });
      }
    }
    return { done, failed };
  }

  async #wrong(): Promise<readonly Wrong[]> {
    const first = await this.#look();
    if (first.length === 0) return first;
    await new Promise<void>((resolve) => this.#deps.clock.after(SECOND_LOOK_MS, resolve));
    const before = new Set(first.map(({ drift }) => `${drift.ownerId} ${drift.detail}`));
    return (await this.#look()).filter(({ drift }) => before.has(`${drift.ownerId} ${drift.detail}`));
  }

  async #look(): Promise<readonly Wrong[]> {
    const tasks = new Map((await this.#deps.containerd.tasks.list()).map((task) => [task.containerId, task]));
    return this.#deps.registry.all().flatMap((container) => {
      const task = tasks.get(container.id);
      if (container.running === isAlive(task)) return [];
      const detail = container.running ? 'has no process, should run' : 'runs, should not';
      const { id: ownerId, name: object } = container;
      return [{ container, task, drift: { kind: 'container', problem: 'different', object, detail, ownerId } }];
    });
  }
}

interface Wrong {
  readonly container: Container;
  readonly task: TaskProcess | undefined;
  readonly drift: Drift;
}

function orphan(id: string): Drift {
  return { kind: 'container', problem: 'orphan', object: id, ownerId: id as Id };
}
