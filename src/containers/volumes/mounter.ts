import { existsSync, mkdirSync } from 'node:fs';
import { invalid } from '../../base/index.ts';
import type { EventSink } from '../../model/index.ts';
import type { Mount } from '../containerd/index.ts';
import type { MountPoint, VolumeView } from '../contract.ts';
import type { ContainerSpec } from '../options.ts';
import type { ContainerRecord } from '../records/index.ts';
import { type MountSources, type PlannedMount, planMounts } from './plan.ts';
import { populateVolume } from './populate.ts';
import { assertPropagation } from './propagation.ts';
import type { SharedMemory } from './shared-memory.ts';
import type { Subpaths } from './subpaths.ts';
import type { VolumeStore } from './volumes.ts';

export interface PreparedMounts {
  readonly mounts: readonly MountPoint[];
  /** Volumes that were made for this container alone. */
  readonly anonymous: readonly string[];
}

/** Makes a container's mounts ready on the host side: volumes exist and are filled, host folders are there. */
export class Mounter {
  readonly #volumes: VolumeStore;
  readonly #events: EventSink;
  readonly #sharedMemory: SharedMemory;
  readonly #subpaths: Subpaths;

  constructor(deps: {
    readonly volumes: VolumeStore;
    readonly events: EventSink;
    readonly sharedMemory: SharedMemory;
    readonly subpaths: Subpaths;
  }) {
    this.#volumes = deps.volumes;
    this.#sharedMemory = deps.sharedMemory;
    this.#subpaths = deps.subpaths;
    this.#events = deps.events;
  }

  /** A failure takes the volumes away again that were made for it. */
  async prepare(
    spec: ContainerSpec,
    sources: MountSources & { readonly rootfs: readonly Mount[] },
  ): Promise<PreparedMounts> {
    const planned = planMounts(spec, sources);
    for (const plan of planned) checkSource(plan);
    const mounts: MountPoint[] = [];
    const anonymous: string[] = [];
    const made: string[] = [];
    try {
      for (const plan of planned) {
        if (plan.type !== 'volume') {
          if (plan.createSource && plan.source && !existsSync(plan.source)) mkdirSync(plan.source, { recursive: true });
          mounts.push(pointOf(plan, plan.source ?? ''));
          continue;
        }
        const known = plan.source !== undefined && this.#volumes.find(plan.source) !== undefined;
        const volume = await this.#volumes.create({
          ...(plan.source !== undefined && { name: plan.source }),
          ...(plan.driver && { driver: plan.driver }),
          labels:
            plan.source === undefined ? { 'com.docker.volume.anonymous': '', ...plan.labels } : (plan.labels ?? {}),
          ...(plan.options && { options: plan.options }),
        });
        if (!known) made.push(volume.name);
        if (plan.source === undefined) anonymous.push(volume.name);
        if (plan.copy) {
          await this.#populate(volume, () => populateVolume(sources.rootfs, plan.target, volume.mountpoint));
        }
        mounts.push({ ...pointOf(plan, volume.mountpoint), name: volume.name, driver: volume.driver });
      }
    } catch (error) {
      // One that somebody else uses meanwhile stays.
      for (const name of made) await this.#volumes.remove(name, { force: true }).catch(() => {});
      throw error;
    }
    return { mounts, anonymous };
  }

  /** What a volume's options mount stays mounted only while a container uses it. */
  async #populate(volume: VolumeView, work: () => Promise<void>): Promise<void> {
    const mounted = await this.#volumes.activate(volume.name);
    try {
      await work();
    } finally {
      if (mounted) this.#volumes.deactivate(volume.name);
    }
  }

  /** Just before a start. */
  async activate(record: ContainerRecord): Promise<void> {
    this.#sharedMemory.activate(record);
    for (const point of record.mounts) {
      if (point.type === 'volume' && point.name !== undefined) {
        await this.#volumes.activate(point.name);
        this.#subpaths.activate(record, point);
        this.#publish('mount', record, point);
      } else if (point.type === 'bind' && !existsSync(point.source)) {
        throw invalid(
          'bind_source_missing',
          `invalid mount config for type "bind": bind source path does not exist: ${point.source}`,
        );
      } else assertPropagation(point);
    }
  }

  /** A container's mounts with the sources that the runtime is to use. */
  sourcesOf(record: ContainerRecord): readonly MountPoint[] {
    return record.mounts.map((point) => ({ ...point, source: this.#subpaths.sourceOf(record, point) }));
  }

  /** After the end of the container; a volume in use elsewhere stays mounted. */
  deactivate(record: ContainerRecord, stillUsed: (name: string) => boolean): void {
    this.#sharedMemory.deactivate(record);
    this.#subpaths.deactivate(record);
    for (const point of record.mounts) {
      if (point.type !== 'volume' || point.name === undefined) continue;
      this.#publish('unmount', record, point);
      if (!stillUsed(point.name)) this.#volumes.deactivate(point.name);
    }
  }

  #publish(action: 'mount' | 'unmount', record: ContainerRecord, point: MountPoint): void {
    this.#events.publish({
      type: 'volume',
      action,
      id: point.name ?? '',
      attributes: {
        container: record.id,
        driver: point.driver ?? 'local',
        ...(action === 'mount' && {
          destination: point.destination,
          propagation: point.propagation,
          'read/write': String(point.writable),
        }),
      },
    });
  }
}

function checkSource(plan: PlannedMount): void {
  if (plan.type !== 'bind' || plan.source === undefined || plan.createSource || existsSync(plan.source)) return;
  throw invalid(
    'bind_source_missing',
    `invalid mount config for type "bind": bind source path does not exist: ${plan.source}`,
  );
}

function pointOf(plan: PlannedMount, source: string): MountPoint {
  return {
    type: plan.type,
    source,
    destination: plan.target,
    mode: plan.mode,
    writable: plan.writable,
    propagation: plan.propagation,
    ...(plan.nonRecursive && { nonRecursive: true }),
    ...(plan.readOnlyBelow && { readOnlyBelow: plan.readOnlyBelow }),
    ...(plan.subpath !== undefined && { subpath: plan.subpath }),
  };
}
