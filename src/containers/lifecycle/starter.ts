import { setImmediate } from 'node:timers/promises';
import {
  type Clock,
  conflict,
  FairwayError,
  internal,
  isKind,
  type Log,
  messageOf,
  rfc3339Nano,
  runAll,
} from '../../base/index.ts';
import { ContainerdError, type Mount } from '../containerd/index.ts';
import type { ContainerEngine, ContainerImages, ContainersOptions } from '../engine.ts';
import type { IoHub } from '../io/index.ts';
import { removeControlGroups } from '../limits/index.ts';
import type { Container, Registry } from '../records/index.ts';
import { buildSpec, type HostFacts, initProgram } from '../spec/index.ts';
import type { Mounter, SharedMemory } from '../volumes/index.ts';
import type { OpenedNetwork, Wiring } from '../wiring/index.ts';
import { mustRemember } from './restarts.ts';
import { SIGKILL } from './signals.ts';

export interface StarterDeps {
  readonly containerd: ContainerEngine;
  readonly images: ContainerImages;
  readonly registry: Registry;
  readonly mounter: Mounter;
  readonly sharedMemory: SharedMemory;
  readonly wiring: Wiring;
  readonly io: IoHub;
  readonly facts: () => HostFacts;
  readonly clock: Clock;
  readonly log: Log;
}

/** Exit codes of the shell convention, for a process that could not be run. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const NOT_STARTED = 128;
const TURNS_OF_A_REQUEST = 3;

/**
 * Runs a container's process. The network is wired while runc makes the process, which waits; a failure undoes all in
 * the reverse order.
 */
export class Starter {
  readonly #deps: StarterDeps;
  readonly #options: ContainersOptions;

  constructor(deps: StarterDeps, options: ContainersOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Resolves when the process runs; its record says so and is stored. */
  async start(container: Container): Promise<void> {
    const { wiring, io, mounter, registry, clock, log } = this.#deps;
    const undo: (() => unknown)[] = [];
    try {
      undo.unshift(() => wiring.close(container));
      const opened = await wiring.open(container);
      undo.unshift(() => mounter.deactivate(container.record, (name) => this.#inUse(container, name)));
      await mounter.activate(container.record);
      await this.#together(container, opened, undo);
      // Before it runs: clients ask for its output since then.
      const startedAt = rfc3339Nano(clock.nowNanos());
      const pid = await this.#deps.containerd.tasks.start(container.id);
      container.stopping = false;
      container.change({ stoppedByUser: false });
      container.changeState({
        status: 'running',
        pid,
        exitCode: 0,
        error: '',
        oomKilled: false,
        startedAt,
      });
      await registry.save(container, { thisBoot: !mustRemember(container) });
    } catch (error) {
      const failure = startFailure(error);
      await runAll(undo, `cannot undo the start of container "${container.name}"`).catch((reason: unknown) => {
        log.warn({ container: container.id, reason: messageOf(reason) }, 'a failed start left something behind');
      });
      await io.close(container).catch((reason: unknown) => {
        log.warn({ container: container.id, reason: messageOf(reason) }, 'output of a failed start is lost');
      });
      container.changeState({
        status: restingStatus(container),
        pid: 0,
        exitCode: failure.exitCode,
        error: failure.error.message,
      });
      await registry.save(container).catch((reason: unknown) => {
        log.error({ container: container.id, reason: messageOf(reason) }, 'a failed start cannot be stored');
      });
      throw failure.error;
    }
  }

  /**
   * Process and network at the same time; both have ended, one way or the other, when this does. The network is for the most part
   * work of our own thread, so it begins when containerd has been asked for the process, which takes it far longer.
   */
  async #together(container: Container, opened: OpenedNetwork, undo: (() => unknown)[]): Promise<void> {
    const asked = Promise.withResolvers<void>();
    const task = this.#makeTask(container, opened, asked.resolve).then(() => {
      undo.unshift(() => this.#dropTask(container));
    });
    task.catch(asked.reject);
    const wired = asked.promise.then(() => this.#deps.wiring.attachAll(container));
    const results = await Promise.allSettled([wired, task]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    this.#deps.io.begin(container);
  }

  /** Calls `asked` when the request is on its way. */
  async #makeTask(container: Container, opened: OpenedNetwork, asked: () => void): Promise<void> {
    const { containerd, images, io } = this.#deps;
    const rootfs = container.rootfs ?? (await images.mountsOf(container.id));
    container.rootfs = rootfs;
    await this.#putSpec(container, this.#specOf(container, opened, rootfs));
    const streams = io.open(container);
    container.mayHaveTask = true;
    try {
      const created = containerd.tasks.create(container.id, { ...streams, rootfs });
      void sent().then(asked);
      await created;
    } catch (error) {
      // A shim can be left of it, and of a runc that was killed its control groups; whatever is there goes.
      await this.#dropTask(container).catch(() => {});
      await removeControlGroups(this.#groupOf(container)).catch((reason: unknown) => {
        this.#deps.log.warn({ container: container.id, reason: messageOf(reason) }, 'a control group is left');
      });
      throw error;
    }
  }

  #specOf(container: Container, opened: OpenedNetwork, rootfs: readonly Mount[]): object {
    const { record } = container;
    return buildSpec({
      record,
      rootfs,
      netns: opened.netns,
      files: [
        { source: opened.paths.resolvConf, destination: '/etc/resolv.conf' },
        { source: opened.paths.hostname, destination: '/etc/hostname' },
        { source: opened.paths.hosts, destination: '/etc/hosts' },
      ],
      join: this.#namespaces(container),
      ...this.#sharedMemoryOf(container),
      ...(this.#wantsInit(record) && { initProgram: initProgram(this.#options.initPath) }),
      extraEnv: this.#deps.wiring.linkEnvironment(container),
      defaultUlimits: this.#options.defaultUlimits ?? [],
      mounts: this.#deps.mounter.sourcesOf(record),
      cgroupsPath: this.#groupOf(container),
      facts: this.#deps.facts(),
    });
  }

  #groupOf({ id, record }: Container): string {
    const parent = record.spec.resources.cgroupParent || this.#options.cgroupParent || '/docker';
    return `${parent.startsWith('/') ? '' : '/'}${parent}/${id}`;
  }

