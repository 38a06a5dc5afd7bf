import { isKind, type Log, messageOf } from '../../base/index.ts';
import type { ContainerFiles } from '../contract.ts';
import type { ContainerEngine, ContainerImages } from '../engine.ts';
import type { ImageRunConfig } from '../images/index.ts';
import type { Announcer } from '../lifecycle/index.ts';
import type { Container } from '../records/index.ts';

export interface CommitterDeps {
  readonly containerd: Pick<ContainerEngine, 'tasks'>;
  readonly images: Pick<ContainerImages, 'get' | 'commit'>;
  readonly announcer: Announcer;
  readonly log: Log;
}

/** Makes images of containers: what they run becomes the image's default. */
export class Committer {
  readonly #deps: CommitterDeps;

  constructor(deps: CommitterDeps) {
    this.#deps = deps;
  }

  async commit(container: Container, options: Parameters<ContainerFiles['commit']>[1]): Promise<string> {
    const { images, announcer } = this.#deps;
    const { record } = container;
    // A container can outlive its image's names, and a forced removal even the image.
    const parent = await images.get(record.imageId).catch((error: unknown) => {
      if (isKind(error, 'notFound')) return null;
      throw error;
    });
    const resume = options.pause ? await this.#pause(container) : undefined;
    try {
      const id = await images.commit(container.id, {
        parent,
        config: configOf(container),
        changes: options.changes,
        comment: options.comment,
        author: options.author,
        createdBy: [...record.effective.entrypoint, ...record.effective.cmd].join(' '),
        ...(options.repository && { repo: options.repository }),
        ...(options.tag && { tag: options.tag }),
      });
      announcer.say(container, 'commit', { comment: options.comment, imageID: id });
      return id;
    } finally {
      await resume?.();
    }
  }

  /** Without an event and a change of state: nobody is to take it for a pause of the user's. */
  async #pause(container: Container): Promise<(() => Promise<void>) | undefined> {
    if (container.record.state.status !== 'running') return undefined;
    const { tasks } = this.#deps.containerd;
    await tasks.pause(container.id);
    return async () => {
      try {
        await tasks.resume(container.id);
      } catch (error) {
        if (!isKind(error, 'notFound')) {
          this.#deps.log.error({ container: container.id, reason: messageOf(error) }, 'a container stays frozen');
        }
      }
    };
  }
}

function configOf(container: Container): ImageRunConfig {
  const { effective } = container.record;
  const keys = (names: readonly string[]): Record<string, object> =>
    Object.fromEntries(names.map((name) => [name, {}]));
  const { health } = effective;
  return {
    User: effective.user,
    Env: effective.env,
    Entrypoint: effective.entrypoint.length > 0 ? effective.entrypoint : null,
    Cmd: effective.cmd.length > 0 ? effective.cmd : null,
    WorkingDir: effective.workdir,
    Labels: effective.labels,
    ...(effective.exposed.length > 0 && {
      ExposedPorts: keys(effective.exposed.map(({ port, protocol }) => `${port}/${protocol}`)),
    }),
    ...(effective.volumes.length > 0 && { Volumes: keys(effective.volumes) }),
    ...(effective.stopSignal && { StopSignal: effective.stopSignal }),
    ...(health && {
      Healthcheck: {
        ...(health.test && { Test: health.test }),
        ...(health.interval && { Interval: health.interval }),
        ...(health.timeout && { Timeout: health.timeout }),
        ...(health.startPeriod && { StartPeriod: health.startPeriod }),
        ...(health.startInterval && { StartInterval: health.startInterval }),
        ...(health.retries && { Retries: health.retries }),
      },
    }),
  };
}
