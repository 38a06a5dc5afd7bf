import { PassThrough } from 'node:stream';
import { conflict, FairwayError, type Id, notFound } from '../../base/index.ts';
import type {
  AttachOptions,
  ContainerFilter,
  Containers,
  ContainerView,
  ExecOptions,
  Execs,
  ExecView,
  LogLine,
  StreamSession,
  WaitCondition,
} from '../../containers/contract.ts';
import type { EndpointRequest, EngineEvent, EventSink } from '../../model/index.ts';
import type { FakeNetworks } from './networks.ts';
import { fakeEndpoint, fakeView } from './views.ts';

/** What a running fake does with its streams. */
export interface FakeProcess {
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
  detached: boolean;
}

function newProcess(): FakeProcess {
  return { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), detached: false };
}

function sessionOf(process: FakeProcess, options: { tty: boolean; stdin: boolean }): StreamSession {
  return {
    tty: options.tty,
    ...(options.stdin ? { stdin: process.stdin } : {}),
    stdout: process.stdout,
    ...(options.tty ? {} : { stderr: process.stderr }),
    detach: () => {
      process.detached = true;
      process.stdout.destroy();
      process.stderr.destroy();
    },
  };
}

/** Containers in memory. A test drives what they print and when they end. */
export class FakeContainers implements Containers {
  readonly views = new Map<Id, ContainerView>();
  readonly processes = new Map<string, FakeProcess>();
  readonly logLines: LogLine[] = [];
  /** Every abort that reached a wait or a follow. */
  readonly aborted: string[] = [];
  readonly #networks: FakeNetworks;
  readonly #events: EventSink;
  readonly #execs = new Map<string, ExecView>();
  readonly #exits = new Map<Id, ((exitCode: number) => void)[]>();
  readonly #follow: (() => void)[] = [];

  constructor(networks: FakeNetworks, events: EventSink) {
    this.#networks = networks;
    this.#events = events;
  }

