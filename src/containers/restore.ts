import { readdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isKind, type Log, messageOf } from '../base/index.ts';
import type { SandboxRecord } from '../model/index.ts';
import type { TaskProcess } from './containerd/index.ts';
import {
  type ContainerEngine,
  type ContainerImages,
  type ContainersOptions,
  containerFolder,
  pipeFolder,
} from './engine.ts';
import type { IoHub } from './io/index.ts';
import type { ContainerService, Remover } from './lifecycle/index.ts';
import type { Container, Registry } from './records/index.ts';
import type { VolumeStore } from './volumes/index.ts';
import type { Wiring } from './wiring/index.ts';

export interface RestorerDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks' | 'containers'>;
  readonly images: Pick<ContainerImages, 'removeRootfs'>;
  readonly registry: Registry;
  readonly volumes: VolumeStore;
  readonly wiring: Wiring;
  readonly io: IoHub;
  readonly remover: Remover;
  readonly service: ContainerService;
  readonly log: Log;
}

/** What is known of a process that ended while nobody watched and that containerd has forgotten. */
const UNKNOWN_EXIT = 255;

/** Restores networks and sandboxes; told which of these belong to containers that run. */
export type RestoreNetworks = (alive: (sandbox: SandboxRecord) => boolean) => Promise<void>;

/** Makes a fresh daemon agree with what runs. Containers that run are not touched. */
export class Restorer {
  readonly #deps: RestorerDeps;

  readonly #options: ContainersOptions;

  constructor(deps: RestorerDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async restore(restoreNetworks: RestoreNetworks): Promise<void> {
    const { registry, volumes, wiring, service, containerd } = this.#deps;
    await registry.load();
    await volumes.load();
    const tasks = new Map((await containerd.tasks.list()).map((task) => [task.containerId, task]));
    const alive = new Set<string>();
    for (const container of registry.all()) {
      container.known = true;
      // A start that was cut off before it was recorded is undone below, its network with it.
      if (!container.running || !isAlive(tasks.get(container.id))) continue;
      alive.add(container.id);
      const { sharesSandboxOf } = container.record;
      if (sharesSandboxOf !== undefined) alive.add(sharesSandboxOf);
    }
    await restoreNetworks(({ ownerId }) => alive.has(ownerId));
    // All of them before the first container is started again: it must not be given what another one is configured for.
    for (const container of registry.all()) {
      try {
        wiring.reserve(container);
      } catch (error) {
        // Its network was made anew, with another subnet.
        this.#deps.log.warn({ container: container.id, reason: messageOf(error) }, 'an address is not kept');
      }
    }
    for (const container of registry.all()) {
      try {
        await this.#restoreOne(container, tasks.get(container.id));
      } catch (error) {
        this.#deps.log.error({ container: container.id, err: error }, 'a container could not be restored');
      }
    }
    for (const id of tasks.keys()) if (isContainerId(id) && !registry.holds(id)) await this.#end(id);
    await this.#sweep();
    service.resumePolicies();
  }

  /** What a creation that was cut off has left: folders, file trees and records of containerd that nobody names. */
  async #sweep(): Promise<void> {
    const { registry, images, containerd, log } = this.#deps;
    const folders = await readdir(dirname(containerFolder(this.#options, 'any'))).catch(() => []);
    const records = await containerd.containers.list().catch(() => []);
    const ids = new Set([...folders, ...records.map(({ id }) => id)]);
    for (const id of ids) {
      if (!isContainerId(id) || registry.holds(id)) continue;
      try {
        await containerd.containers.delete(id).catch((error: unknown) => {
          if (!isKind(error, 'notFound')) throw error;
        });
        await images.removeRootfs(id);
        await rm(pipeFolder(this.#options, id), { recursive: true, force: true });
        await rm(containerFolder(this.#options, id), { recursive: true, force: true });
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
      const paused = task?.status === 'paused';
      container.changeState({ status: paused ? 'paused' : 'running', pid: task?.pid ?? 0 });
      io.reopen(container);
      service.adopt(container);
      await registry.save(container);
      return;
    }
    // A start that was cut off: what it has made so far goes, as after any failed start.
    if (isAlive(task)) await this.#end(container.id);
    if (container.running) {
      await service.settle(container, { exitCode: task?.exitCode ?? UNKNOWN_EXIT, exitedAt: task?.exitedAt ?? 0n });
      return;
    }
    if (task) await this.#end(container.id);
    if (!this.#deps.wiring.isShared(container)) container.dropSandbox();
    if (status === 'restarting') container.changeState({ status: 'exited', pid: 0 });
    await registry.save(container);
  }

  async #end(id: string): Promise<void> {
    const { tasks } = this.#deps.containerd;
    try {
      await tasks.kill(id, 9, { all: true }).catch(() => {});
      await tasks.wait(id);
      await tasks.delete(id);
    } catch (error) {
      if (!isKind(error, 'notFound')) {
        this.#deps.log.warn({ container: id, reason: messageOf(error) }, 'an unfinished start stays');
      }
    }
  }
}

function isAlive(task: TaskProcess | undefined): boolean {
  return task !== undefined && task.status !== 'stopped' && task.status !== 'unknown';
}

function isContainerId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
