import {
  type Clock,
  conflict,
  FairwayError,
  type Id,
  invalid,
  isKind,
  type Log,
  messageOf,
  Serial,
} from '../../base/index.ts';
import type { EndpointRequest } from '../../model/index.ts';
import type { Sandboxes } from '../../network/contract.ts';
import type {
  AttachOptions,
  ContainerFilter,
  Containers,
  ContainerView,
  LogLine,
  LogQuery,
  StreamSession,
  WaitCondition,
} from '../contract.ts';
import type { ContainerEngine, ContainerImages, ContainersOptions } from '../engine.ts';
import type { IoHub } from '../io/index.ts';
import type { LimitAbilities } from '../limits/index.ts';
import { filterContainers, viewOf } from '../query/index.ts';
import type { Container, ExitNotice, Registry } from '../records/index.ts';
import { topOf } from '../statistics/index.ts';
import { parseDetachKeys } from '../streams/index.ts';
import type { Wiring } from '../wiring/index.ts';
import type { Announcer } from './announce.ts';
import type { Creator } from './creator.ts';
import { assertRemovable, type Remover } from './remover.ts';
import { RestartManager, startsWithDaemon, wantsRestart } from './restarts.ts';
import type { Starter } from './starter.ts';
import type { StopOptions, Stopper } from './stopper.ts';
import type { Supervisor, SupervisorHooks } from './supervisor.ts';
import { type ResourceChange, updateContainer } from './update.ts';
import { waitFor } from './waits.ts';

export interface ServiceDeps {
  readonly containerd: ContainerEngine;
  readonly images: ContainerImages;
  readonly sandboxes: Sandboxes;
  readonly registry: Registry;
  readonly creator: Creator;
  readonly starter: Starter;
  readonly stopper: Stopper;
  readonly remover: Remover;
  readonly wiring: Wiring;
  readonly io: IoHub;
  readonly limits: () => LimitAbilities;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly log: Log;
  readonly supervise: (hooks: SupervisorHooks) => Supervisor;
  /** What starts and ends with a run: health checks, execs. */
  readonly onStart: (container: Container) => void;
  readonly onExit: (container: Container) => void;
}

const RESUME_AGAIN_MS = { first: 500, most: 30_000 } as const;

const CLOSE_MS = 5_000;

/** The life of containers: one thing at a time for each, Docker's rules and texts. */
export class ContainerService implements Containers {
  readonly #deps: ServiceDeps;
  readonly #options: ContainersOptions;
  readonly #serial = new Serial();
  readonly #supervisor: Supervisor;
  readonly #restarts: RestartManager;
  #closed = false;

