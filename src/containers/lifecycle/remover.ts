import { rm } from 'node:fs/promises';
import { conflict, ifFound, type Log, messageOf, runAll, runTogether } from '../../base/index.ts';
import {
  type ContainerEngine,
  type ContainerImages,
  type ContainersOptions,
  containerFolder,
  pipeFolder,
} from '../engine.ts';
import type { IoHub } from '../io/index.ts';
import type { Container, Registry } from '../records/index.ts';
import type { VolumeStore } from '../volumes/index.ts';
import type { Wiring } from '../wiring/index.ts';
import type { Announcer } from './announce.ts';

export interface RemoverDeps {
  readonly containerd: Pick<ContainerEngine, 'containers' | 'tasks'>;
  readonly images: ContainerImages;
  readonly registry: Registry;
  readonly volumes: VolumeStore;
  readonly wiring: Wiring;
  readonly io: IoHub;
  readonly announcer: Announcer;
  readonly log: Log;
}

/** Takes containers away with all that belongs to them. Repeatable: what is gone already does not matter. */
export class Remover {
  readonly #deps: RemoverDeps;
  readonly #options: ContainersOptions;

  constructor(deps: RemoverDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** The container must not run. What cannot be removed leaves it `dead`, to be tried again. */
  async remove(container: Container, options: { readonly volumes: boolean }): Promise<void> {
    const { registry, announcer, log, volumes } = this.#deps;
    container.changeState({ status: 'removing' });
    // A power cut brings it back as it was: nobody was told of its end yet.
    // On a full disk it is the removal that gives space back.
    await registry.save(container, { thisBoot: true }).catch((error: unknown) => {
      log.warn({ container: container.id, reason: messageOf(error) }, 'the beginning of a removal cannot be stored');
    });
    try {
      await this.#dismantle(container);
    } catch (error) {
      container.changeState({ status: 'dead', error: messageOf(error) });
      await registry.save(container);
      throw error;
    }
    await registry.remove(container);
    if (options.volumes) {
      for (const name of container.record.anonymousVolumes) {
        await volumes.remove(name, { force: true }).catch((error: unknown) => {
          log.debug({ volume: name, reason: messageOf(error) }, 'an anonymous volume stays');
        });
      }
    }
    announcer.say(container, 'destroy');
    container.removed.emit({ exitCode: container.record.state.exitCode });
  }

  async #dismantle(container: Container): Promise<void> {
    const { containerd, images, wiring, io } = this.#deps;
    const what = `unable to remove container "${container.name}"`;
    const together =
      (...steps: (() => unknown)[]): (() => Promise<void>) =>
      () =>
        runTogether(steps, what);
    await runAll(
      [
        together(
          () => (container.mayHaveTask ? ifFound(containerd.tasks.delete(container.id)) : undefined),
          () => wiring.close(container),
        ),
        () => wiring.forget(container),
        () => io.forget(container),
        together(
          () => ifFound(containerd.containers.delete(container.id)),
          () => images.removeRootfs(container.id),
          () => rm(pipeFolder(this.#options, container.id), { recursive: true, force: true }),
        ),
        // Last: it tells the next daemon that there is something to take away.
        () => rm(containerFolder(this.#options, container.id), { recursive: true, force: true }),
      ],
      what,
    );
  }
}

/** Throws with Docker's text unless the container may be removed as it is. */
export function assertRemovable(container: Container): void {
  const { status } = container.record.state;
  const reasons: Partial<Record<typeof status, string>> = {
    running: 'container is running: stop the container before removing or force remove',
    paused: 'container is paused and must be unpaused first',
    restarting: 'container is restarting: stop the container before removing or force remove',
  };
  const reason = reasons[status];
  if (reason !== undefined) {
    throw conflict('container_running', `cannot remove container "/${container.name}": ${reason}`);
  }
}
