import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { type Clock, type Id, notFound } from '../../base/index.ts';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from '../../model/index.ts';
import type { Networks, Sandboxes } from '../../network/contract.ts';
import { ContainerdError, type Exit, type TaskProcess } from '../containerd/index.ts';
import type { ContainerEngine, ContainerImages } from '../engine.ts';
import type { Image } from '../images/index.ts';

/** Time that stands still until it is moved. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  #nanos = 0n;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  nowNanos(): bigint {
    this.#nanos += 1n;
    return BigInt(this.#now) * 1_000_000n + this.#nanos;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Milliseconds until the next callback; undefined when nobody waits. */
  get next(): number | undefined {
    const times = [...this.#timers].map(({ at }) => at - this.#now);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
      this.#timers.delete(timer);
      timer.callback();
    }
  }
}

/** Makes the call of that name fail the next time. */
export class Faults {
  readonly #armed = new Map<string, Error>();
  readonly calls: string[] = [];

  arm(name: string, error: Error = new Error(`${name} fails`)): void {
    this.#armed.set(name, error);
  }

  check(name: string): void {
    this.calls.push(name);
    const error = this.#armed.get(name);
    this.#armed.delete(name);
    if (error) throw error;
  }
}

function missing(what: string): ContainerdError {
  return new ContainerdError(`cannot ${what}: not found`, 'not found', 5, undefined);
}

class FakeTask {
  readonly exit: Promise<Exit>;
  status: TaskProcess['status'] = 'created';
  ended: Exit | undefined;
  readonly outputs: { readonly name: 'stdout' | 'stderr'; readonly fd: number }[] = [];
  end: (exitCode: number) => void = () => {};

  constructor(paths: { readonly stdout?: string; readonly stderr?: string }) {
    for (const name of ['stdout', 'stderr'] as const) {
      const path = paths[name];
      if (path) this.outputs.push({ name, fd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) });
    }
    this.exit = new Promise((resolve) => {
      this.end = (exitCode) => {
        if (this.ended) return;
        this.ended = { exitCode, exitedAt: 1_700_000_001_000_000_000n };
        this.status = 'stopped';
        for (const { fd } of this.outputs) closeSync(fd);
        resolve(this.ended);
      };
    });
  }
}

/** containerd with processes that do what the test says: they write and end when told, and die of SIGKILL. */
export class FakeEngine {
  readonly faults: Faults;
  readonly records = new Map<string, unknown>();
  readonly tasks = new Map<string, FakeTask>();
  /** Signals that end a process at once. */
  readonly deadly = new Set([9, 15]);
  readonly engine: ContainerEngine;

  constructor(faults: Faults) {
    this.faults = faults;
    this.engine = this.#build();
  }

  write(id: string, name: 'stdout' | 'stderr', text: string): void {
    const output = this.#task(id).outputs.find((one) => one.name === name);
    if (output) writeSync(output.fd, text);
  }

  exit(id: string, exitCode: number): void {
    this.#task(id).end(exitCode);
  }

  #task(id: string): FakeTask {
    const task = this.tasks.get(id);
    if (!task) throw missing(`find task "${id}"`);
    return task;
  }

  #build(): ContainerEngine {
    const { faults, records, tasks } = this;
    const processOf = (id: string, task: FakeTask): TaskProcess => ({
      containerId: id,
      execId: null,
      pid: 4242,
      status: task.status,
      stdin: '',
      stdout: '',
      stderr: '',
      terminal: false,
      exitCode: task.ended?.exitCode ?? 0,
      exitedAt: task.ended?.exitedAt ?? 0n,
    });
    const unused = (): never => {
      throw new Error('not in this test');
    };
    return {
      containers: {
        create: async (container) => {
          faults.check('containers.create');
          records.set(container.id, container.spec);
          return container as never;
        },
        update: async (id, change) => {
          faults.check('containers.update');
          if (!records.has(id)) throw missing('update');
          if (change.spec) records.set(id, change.spec);
        },
        delete: async (id) => {
          if (!records.delete(id)) throw missing('delete');
        },
        list: async () => [],
      },
      tasks: {
        create: async (id, options = {}) => {
          faults.check('tasks.create');
          tasks.set(id, new FakeTask(options));
          return 4242;
        },
        start: async (id) => {
          faults.check('tasks.start');
          this.#task(id).status = 'running';
          return 4242;
        },
        kill: async (id, signal) => {
          const task = this.#task(id);
          if (this.deadly.has(signal)) task.end(128 + signal);
        },
        wait: (id, options) =>
          new Promise((resolve, reject) => {
            const task = tasks.get(id);
            if (!task) {
              reject(missing('wait'));
              return;
            }
            options?.signal?.addEventListener('abort', () => reject(options.signal?.reason));
            task.exit.then(resolve, reject);
          }),
        delete: async (id) => {
          const task = this.#task(id);
          if (!task.ended) throw new Error('still running');
          tasks.delete(id);
          return task.ended;
        },
        get: async (id) => processOf(id, this.#task(id)),
        list: async () => [...tasks].map(([id, task]) => processOf(id, task)),
        pause: async (id) => {
          this.#task(id).status = 'paused';
        },
        resume: async (id) => {
          this.#task(id).status = 'running';
        },
        closeStdin: async () => {},
        resizePty: async () => {},
        update: async () => {},
        metrics: async () => null,
        pids: async () => [],
        exec: unused,
        deleteProcess: unused,
      },
      events: {
        async *subscribe(options = {}) {
          await new Promise<void>((resolve) => {
            if (options.signal?.aborted) resolve();
            options.signal?.addEventListener('abort', () => resolve());
          });
        },
      },
      snapshots: { snapshotter: 'fake', stat: unused, view: unused, remove: unused, mounts: unused },
      diff: { diff: unused },
      leases: { create: unused, delete: unused },
    };
  }
}

