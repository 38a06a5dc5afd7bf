import {
  type CallOptions,
  type Channel,
  jsonAny,
  nanosOf,
  TYPE_URL,
  type WireAny,
  type WireTimestamp,
} from '../wire/index.ts';
import { decodeMetrics, type TaskMetrics } from './metrics.ts';
import type { Mount } from './mounts.ts';
import { encodeRuncOptions, type RuncOptions } from './runc-options.ts';

export type TaskStatus = 'unknown' | 'created' | 'running' | 'stopped' | 'paused' | 'pausing';

/** Where a process's streams go: paths of FIFOs, `file:///…` or `binary:///…`; empty for /dev/null. */
export interface TaskIo {
  readonly stdin?: string;
  readonly stdout?: string;
  /** Must be empty with a terminal, which has one stream only. */
  readonly stderr?: string;
  readonly terminal?: boolean;
}

export interface TaskProcess {
  readonly containerId: string;
  readonly execId: string | null;
  readonly pid: number;
  readonly status: TaskStatus;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
  readonly exitCode: number;
  /** Nanoseconds since the epoch; 0n while it has not ended. */
  readonly exitedAt: bigint;
}

export interface Exit {
  readonly exitCode: number;
  readonly exitedAt: bigint;
}

interface WireProcess {
  readonly containerId: string;
  readonly id: string;
  readonly pid: number;
  readonly status: string;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
  readonly exitStatus: number;
  readonly exitedAt: WireTimestamp | null;
}

interface WireExit {
  readonly pid: number;
  readonly exitStatus: number;
  readonly exitedAt: WireTimestamp | null;
}

const SERVICE = 'tasks.v1.Tasks';

// Creating and deleting runs a shim and runc: seconds on a busy machine.
const SLOW = { deadlineMs: 120_000 } as const;

function processOf(wire: WireProcess): TaskProcess {
  return {
    containerId: wire.containerId || wire.id,
    execId: wire.containerId === '' || wire.id === '' || wire.id === wire.containerId ? null : wire.id,
    pid: wire.pid,
    status: wire.status.toLowerCase() as TaskStatus,
    stdin: wire.stdin,
    stdout: wire.stdout,
    stderr: wire.stderr,
    terminal: wire.terminal,
    exitCode: wire.exitStatus,
    exitedAt: nanosOf(wire.exitedAt),
  };
}

function exitOf(wire: WireExit): Exit {
  return { exitCode: wire.exitStatus, exitedAt: nanosOf(wire.exitedAt) };
}

function named(id: string, execId: string | undefined): string {
  return execId ? `process "${execId}" of task "${id}"` : `task "${id}"`;
}