  #wantsInit({ spec }: Container['record']): boolean {
    // With the processes of another container or of the host there is an init already.
    return (spec.process.init ?? this.#options.init ?? false) && spec.security.pidMode === '';
  }

  #sharedMemoryOf({ id, record }: Container): { readonly sharedMemory?: string } {
    const { ipcMode } = record.spec.security;
    if (ipcMode === 'shareable') return { sharedMemory: this.#deps.sharedMemory.pathOf(id) };
    if (!ipcMode.startsWith('container:')) return {};
    const owner = this.#deps.registry.get(ipcMode.slice('container:'.length));
    if (owner.record.spec.security.ipcMode !== 'shareable') {
      throw conflict(
        'ipc_not_shareable',
        `cannot join IPC of container ${owner.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
      );
    }
    return { sharedMemory: this.#deps.sharedMemory.pathOf(owner.id) };
  }

  #namespaces(container: Container): { pid?: number; ipc?: number } {
    const { pidMode, ipcMode } = container.record.spec.security;
    const pidOf = (mode: string, what: string): number | undefined => {
      if (!mode.startsWith('container:')) return undefined;
      const owner = this.#deps.registry.get(mode.slice('container:'.length));
      if (!owner.running) {
        throw conflict(
          'namespace_owner_not_running',
          `cannot join ${what} namespace of a non running container: container ${owner.id} is ${owner.record.state.status}`,
        );
      }
      return owner.record.state.pid;
    };
    const pid = pidOf(pidMode, 'PID');
    const ipc = pidOf(ipcMode, 'IPC');
    return { ...(pid !== undefined && { pid }), ...(ipc !== undefined && { ipc }) };
  }

  /** containerd's record is changed where there is one and made where there is none. */
  async #putSpec(container: Container, spec: object): Promise<void> {
    const { containers, snapshots } = this.#deps.containerd;
    if (container.known) {
      try {
        await containers.update(container.id, { spec });
        return;
      } catch (error) {
        if (!isKind(error, 'notFound')) throw error;
      }
    }
    const { program, root } = this.#options.runtime ?? {};
    try {
      await containers.create({
        id: container.id,
        spec,
        image: container.record.spec.image,
        labels: { 'fairway.name': container.name },
        snapshotter: snapshots.snapshotter,
        snapshotKey: container.id,
        runtime: { options: { ...(program && { binaryName: program }), ...(root && { root }) } },
      });
    } catch (error) {
      if (!isKind(error, 'conflict')) throw error;
      await containers.update(container.id, { spec });
    }
    container.known = true;
  }

  async #dropTask(container: Container): Promise<void> {
    const { tasks } = this.#deps.containerd;
    try {
      const killed = await tasks.kill(container.id, SIGKILL, { all: true }).then(
        () => true,
        (error: unknown) => /already finished|not running/.test(messageOf(error)),
      );
      // What could not be killed is not waited for: it may never end.
      if (killed) await tasks.wait(container.id).catch(() => {});
      await tasks.delete(container.id);
    } catch (error) {
      if (!isKind(error, 'notFound')) throw error;
    }
  }

  #inUse(container: Container, volume: string): boolean {
    return this.#deps.registry
      .all()
      .some((other) => other !== container && other.running && other.record.mounts.some(({ name }) => name === volume));
  }
}

/** What was asked of a client of gRPC is written when the event loop has come round, and HTTP/2 takes another turn. */
async function sent(): Promise<void> {
  for (let turn = 0; turn < TURNS_OF_A_REQUEST; turn += 1) await setImmediate();
}

function restingStatus(container: Container): 'created' | 'exited' {
  return container.record.state.startedAt.startsWith('0001') ? 'created' : 'exited';
}

/** Docker's text, kind and exit code for what containerd and runc say. */
export function startFailure(error: unknown): { readonly error: FairwayError; readonly exitCode: number } {
  if (!(error instanceof ContainerdError)) {
    const known = error instanceof FairwayError ? error : internal('start_failed', messageOf(error), error);
    return { error: known, exitCode: NOT_STARTED };
  }
  const text = `failed to create task for container: ${error.details}`;
  const { details } = error;
  if (
    /executable file not found|no such file or directory|system cannot find the file specified/.test(details) &&
    /exec|stat/.test(details)
  ) {
    return { error: failureOf('command_not_found', text, 'invalid', error), exitCode: NOT_FOUND };
  }
  if (/permission denied|not a directory|is a directory/.test(details)) {
    return { error: failureOf('command_not_executable', text, 'invalid', error), exitCode: NOT_EXECUTABLE };
  }
  return {
    error: failureOf('start_failed', text, error.kind === 'unavailable' ? 'unavailable' : 'internal', error),
    exitCode: NOT_STARTED,
  };
}

function failureOf(code: string, text: string, kind: FairwayError['kind'], cause: unknown): FairwayError {
  return new FairwayError(text, { code, kind, cause });
}
