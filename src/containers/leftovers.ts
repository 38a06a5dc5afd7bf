import { readdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ifFound } from '../base/index.ts';
import {
  type ContainerEngine,
  type ContainerImages,
  type ContainersOptions,
  containerFolder,
  pipeFolder,
} from './engine.ts';
import type { Registry } from './records/index.ts';

export interface LeftoversDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks' | 'containers'>;
  readonly images: Pick<ContainerImages, 'removeRootfs'>;
  readonly registry: Registry;
}

/** What there is of containers that nobody names: processes, records of containerd, file trees, folders. */
export class Leftovers {
  readonly #deps: LeftoversDeps;
  readonly #options: ContainersOptions;

  constructor(deps: LeftoversDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Their ids. A container that is being made has a name already. */
  async find(): Promise<readonly string[]> {
    const { containerd, registry } = this.#deps;
    const [tasks, records, folders] = await Promise.all([
      containerd.tasks.list(),
      containerd.containers.list(),
      readdir(dirname(containerFolder(this.#options, 'any'))).catch(() => []),
    ]);
    const ids = new Set([...tasks.map(({ containerId }) => containerId), ...records.map(({ id }) => id), ...folders]);
    return [...ids].filter((id) => isContainerId(id) && !registry.holds(id));
  }

  /** Ends its process and removes the rest; what has gone already is fine. */
  async remove(id: string): Promise<void> {
    await this.end(id);
    await ifFound(this.#deps.containerd.containers.delete(id));
    await this.#deps.images.removeRootfs(id);
    await rm(pipeFolder(this.#options, id), { recursive: true, force: true });
    await rm(containerFolder(this.#options, id), { recursive: true, force: true });
  }

  /** Kills the process of a container and takes containerd's record of it away. */
  async end(id: string): Promise<void> {
    const { tasks } = this.#deps.containerd;
    // One that ended meanwhile cannot be killed.
    await tasks.kill(id, 9, { all: true }).catch(() => {});
    await ifFound(tasks.wait(id).then(() => tasks.delete(id)));
  }
}

function isContainerId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
