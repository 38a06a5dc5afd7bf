import { rm } from 'node:fs/promises';
import { type Clock, invalid, newId, rfc3339Nano, runAll } from '../../base/index.ts';
import { makeFolders } from '../../kernel/index.ts';
import type { ContainerImages, ContainersOptions } from '../engine.ts';
import { containerFolder } from '../engine.ts';
import { assertPlatform, parsePlatform } from '../images/index.ts';
import type { IoHub } from '../io/index.ts';
import { type LimitAbilities, verifyResources } from '../limits/index.ts';
import type { ConfiguredNetwork, ContainerSpec } from '../options.ts';
import { type Container, type ContainerRecord, CREATED, type Registry } from '../records/index.ts';
import {
  capabilitiesOf,
  type HostFacts,
  parseDeviceRule,
  parseSecurityOptions,
  withDaemonDefaults,
} from '../spec/index.ts';
import type { Mounter, VolumeStore } from '../volumes/index.ts';
import { orderedNetworks, validateNetworking, type Wiring } from '../wiring/index.ts';
import type { Announcer } from './announce.ts';
import { effectiveOf } from './effective.ts';
import { parseSignal } from './signals.ts';

export interface CreatorDeps {
  readonly images: ContainerImages;
  readonly registry: Registry;
  readonly mounter: Mounter;
  readonly volumes: VolumeStore;
  readonly wiring: Wiring;
  readonly io: IoHub;
  readonly limits: () => LimitAbilities;
  readonly facts: () => HostFacts;
  readonly announcer: Announcer;
  readonly clock: Clock;
}

export interface CreateRequest {
  readonly name?: string;
  readonly spec: ContainerSpec;
  readonly networks: readonly ConfiguredNetwork[];
}

export interface Created {
  readonly container: Container;
  /** What was asked for and is not to be had here. */
  readonly warnings: readonly string[];
}

/** Makes containers that do not run yet: a name, a file tree, volumes, a record. A failure leaves none of them. */
export class Creator {
  readonly #deps: CreatorDeps;
  readonly #options: ContainersOptions;

  constructor(deps: CreatorDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async create(request: CreateRequest): Promise<Created> {
    const asked = withDaemonDefaults(request.spec, this.#options, this.#deps.facts());
    const { resources, warnings } = verifyResources(asked.resources, {
      abilities: this.#deps.limits(),
      update: false,
    });
    const spec = { ...asked, resources };
    validate(spec, request.networks);
    const { images, registry, announcer } = this.#deps;
    const id = newId();
    const name = registry.reserve(id, request.name);
    const undo: (() => unknown)[] = [() => registry.release(id, name)];
    try {
      const image = await images.get(spec.image);
      assertPlatform(image, spec.image, spec.platform === undefined ? undefined : parsePlatform(spec.platform));
      const effective = effectiveOf(id, spec, image.config);
      // The folder first: after a crash it tells the next daemon that there may be a file tree.
      const folder = containerFolder(this.#options, id);
      undo.unshift(() => rm(folder, { recursive: true, force: true }));
      makeFolders(folder, 0o710);
      undo.unshift(() => images.removeRootfs(id));
      const rootfs = await images.prepareRootfs(id, image);
      const prepared = await this.#deps.mounter.prepare(spec, {
        imageVolumes: Object.keys(image.config.Volumes ?? {}),
        mountsOf: (ref) => registry.find(ref)?.record.mounts,
        rootfs,
      });
      undo.unshift(() => this.#removeVolumes(prepared.anonymous));
      const record: ContainerRecord = {
        version: 1,
        id,
        name,
        created: rfc3339Nano(this.#deps.clock.nowNanos()),
        spec,
        imageId: image.id,
        effective,
        networks: orderedNetworks(spec, request.networks),
        mounts: prepared.mounts,
        state: CREATED,
        stoppedByUser: false,
        anonymousVolumes: prepared.anonymous,
      };
      const container = registry.add(record);
      undo.unshift(() => registry.remove(container));
      container.rootfs = rootfs;
      this.#deps.io.settingsOf(container);
      this.#deps.wiring.reserve(container);
      undo.unshift(() => this.#deps.wiring.forget(container));
      await registry.save(container);
      announcer.say(container, 'create');
      return { container, warnings };
    } catch (error) {
      await runAll(undo, `cannot undo the creation of container "${name}"`).catch(() => {});
      throw error;
    }
  }

  async #removeVolumes(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#deps.volumes.remove(name, { force: true });
  }
}

function validate(spec: ContainerSpec, networks: readonly ConfiguredNetwork[]): void {
  if (spec.runtime && !['runc', 'io.containerd.runc.v2'].includes(spec.runtime)) {
    throw invalid('unknown_runtime', `unknown or invalid runtime name: ${spec.runtime}`);
  }
  validateNetworking(spec, networks);
  parseSecurityOptions(spec.security);
  const { capAdd, capDrop, privileged } = spec.security;
  capabilitiesOf({ add: capAdd, drop: capDrop, privileged, available: 0n });
  for (const rule of spec.resources.deviceCgroupRules) parseDeviceRule(rule);
  for (const { permissions, host } of spec.resources.devices) {
    if (!/^[rwm]{1,3}$/.test(permissions)) {
      throw invalid('invalid_device', `invalid device mode for ${host}: ${permissions}`);
    }
  }
  for (const limit of spec.resources.ulimits) assertUlimit(limit);
  if (spec.process.stopSignal) parseSignal(spec.process.stopSignal);
}

const ULIMITS = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' '),
);

function assertUlimit({ name, soft, hard }: ContainerSpec['resources']['ulimits'][number]): void {
  if (!ULIMITS.has(name)) throw invalid('invalid_ulimit', `invalid ulimit type: ${name}`);
  if (hard >= 0 && (soft < 0 || soft > hard)) {
    throw invalid('invalid_ulimit', `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
}
