import { conflict } from '../../base/index.ts';
import type { ContainerEngine } from '../engine.ts';
import { changedResources, type LimitAbilities, NO_LIMITS, resourcesOf, verifyResources } from '../limits/index.ts';
import type { ResourceOptions, RestartPolicy } from '../options.ts';
import type { Container, Registry } from '../records/index.ts';
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
    readonly limits: () => LimitAbilities;
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
  const { resources: asked, warnings } = verifyChange(change.resources ?? {}, deps.limits());
  const resources = changedResources(container.id, spec.resources, asked);
  // Only what was asked for: the kernel refuses to write some values again.
  if (container.running && Object.keys(asked).length > 0) {
    await deps.containerd.tasks.update(container.id, resourcesOf(resources));
  }
  container.change({ spec: { ...spec, resources, ...(change.restart && { restart: change.restart }) } });
  await deps.registry.save(container);
  deps.announcer.say(container, 'update');
  return warnings;
}

/** Docker judges a change by itself, as if the container had no limits yet; then it is laid over those there are. */
function verifyChange(
  change: Partial<ResourceOptions>,
  abilities: LimitAbilities,
): { readonly resources: Partial<ResourceOptions>; readonly warnings: readonly string[] } {
  const { resources, warnings } = verifyResources({ ...NO_LIMITS, ...change }, { abilities, update: true });
  // Without a way to limit swap, the verdict says "unlimited" for it.
  const names = new Set([...Object.keys(change), 'memorySwap']);
  const kept = Object.entries(resources).filter(([name, value]) => names.has(name) && Boolean(value));
  return { resources: Object.fromEntries(kept), warnings };
}
