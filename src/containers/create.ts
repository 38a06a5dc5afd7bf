import type { Id } from '../base/index.ts';
import type { ContainerFiles, ContainerStatistics, Containers, Execs, Volumes } from './contract.ts';
import { Committer, FilesService } from './copy/index.ts';
import { type ContainersDeps, type ContainersOptions, pipeFolder } from './engine.ts';
import { ExecService } from './exec/index.ts';
import { HealthMonitor } from './health/index.ts';
import { IoHub } from './io/index.ts';
import { Leftovers } from './leftovers.ts';
import {
  Announcer,
  ContainerService,
  Creator,
  OomWatch,
  Remover,
  Starter,
  Stopper,
  Supervisor,
} from './lifecycle/index.ts';
import { type LimitAbilities, readLimitAbilities } from './limits/index.ts';
import { ContainerReconciler } from './reconciler.ts';
import { Registry } from './records/index.ts';
import { type RestoreOptions, Restorer } from './restore.ts';
import { type HostFacts, readHostFacts } from './spec/index.ts';
import { StatisticsSampler } from './statistics/index.ts';
import { Mounter, SharedMemory, Subpaths, VolumeStore } from './volumes/index.ts';
import { Wiring } from './wiring/index.ts';

/** Everything there is to containers. `restore` comes first; `close` leaves them running. */
export interface ContainerParts {
  readonly containers: Containers;
  readonly execs: Execs;
  readonly volumes: Volumes;
  readonly statistics: ContainerStatistics;
  readonly files: ContainerFiles;
  /** Which containers were made from an image, for `docker rmi`. */
  imageUsers(imageId: string): readonly { readonly id: Id; readonly running: boolean; readonly name: string }[];
  readonly reconciler: ContainerReconciler;
  /** The host's resolv.conf has changed: running containers' own follow, unless edited. */
  followResolvConf(): void;
  /** A process that lives in the namespaces of that container. */
  processOf(id: Id): number | undefined;
  /** Finds again what an earlier daemon left: running containers are taken up, ended ones cleaned up, policies obeyed. */
  restore(options?: RestoreOptions): Promise<void>;
  /** After that, at any time: removes what a creation or a start that was cut off has left. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

export function createContainers(deps: ContainersDeps, options: ContainersOptions): ContainerParts {
  const { containerd, clock, log, events, images, sandboxes, networks, store } = deps;
  let known: HostFacts | undefined;
  const facts = (): HostFacts => {
    known ??= readHostFacts(options.runtime?.program);
    return known;
  };
  let abilities: LimitAbilities | undefined;
  const limits = (): LimitAbilities => {
    abilities ??= options.limits ?? readLimitAbilities();
    return abilities;
  };
  const registry = new Registry({ store });
  const announcer = new Announcer({ events });
  const volumes = new VolumeStore(
    {
      store,
      events,
      clock,
      log,
      usedBy: (name) =>
        registry.all().flatMap(({ id, record }) => (record.mounts.some((point) => point.name === name) ? [id] : [])),
    },
    { root: `${options.dataRoot}/volumes` },
  );
  const sharedMemory = new SharedMemory((id) => pipeFolder(options, id));
  const mounter = new Mounter({
    volumes,
    events,
    sharedMemory,
    subpaths: new Subpaths(`${options.execRoot}/subpaths`),
  });
  const wiring = new Wiring({ networks, sandboxes, registry }, options);
  const io = new IoHub({ containerd, keeper: deps.keeper, clock, log }, options);
  const execs = new ExecService(
    {
      containerd,
      images,
      registry,
      store,
      announcer,
      facts,
      linkEnvironment: (container) => wiring.linkEnvironment(container),
      clock,
      log,
    },
    options,
  );
  const health = new HealthMonitor({
    probe: (container, cmd, probeOptions) => execs.probe(container, cmd, probeOptions),
    clock,
    log,
    changed: (container, status) => announcer.say(container, `health_status: ${status}`),
  });
  const oom = new OomWatch({ containerd, registry, announcer, clock, log });
  const creator = new Creator(
    { images, registry, mounter, volumes, wiring, io, limits, facts, announcer, clock },
    options,
  );
  const starter = new Starter(
    { containerd, images, registry, mounter, sharedMemory, wiring, io, facts, clock, log },
    options,
  );
  const stopper = new Stopper({ containerd, registry, announcer, clock, log }, options);
  const remover = new Remover({ containerd, images, registry, volumes, wiring, io, announcer, log }, options);
  const containers = new ContainerService(
    {
      containerd,
      images,
      sandboxes,
      registry,
      creator,
      starter,
      stopper,
      remover,
      wiring,
      io,
      limits,
      announcer,
      clock,
      log,
      supervise: (hooks) => new Supervisor({ containerd, registry, wiring, mounter, io, announcer, clock, log }, hooks),
      onStart: (container) => health.start(container),
      onExit: (container) => {
        health.stop(container);
        execs.containerEnded(container);
      },
    },
    options,
  );
  const leftovers = new Leftovers({ containerd, images, registry }, options);
  const restorer = new Restorer({
    ...{ containerd, registry, volumes, wiring, io, execs, remover, leftovers, service: containers, log },
  });
  const reconciler = new ContainerReconciler({ containerd, registry, leftovers, service: containers, clock, log });
  return {
    containers,
    execs,
    volumes,
    files: new FilesService(
      { images, registry, announcer, committer: new Committer({ containerd, images, announcer, log }) },
      options,
    ),
    statistics: new StatisticsSampler({ containerd, registry, view: (container) => containers.view(container) }),
    imageUsers: (imageId) =>
      registry
        .all()
        .filter(({ record }) => record.imageId === imageId)
        .map(({ id, running, name }) => ({ id, running, name })),
    reconciler,
    followResolvConf: () => {
      for (const container of registry.all()) if (container.running) wiring.refreshResolvConf(container);
    },
    processOf: (ownerId) => registry.find(ownerId)?.record.state.pid || undefined,
    restore: (options = { networks: (alive) => sandboxes.restore(alive) }) => {
      oom.start();
      return restorer.restore(options);
    },
    sweep: () => restorer.sweep(),
    close: async () => {
      health.close();
      await oom.close();
      execs.close();
      await containers.close();
    },
  };
}