/** One image, `busybox`, whose tree is an empty folder. */
export class FakeImages {
  readonly rootfs = new Set<string>();
  readonly images: ContainerImages;

  constructor(faults: Faults, folder: string, config: Image['config'] = { Cmd: ['sh'] }) {
    const image = { id: `sha256:${'1'.repeat(64)}`, config } as Image;
    const get = async (ref: string): Promise<Image> => {
      faults.check('images.get');
      if (ref !== 'busybox' && ref !== image.id) throw notFound('no_such_image', `No such image: ${ref}:latest`);
      return image;
    };
    const mounts = [{ type: 'bind', source: folder, options: ['rbind'] }];
    this.images = {
      get,
      inspect: async (ref) => ({ image: await get(ref), size: 0 }),
      commit: async () => image.id,
      prepareRootfs: async (key) => {
        faults.check('images.prepareRootfs');
        this.rootfs.add(key);
        return mounts;
      },
      removeRootfs: async (key) => {
        this.rootfs.delete(key);
      },
      mountsOf: async () => mounts,
      rootfsSize: async () => 0,
    };
  }
}

/** The network `bridge` and sandboxes that are only records. */
export class FakeNetwork {
  readonly open = new Map<Id, SandboxRecord>();
  readonly endpoints = new Map<Id, EndpointRecord[]>();
  readonly reserved = new Map<Id, readonly { readonly networkId: Id; readonly ip: string }[]>();
  readonly networks: Networks;
  readonly sandboxes: Sandboxes;

  constructor(faults: Faults) {
    const bridge = { id: 'b'.repeat(64), name: 'bridge', driver: 'bridge', pools: [] } as unknown as NetworkRecord;
    const other = { id: 'c'.repeat(64), name: 'other', driver: 'bridge', pools: [] } as unknown as NetworkRecord;
    const find = (ref: string): NetworkRecord => {
      const found = [bridge, other].find(({ id, name }) => id === ref || name === ref);
      if (!found) throw notFound('network_not_found', `network ${ref} not found`);
      return found;
    };
    this.networks = { find, list: () => [bridge, other], endpointsOf: () => [] } as unknown as Networks;
    this.sandboxes = this.#sandboxes(faults, find);
  }

  #sandboxes(faults: Faults, find: (ref: string) => NetworkRecord): Sandboxes {
    return {
      open: async ({ id, ownerId, host, dns }) => {
        faults.check('sandboxes.open');
        const ports = { requested: [], exposed: [], published: [] };
        const record: SandboxRecord = { id, ownerId, host, dns, path: `/run/netns/${id.slice(0, 12)}`, ports };
        this.open.set(id, record);
        return record;
      },
      attach: async ({ sandboxId, network, name, dnsNames, request }) => {
        faults.check('sandboxes.attach');
        const endpoint = {
          id: 'e'.repeat(64),
          networkId: find(network).id,
          sandboxId,
          name,
          dnsNames,
          request,
          ipv4: { ip: '172.17.0.2', prefix: 16 },
          driverState: {},
        } as unknown as EndpointRecord;
        this.endpoints.set(sandboxId, [...(this.endpoints.get(sandboxId) ?? []), endpoint]);
        return endpoint;
      },
      detach: async (sandboxId, networkId) => {
        const kept = (this.endpoints.get(sandboxId) ?? []).filter((one) => one.networkId !== networkId);
        this.endpoints.set(sandboxId, kept);
      },
      close: async (id) => {
        this.open.delete(id);
        this.endpoints.delete(id);
      },
      get: (id) => this.open.get(id),
      endpoints: (id) => this.endpoints.get(id) ?? [],
      setLinks: async () => {},
      rename: async () => {},
      reserve: (owner, addresses) => {
        this.reserved.set(owner, addresses);
      },
      unreserve: (owner) => {
        this.reserved.delete(owner);
      },
      restore: async (alive) => {
        for (const [id, record] of this.open) if (!alive(record)) this.open.delete(id);
      },
      resolvConf: () => ({ text: 'nameserver 127.0.0.11\n', embedded: true }),
    };
  }
}
