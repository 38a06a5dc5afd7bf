import { type Channel, nanosOf, typeName, type WireAny, type WireTimestamp } from '../wire/index.ts';

interface OfTask {
  readonly containerId: string;
}

/** What happened to a task; `execId` is null for its first process. */
export type TaskEvent =
  | (OfTask & { readonly type: 'create'; readonly pid: number })
  | (OfTask & { readonly type: 'start'; readonly pid: number })
  | (OfTask & {
      readonly type: 'exit' | 'delete';
      readonly execId: string | null;
      readonly pid: number;
      readonly exitCode: number;
      readonly exitedAt: bigint;
    })
  | (OfTask & { readonly type: 'oom' | 'paused' | 'resumed' })
  | (OfTask & { readonly type: 'execAdded'; readonly execId: string })
  | (OfTask & { readonly type: 'execStarted'; readonly execId: string; readonly pid: number });

export interface ContainerdEvent {
  /** Nanoseconds since the epoch. */
  readonly timestamp: bigint;
  readonly namespace: string;
  /** `/tasks/exit`, `/images/create`, … */
  readonly topic: string;
  /** Null for an event of anything but tasks. */
  readonly task: TaskEvent | null;
}

interface WireEnvelope {
  readonly timestamp: WireTimestamp | null;
  readonly namespace: string;
  readonly topic: string;
  readonly event: WireAny | null;
}

interface WireTaskEvent {
  readonly containerId: string;
  readonly pid: number;
  readonly id: string;
  readonly execId: string;
  readonly exitStatus: number;
  readonly exitedAt: WireTimestamp | null;
}

const TYPES: Readonly<Record<string, { readonly message: string; readonly type: TaskEvent['type'] }>> = {
  'containerd.events.TaskCreate': { message: 'TaskCreate', type: 'create' },
  'containerd.events.TaskStart': { message: 'TaskStart', type: 'start' },
  'containerd.events.TaskExit': { message: 'TaskExit', type: 'exit' },
  'containerd.events.TaskDelete': { message: 'TaskDelete', type: 'delete' },
  'containerd.events.TaskOOM': { message: 'TaskOom', type: 'oom' },
  'containerd.events.TaskExecAdded': { message: 'TaskExecAdded', type: 'execAdded' },
  'containerd.events.TaskExecStarted': { message: 'TaskExecStarted', type: 'execStarted' },
  'containerd.events.TaskPaused': { message: 'TaskPaused', type: 'paused' },
  'containerd.events.TaskResumed': { message: 'TaskResumed', type: 'resumed' },
};

export class EventsService {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /**
   * Events of this channel's namespace from now on, until the signal ends it. Throws when the connection breaks: the
   * caller subscribes again and looks up what it missed meanwhile. `filters` in containerd's language are alternatives,
   * such as `topic~=^/tasks/`.
   */
  async *subscribe(
    options: { readonly filters?: readonly string[]; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<ContainerdEvent, void, undefined> {
    const mine = `namespace==${JSON.stringify(this.#channel.namespace)}`;
    const filters = options.filters?.map((filter) => `${mine},${filter}`) ?? [mine];
    const call = { service: 'events.v1.Events', method: 'Subscribe', what: 'subscribe to events of containerd' };
    for await (const wire of this.#channel.stream<WireEnvelope>(call, { filters }, { signal: options.signal })) {
      yield {
        timestamp: nanosOf(wire.timestamp),
        namespace: wire.namespace,
        topic: wire.topic,
        task: wire.event && this.#task(wire.event),
      };
    }
  }

  #task(any: WireAny): TaskEvent | null {
    const known = TYPES[typeName(any.typeUrl)];
    if (!known) return null;
    const wire = this.#channel.schema.decode(`payloads.${known.message}`, any.value) as WireTaskEvent;
    return taskEvent(known.type, wire);
  }
}

function taskEvent(type: TaskEvent['type'], wire: WireTaskEvent): TaskEvent {
  const { containerId, pid } = wire;
  switch (type) {
    case 'create':
    case 'start':
      return { type, containerId, pid };
    case 'exit':
    case 'delete': {
      const execId = wire.id === '' || wire.id === containerId ? null : wire.id;
      return { type, containerId, execId, pid, exitCode: wire.exitStatus, exitedAt: nanosOf(wire.exitedAt) };
    }
    case 'execAdded':
      return { type, containerId, execId: wire.execId };
    case 'execStarted':
      return { type, containerId, execId: wire.execId, pid };
    default:
      return { type, containerId };
  }
}