/** Processes of containers. A container has at most one task; `execId` names a further process in it. */
export class TasksService {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Makes the container's namespaces and its process, which then waits for `start`. Resolves to its pid. */
  async create(
    id: string,
    options: TaskIo & { readonly rootfs?: readonly Mount[]; readonly runc?: RuncOptions } = {},
  ): Promise<number> {
    const { rootfs, runc, ...io } = options;
    const answer = await this.#channel.unary<{ pid: number }>(
      { service: SERVICE, method: 'Create', what: `create task "${id}"` },
      {
        containerId: id,
        rootfs: rootfs ?? [],
        ...io,
        ...(runc && { options: encodeRuncOptions(this.#channel.schema, runc) }),
      },
      SLOW,
    );
    return answer.pid;
  }

  /** Runs the created process, or with `execId` the one that `exec` prepared. Resolves to its pid. */
  async start(id: string, execId?: string): Promise<number> {
    const answer = await this.#unary<{ pid: number }>('Start', `start ${named(id, execId)}`, id, { execId }, SLOW);
    return answer.pid;
  }

  /** Prepares a further process in a running task; `start(id, execId)` runs it. `process` is an OCI Process. */
  async exec(id: string, execId: string, process: object, io: TaskIo = {}): Promise<void> {
    await this.#unary('Exec', `exec in task "${id}"`, id, { execId, spec: jsonAny(TYPE_URL.process, process), ...io });
  }

  async kill(
    id: string,
    signal: number,
    options: { readonly all?: boolean; readonly execId?: string } = {},
  ): Promise<void> {
    await this.#unary('Kill', `kill ${named(id, options.execId)}`, id, { signal, ...options });
  }

  /** Resolves when the process has ended, at once if it has already. Never times out; the signal ends the wait. */
  async wait(id: string, options: { readonly execId?: string; readonly signal?: AbortSignal } = {}): Promise<Exit> {
    const what = `wait for ${named(id, options.execId)}`;
    const call = { deadlineMs: null, signal: options.signal };
    return exitOf(await this.#unary<WireExit>('Wait', what, id, { execId: options.execId }, call));
  }

  /** Takes the stopped task away, and its shim. Conflict while it runs. */
  async delete(id: string): Promise<Exit> {
    return exitOf(await this.#unary<WireExit>('Delete', `delete task "${id}"`, id, {}, SLOW));
  }

  /** Takes a stopped exec away. */
  async deleteProcess(id: string, execId: string): Promise<Exit> {
    return exitOf(await this.#unary<WireExit>('DeleteProcess', `delete ${named(id, execId)}`, id, { execId }, SLOW));
  }

  async get(id: string, execId?: string): Promise<TaskProcess> {
    const what = `inspect ${named(id, execId)}`;
    const answer = await this.#unary<{ process: WireProcess }>('Get', what, id, { execId });
    const process = processOf(answer.process);
    return { ...process, containerId: id, execId: execId ?? null };
  }

  /** Every task of the namespace, their first processes only. */
  async list(): Promise<TaskProcess[]> {
    const { tasks } = await this.#channel.unary<{ tasks: WireProcess[] }>(
      { service: SERVICE, method: 'List', what: 'list tasks' },
      {},
    );
    return tasks.map((task) => ({ ...processOf(task), execId: null }));
  }

  async resizePty(id: string, size: { width: number; height: number; execId?: string }): Promise<void> {
    await this.#unary('ResizePty', `resize the terminal of ${named(id, size.execId)}`, id, size);
  }

  /** Closes the process's stdin once the writer's end of the FIFO is closed as well. */
  async closeStdin(id: string, execId?: string): Promise<void> {
    await this.#unary('CloseIO', `close stdin of ${named(id, execId)}`, id, { execId, stdin: true });
  }

  async pause(id: string): Promise<void> {
    await this.#unary('Pause', `pause task "${id}"`, id, {}, SLOW);
  }

  async resume(id: string): Promise<void> {
    await this.#unary('Resume', `resume task "${id}"`, id, {}, SLOW);
  }

  /** Every process inside, children included, with the exec id where it was started by `exec`. */
  async pids(id: string): Promise<{ pid: number; execId: string | null }[]> {
    const answer = await this.#unary<{ processes: { pid: number; info: WireAny | null }[] }>(
      'ListPids',
      `list processes of task "${id}"`,
      id,
    );
    return answer.processes.map(({ pid, info }) => {
      if (!info || info.value.length === 0) return { pid, execId: null };
      const details = this.#channel.schema.decode('payloads.ProcessDetails', info.value) as { execId: string };
      return { pid, execId: details.execId || null };
    });
  }

  /** `resources` is the OCI LinuxResources to apply to the running task. */
  async update(id: string, resources: object): Promise<void> {
    await this.#unary('Update', `update task "${id}"`, id, { resources: jsonAny(TYPE_URL.resources, resources) });
  }

  /** Null when the task is not running any more. */
  async metrics(id: string): Promise<TaskMetrics | null> {
    const { metrics } = await this.#channel.unary<{
      metrics: { id: string; timestamp: WireTimestamp | null; data: WireAny | null }[];
    }>(
      { service: SERVICE, method: 'Metrics', what: `read metrics of task "${id}"` },
      { filters: [`id==${JSON.stringify(id)}`] },
    );
    const metric = metrics.find((one) => one.id === id);
    return metric?.data ? decodeMetrics(this.#channel.schema, metric.data, nanosOf(metric.timestamp)) : null;
  }

  #unary<Res>(method: string, what: string, id: string, rest: object = {}, options: CallOptions = {}): Promise<Res> {
    return this.#channel.unary<Res>({ service: SERVICE, method, what }, { containerId: id, ...rest }, options);
  }
}