  async create(request: Parameters<Containers['create']>[0]) {
    const { spec } = request;
    if (spec.image.startsWith('missing')) throw notFound('no_image', `No such image: ${spec.image}:latest`);
    const name = request.name ?? `fake_${this.views.size}`;
    const taken = [...this.views.values()].find((view) => view.name === name);
    if (taken) {
      throw conflict(
        'name_taken',
        `Conflict. The container name "/${name}" is already in use by container "${taken.id}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    const networks = request.networks.map((one) => ({ ...one, networkId: this.#networks.find(one.name).id }));
    const view = fakeView(name, spec, networks);
    this.views.set(view.id, view);
    this.#emit('create', view);
    return { id: view.id, warnings: [] };
  }

  async list({ all }: ContainerFilter) {
    return [...this.views.values()].filter((view) => all || view.state.status === 'running');
  }

  async inspect(ref: string) {
    return this.#get(ref);
  }

  async start(ref: string) {
    const view = this.#get(ref);
    if (view.state.status === 'running') throw new FairwayError('', { code: 'running', kind: 'notModified' });
    const endpoints = view.networks.map(({ name, request }) => {
      const network = this.#networks.find(name);
      return fakeEndpoint(network, view.name, [view.name, ...(request.aliases ?? []), view.id.slice(0, 12)]);
    });
    for (const endpoint of endpoints) this.#networks.endpoints.push(endpoint);
    this.#change(view, {
      endpoints,
      state: { ...view.state, status: 'running', pid: 4242, startedAt: new Date().toISOString() },
    });
    this.processOf(view.id);
    this.#emit('start', view);
  }

  /** The streams of a container or an exec. */
  processOf(id: string): FakeProcess {
    const process = this.processes.get(id) ?? newProcess();
    this.processes.set(id, process);
    return process;
  }

  /** Ends a container's process. */
  exit(ref: string, exitCode: number) {
    const view = this.#get(ref);
    const process = this.processOf(view.id);
    process.stdout.end();
    process.stderr.end();
    const state = { ...view.state, status: 'exited' as const, pid: 0, exitCode, finishedAt: new Date().toISOString() };
    this.#change(view, { state, endpoints: [] });
    for (const end of this.#exits.get(view.id) ?? []) end(exitCode);
    this.#emit('die', view);
    if (view.spec.autoRemove) this.views.delete(view.id);
  }

  endExec(id: string, exitCode: number) {
    const process = this.processOf(id);
    process.stdout.end();
    process.stderr.end();
    this.#execs.set(id, { ...this.inspectExec(id), running: false, exitCode });
  }

  async stop(ref: string) {
    if (this.#get(ref).state.status !== 'running') throw new FairwayError('', { code: 'stopped', kind: 'notModified' });
    this.exit(ref, 137);
  }

  async restart() {}
  async kill(ref: string) {
    this.exit(ref, 137);
  }
  async pause() {}
  async unpause() {}
  async rename(ref: string, name: string) {
    this.#change(this.#get(ref), { name });
  }
  async update() {
    return [];
  }

  async remove(ref: string, options: { readonly force?: boolean } = {}) {
    const view = this.#get(ref);
    if (view.state.status === 'running') {
      if (!options.force) {
        throw conflict(
          'running',
          `cannot remove container "/${view.name}": container is running: stop the container before removing or force remove`,
        );
      }
      this.exit(ref, 137);
    }
    this.views.delete(view.id);
    this.#emit('destroy', view);
  }

  async prune(keep: (view: ContainerView) => boolean) {
    const removed = [...this.views.values()].filter((view) => view.state.status !== 'running' && !keep(view));
    for (const { id } of removed) this.views.delete(id);
    return { removed: removed.map(({ id }) => id), space: 0 };
  }

  async wait(ref: string, condition: WaitCondition, signal?: AbortSignal) {
    const view = this.#get(ref);
    if (condition === 'not-running' && view.state.status === 'exited') {
      return { exit: Promise.resolve({ exitCode: view.state.exitCode }) };
    }
    const exit = new Promise<{ exitCode: number }>((resolve, reject) => {
      const list = this.#exits.get(view.id) ?? [];
      list.push((exitCode) => resolve({ exitCode }));
      this.#exits.set(view.id, list);
      signal?.addEventListener('abort', () => {
        this.aborted.push(`wait ${view.name}`);
        reject(new Error('aborted'));
      });
    });
    return { exit };
  }

  async resize() {}

  async attach(ref: string, options: AttachOptions) {
    const view = this.#get(ref);
    return sessionOf(this.processOf(view.id), { tty: view.spec.process.tty, stdin: options.stdin });
  }

  async logs(ref: string, query: { readonly follow: boolean }, signal?: AbortSignal) {
    const { name } = this.#get(ref);
    const { logLines, aborted } = this;
    const follow = this.#follow;
    async function* lines(): AsyncGenerator<LogLine> {
      yield* logLines;
      while (query.follow && !signal?.aborted) {
        await new Promise<void>((resolve) => {
          follow.push(resolve);
          signal?.addEventListener('abort', () => resolve());
        });
      }
      if (signal?.aborted) aborted.push(`logs ${name}`);
    }
    return lines();
  }

  async top() {
    return { titles: ['PID', 'CMD'], processes: [['1', 'sh']] };
  }

  async connect(ref: string, network: string, request: EndpointRequest) {
    const view = this.#get(ref);
    const { id } = this.#networks.find(network);
    this.#change(view, { networks: [...view.networks, { name: network, networkId: id, request }] });
  }

  async disconnect(ref: string, network: string) {
    const view = this.#get(ref);
    this.#change(view, { networks: view.networks.filter(({ name }) => name !== network) });
  }

  /** {@link Execs}; the two contracts share method names, so the engine hands out {@link execs}. */
  readonly execs: Execs = {
    create: async (ref, options) => this.#createExec(ref, options),
    start: async (id, { detach }) => {
      const exec = this.inspectExec(id);
      this.#execs.set(id, { ...exec, running: true });
      const { tty, attachStdin } = exec.options;
      return detach ? undefined : sessionOf(this.processOf(id), { tty, stdin: attachStdin });
    },
    inspect: (id) => this.inspectExec(id),
    resize: async () => {},
  };

  inspectExec(id: string): ExecView {
    const exec = this.#execs.get(id);
    if (!exec) throw notFound('no_exec', `No such exec instance: ${id}`);
    return exec;
  }

  #createExec(ref: string, options: ExecOptions): string {
    const view = this.#get(ref);
    if (view.state.status !== 'running') throw conflict('not_running', `container ${view.id} is not running`);
    const id = `e${this.#execs.size}`.padEnd(64, '0');
    this.#execs.set(id, { id, containerId: view.id, options, running: false, pid: 0 });
    return id;
  }

  #get(ref: string): ContainerView {
    const name = ref.replace(/^\//, '');
    const view = [...this.views.values()].find(
      (one) => one.id === name || one.name === name || one.id.startsWith(name),
    );
    if (!view) throw notFound('no_container', `No such container: ${ref}`);
    return view;
  }

  #change(view: ContainerView, changes: Partial<ContainerView>): void {
    this.views.set(view.id, { ...this.#get(view.id), ...changes });
  }

  #emit(action: EngineEvent['action'], view: ContainerView): void {
    this.#events.publish({
      type: 'container',
      action,
      id: view.id,
      attributes: { image: view.spec.image, name: view.name },
    });
  }
}