  constructor(deps: ServiceDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#restarts = new RestartManager({ clock: deps.clock, start: (container) => this.#restartLater(container) });
    this.#supervisor = deps.supervise({
      willRestart: (container, exit) =>
        !this.#closed && wantsRestart(container, exit, container.record.state.restartCount),
      onExit: deps.onExit,
      afterExit: (container, _exit, restarts) => this.#afterExit(container, restarts),
    });
  }

  view(container: Container): ContainerView {
    return viewOf(container, this.#deps, this.#options);
  }

  async create(request: Parameters<Containers['create']>[0]): ReturnType<Containers['create']> {
    const { container, warnings } = await this.#deps.creator.create(request);
    return { id: container.id, warnings: [...warnings, ...warningsOf(container)] };
  }

  async list(filter: ContainerFilter): Promise<readonly ContainerView[]> {
    const views = this.#deps.registry.all().map((container) => this.view(container));
    const shown = await filterContainers(views, filter, {
      createdOf: (ref) => this.#deps.registry.get(ref).record.created,
      imageIdOf: async (ref) => (await this.#deps.images.get(ref)).id,
    });
    return filter.size ? Promise.all(shown.map((view) => this.#withSize(view))) : shown;
  }

  async inspect(ref: string, options: { readonly size?: boolean } = {}): Promise<ContainerView> {
    const view = this.view(this.#deps.registry.get(ref));
    return options.size ? this.#withSize(view) : view;
  }

  start(ref: string): Promise<void> {
    const container = this.#deps.registry.get(ref);
    return this.#serial.run(container.id, async () => {
      const { status } = container.record.state;
      if (status === 'paused') {
        throw conflict('container_paused', 'cannot start a paused container, try unpause instead');
      }
      if (status === 'removing' || status === 'dead') {
        throw conflict('container_removing', 'container is marked for removal and cannot be started');
      }
      if (container.running) throw notModified();
      this.#restarts.forget(container);
      container.changeState({ restartCount: 0 });
      try {
        await this.#run(container);
      } catch (error) {
        if (container.record.spec.autoRemove) await this.#deps.remover.remove(container, { volumes: true });
        throw error;
      }
    });
  }

  stop(ref: string, options: StopOptions = {}): Promise<void> {
    const container = this.#deps.registry.get(ref);
    return this.#serial.run(container.id, async () => {
      if (!container.running && container.record.state.status !== 'restarting') throw notModified();
      await this.#stop(container, options);
    });
  }

  restart(ref: string, options: StopOptions = {}): Promise<void> {
    const container = this.#deps.registry.get(ref);
    return this.#serial.run(container.id, async () => {
      const { autoRemove } = container.record.spec;
      if (container.running || container.record.state.status === 'restarting') {
        // `--rm` must not take it away in between.
        this.#keep.add(container.id);
        try {
          await this.#stop(container, options);
        } finally {
          this.#keep.delete(container.id);
        }
      }
      container.changeState({ restartCount: 0 });
      try {
        await this.#run(container);
      } catch (error) {
        if (autoRemove) await this.#deps.remover.remove(container, { volumes: true });
        throw error;
      }
      this.#deps.announcer.say(container, 'restart');
    });
  }

  async kill(ref: string, signal?: string): Promise<void> {
    const container = this.#deps.registry.get(ref);
    await this.#deps.stopper.kill(container, signal);
  }

  pause(ref: string): Promise<void> {
    const container = this.#deps.registry.get(ref);
    return this.#serial.run(container.id, () => this.#deps.stopper.pause(container));
  }

  unpause(ref: string): Promise<void> {
    const container = this.#deps.registry.get(ref);
    return this.#serial.run(container.id, () => this.#deps.stopper.unpause(container));
  }

  rename(ref: string, name: string): Promise<void> {
    const { registry, wiring, announcer } = this.#deps;
    const container = registry.get(ref);
    return this.#serial.run(container.id, async () => {
      if (name === '') throw invalid('empty_name', 'Neither old nor new names may be empty');
      const old = container.name;
      if (name.replace(/^\//, '') === old) {
        throw invalid('same_name', 'Renaming a container with the same name as its current name');
      }
      const taken = registry.reserve(container.id, name);
      container.change({ name: taken });
      try {
        await wiring.rename(container);
        await registry.save(container);
      } catch (error) {
        container.change({ name: old });
        registry.release(container.id, taken);
        throw error;
      }
      registry.release(container.id, old);
      announcer.say(container, 'rename', { oldName: `/${old}` });
    });
  }

  update(ref: string, change: ResourceChange): Promise<readonly string[]> {
    const container = this.#deps.registry.get(ref);
    return this.#serial.run(container.id, () => updateContainer(container, change, this.#deps));
  }

  async remove(ref: string, options: Parameters<Containers['remove']>[1] = {}): Promise<void> {
    const { registry, stopper, remover } = this.#deps;
    const container = registry.get(ref);
    if (container.record.state.status === 'removing') {
      throw conflict('removal_in_progress', `removal of container ${ref} is already in progress`);
    }
    await this.#serial.run(container.id, async () => {
      // Whoever came first has done it.
      if (registry.find(container.id) === undefined) return;
      this.#restarts.forget(container);
      if (container.record.state.status === 'restarting') container.changeState({ status: 'exited' });
      if (!options.force) assertRemovable(container);
      this.#keep.add(container.id);
      try {
        if (container.running) await stopper.kill(container, 'SIGKILL');
        if (container.running) {
          throw conflict(
            'kill_failed',
            `cannot remove container "/${container.name}": could not kill: its process does not end`,
          );
        }
        await container.settling;
        await remover.remove(container, { volumes: options.volumes === true || container.record.spec.autoRemove });
      } finally {
        this.#keep.delete(container.id);
      }
    });
  }

  async prune(keep: (view: ContainerView) => boolean): ReturnType<Containers['prune']> {
    const removed: Id[] = [];
    let space = 0;
    for (const container of this.#deps.registry.all()) {
      if (container.running || container.record.state.status === 'restarting' || keep(this.view(container))) continue;
      try {
        const size = await this.#deps.images.rootfsSize(container.id).catch(() => 0);
        await this.remove(container.id);
        removed.push(container.id);
        space += size;
      } catch (error) {
        this.#deps.log.warn({ container: container.id, reason: messageOf(error) }, 'a container was not pruned');
      }
    }
    this.#deps.announcer.pruned(space);
    return { removed, space };
  }

  async wait(ref: string, condition: WaitCondition, signal?: AbortSignal): ReturnType<Containers['wait']> {
    return { exit: waitFor(this.#deps.registry.get(ref), condition, signal) };
  }

  async resize(ref: string, size: { readonly width: number; readonly height: number }): Promise<void> {
    const container = this.#running(ref);
    await this.#deps.containerd.tasks.resizePty(container.id, size);
    this.#deps.announcer.say(container, 'resize', { width: String(size.width), height: String(size.height) });
  }

  async attach(ref: string, options: AttachOptions): Promise<StreamSession> {
    // Refused even where there is no terminal to detach from.
    if (options.detachKeys) parseDetachKeys(options.detachKeys);
    const container = this.#deps.registry.get(ref);
    if (container.record.state.status === 'paused') {
      throw conflict('container_paused', `container ${ref} is paused, unpause the container before attach`);
    }
    if (container.record.state.status === 'restarting') {
      throw conflict('container_restarting', `container ${ref} is restarting, wait until the container is running`);
    }
    const say = (action: string): void => this.#deps.announcer.say(container, action);
    const session = await this.#deps.io.attach(container, options, () => say('detach'));
    say('attach');
    return session;
  }

  async logs(ref: string, query: LogQuery, signal?: AbortSignal): Promise<AsyncIterable<LogLine>> {
    const container = this.#deps.registry.get(ref);
    if (!query.stdout && !query.stderr) {
      throw invalid('no_stream', 'Bad parameters: you must choose at least one stream');
    }
    return this.#deps.io.logs(container, query, signal);
  }

  async top(ref: string, psArgs?: string): ReturnType<Containers['top']> {
    const container = this.#running(ref);
    if (container.record.state.status === 'restarting') {
      throw conflict(
        'container_restarting',
        `Container ${container.id} is restarting, wait until the container is running`,
      );
    }
    const pids = await this.#deps.containerd.tasks.pids(container.id);
    const answer = topOf(
      pids.map(({ pid }) => pid),
      psArgs,
    );
    this.#deps.announcer.say(container, 'top');
    return answer;
  }

  connect(ref: string, network: string, request: EndpointRequest): Promise<void> {
    return this.#rewire(ref, (container) => this.#deps.wiring.connect(container, network, request));
  }

  disconnect(ref: string, network: string, options: { readonly force: boolean }): Promise<void> {
    return this.#rewire(ref, (container) => this.#deps.wiring.disconnect(container, network, options));
  }

  /** Starts what its policy wants to run; called once after the daemon has restored everything. */
  resumePolicies(): void {
    for (const container of this.#deps.registry.all()) this.#resume(container, RESUME_AGAIN_MS.first);
  }

  /** What it needs of others (the store of a cluster) may come later than we: then it is tried again, less and less often. */
  #resume(container: Container, againMs: number): void {
    if (this.#closed || container.running || !startsWithDaemon(container)) return;
    if (!this.#deps.registry.all().includes(container)) return;
    this.#serial
      .run(container.id, async () => {
        if (!container.running) await this.#run(container);
      })
      .catch((error: unknown) => {
        this.#deps.log.warn({ container: container.id, reason: messageOf(error) }, 'a container did not come back');
        if (!isKind(error, 'unavailable') || this.#closed) return;
        this.#deps.clock.after(againMs, () => this.#resume(container, Math.min(againMs * 2, RESUME_AGAIN_MS.most)));
      });
  }

  /** A container that an earlier daemon started and that still runs. */
  adopt(container: Container): void {
    this.#supervisor.watch(container);
    this.#deps.onStart(container);
  }

  /** One that ended while no daemon was there. */
  async settle(container: Container, exit: { readonly exitCode: number; readonly exitedAt: bigint }): Promise<void> {
    container.settling = this.#supervisor.settle(container, exit);
    await container.settling;
  }

  /** Ends our part; containers go on running. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#restarts.close();
    this.#supervisor.close();
    // What is being cleaned up is brought to its end; nobody waits long for a stop that was asked for.
    const settled = Promise.allSettled(this.#deps.registry.all().map(({ settling }) => settling));
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#deps.clock.after(CLOSE_MS, resolve);
    });
    await Promise.race([Promise.all([settled, this.#serial.idle()]), late]);
    cancel();
    await this.#deps.io.release();
  }

  /** Containers whose exit is not the end of their use, whatever `--rm` says. */
  readonly #keep = new Set<string>();

  async #run(container: Container): Promise<void> {
    await container.settling;
    await this.#deps.starter.start(container);
    this.#supervisor.watch(container);
    this.#deps.announcer.say(container, 'start');
    this.#deps.onStart(container);
  }

  async #stop(container: Container, options: StopOptions): Promise<void> {
    const { registry, stopper, announcer } = this.#deps;
    container.stopping = true;
    container.change({ stoppedByUser: true });
    if (this.#restarts.cancel(container) || !container.running) {
      container.changeState({ status: 'exited' });
      await registry.save(container);
    } else {
      await registry.save(container);
      await stopper.stop(container, options);
    }
    announcer.say(container, 'stop');
  }

  #afterExit(container: Container, restarts: boolean): void {
    if (restarts) {
      const { startedAt, finishedAt } = container.record.state;
      this.#restarts.schedule(container, Date.parse(finishedAt) - Date.parse(startedAt));
      return;
    }
    if (!container.record.spec.autoRemove || this.#keep.has(container.id) || this.#closed) return;
    this.remove(container.id, { force: true, volumes: true }).catch((error: unknown) => {
      this.#deps.log.warn({ container: container.id, reason: messageOf(error) }, 'a container was not removed');
    });
  }

  #restartLater(container: Container): void {
    this.#serial
      .run(container.id, async () => {
        if (container.record.state.status !== 'restarting' || this.#closed) return;
        container.changeState({ restartCount: container.record.state.restartCount + 1 });
        await this.#run(container);
      })
      .catch((error: unknown) => {
        this.#deps.log.warn({ container: container.id, reason: messageOf(error) }, 'a container did not restart');
        const exit: ExitNotice = { exitCode: container.record.state.exitCode };
        if (this.#closed || !wantsRestart(container, exit, container.record.state.restartCount)) return;
        container.changeState({ status: 'restarting' });
        this.#restarts.schedule(container, 0);
      });
  }

  #rewire(ref: string, work: (container: Container) => Promise<void>): Promise<void> {
    const container = this.#deps.registry.get(ref);
    return this.#serial.run(container.id, async () => {
      if (container.record.state.status === 'removing' || container.record.state.status === 'dead') {
        throw conflict(
          'container_removing',
          `container ${container.id} is marked for removal and cannot be connected or disconnected to the network`,
        );
      }
      await work(container);
      await this.#deps.registry.save(container);
    });
  }

  #running(ref: string): Container {
    const container = this.#deps.registry.get(ref);
    if (!container.running) {
      throw conflict('container_not_running', `container ${container.id} is not running`);
    }
    return container;
  }

  async #withSize(view: ContainerView): Promise<ContainerView> {
    const writable = await this.#deps.images.rootfsSize(view.id).catch(() => 0);
    return { ...view, size: { writable, rootfs: writable + (await this.#imageSize(view.imageId)) } };
  }

  async #imageSize(imageId: string): Promise<number> {
    try {
      return (await this.#deps.images.inspect(imageId)).size;
    } catch {
      return 0;
    }
  }
}

function notModified(): FairwayError {
  return new FairwayError('', { code: 'not_modified', kind: 'notModified' });
}

function warningsOf(container: Container): string[] {
  const { mode, ports, publishAll } = container.record.spec.network;
  const warnings: string[] = [];
  if (mode === 'host' && (ports.length > 0 || publishAll)) {
    warnings.push('Published ports are discarded when using host network mode');
  }
  return warnings;
}
