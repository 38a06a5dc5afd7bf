import { conflict } from '../../base/index.ts';
import type { ContainerEngine } from '../engine.ts';
import type { ResourceOptions, RestartPolicy } from '../options.ts';
import type { Container, Registry } from '../records/index.ts';
import { resourcesOf } from '../spec/index.ts';
import type { Announcer } from './announce.ts';

export interface ResourceChange {
  readonly resources?: Partial<ResourceOptions>;
  readonly restart?: RestartPolicy;
}

/** `docker update`: for the record, and for the process when it runs. */
export async function updateContainer(
  container: Container,
  change: ResourceChange,
  deps: {
    readonly containerd: Pick<ContainerEngine, 'tasks'>;
    readonly registry: Registry;
    readonly announcer: Announcer;
  },
): Promise<readonly string[]> {
  const { spec } = container.record;
  if (change.restart && change.restart.name !== 'no' && spec.autoRemove) {
    throw conflict('auto_remove', 'Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
  const { status } = container.record.state;
  if (status === 'removing' || status === 'dead') {
    throw conflict(
      'container_removing',
      `Cannot update container ${container.id}: container is marked for removal and cannot be "update".`,
    );
  }
  const resources = { ...spec.resources, ...change.resources };
  // Only what was asked for: the kernel refuses to write some values again.
  if (container.running && change.resources && Object.keys(change.resources).length > 0) {
    await deps.containerd.tasks.update(container.id, resourcesOf(resources));
  }
  container.change({ spec: { ...spec, resources, ...(change.restart && { restart: change.restart }) } });
  await deps.registry.save(container);
  deps.announcer.say(container, 'update');
  return [];
}
