import { type Channel, jsonAny, nanosOf, TYPE_URL, type WireAny, type WireTimestamp } from '../wire/index.ts';
import { decodeRuncOptions, encodeRuncOptions, type RuncOptions } from './runc-options.ts';

export const RUNC_RUNTIME = 'io.containerd.runc.v2';

/** containerd's record of a container: what a task is made from. It says nothing about running. */
export interface ContainerRecord {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly image: string;
  readonly runtime: { readonly name: string; readonly options: RuncOptions };
  /** The OCI runtime specification, parsed. */
  readonly spec: unknown;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  /** Nanoseconds since the epoch. */
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

export interface NewContainer {
  readonly id: string;
  readonly spec: object;
  readonly labels?: Readonly<Record<string, string>>;
  readonly image?: string;
  /** The record protects this snapshot from garbage collection. */
  readonly snapshotter?: string;
  readonly snapshotKey?: string;
  readonly runtime?: { readonly name?: string; readonly options?: RuncOptions };
}

interface WireContainer {
  readonly id: string;
  readonly labels: Record<string, string>;
  readonly image: string;
  readonly runtime: { name: string; options: WireAny | null } | null;
  readonly spec: WireAny | null;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly createdAt: WireTimestamp | null;
  readonly updatedAt: WireTimestamp | null;
}

interface ContainerMessage {
  readonly container: WireContainer;
}

const SERVICE = 'containers.v1.Containers';

export class ContainersService {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  async create(container: NewContainer): Promise<ContainerRecord> {
    const options = container.runtime?.options;
    const answer = await this.#channel.unary<ContainerMessage>(
      { service: SERVICE, method: 'Create', what: `create container "${container.id}"` },
      {
        container: {
          id: container.id,
          labels: container.labels ?? {},
          image: container.image ?? '',
          runtime: {
            name: container.runtime?.name ?? RUNC_RUNTIME,
            ...(options && { options: encodeRuncOptions(this.#channel.schema, options) }),
          },
          spec: jsonAny(TYPE_URL.spec, container.spec),
          snapshotter: container.snapshotter ?? '',
          snapshotKey: container.snapshotKey ?? '',
        },
      },
    );
    return this.#record(answer.container);
  }

  async get(id: string): Promise<ContainerRecord> {
    const answer = await this.#channel.unary<ContainerMessage>(
      { service: SERVICE, method: 'Get', what: `inspect container "${id}"` },
      { id },
    );
    return this.#record(answer.container);
  }

  /** `filters` in containerd's language, such as `labels."x"==y`; several are alternatives. */
  async list(filters: readonly string[] = []): Promise<ContainerRecord[]> {
    const { containers } = await this.#channel.unary<{ containers: WireContainer[] }>(
      { service: SERVICE, method: 'List', what: 'list containers' },
      { filters },
    );
    return containers.map((container) => this.#record(container));
  }

  /** Replaces what is given and keeps the rest. Only a task created afterwards sees a new spec. */
  async update(id: string, change: { labels?: Readonly<Record<string, string>>; spec?: object }): Promise<void> {
    const paths = [...(change.labels ? ['labels'] : []), ...(change.spec ? ['spec'] : [])];
    if (paths.length === 0) return;
    await this.#channel.unary(
      { service: SERVICE, method: 'Update', what: `update container "${id}"` },
      {
        container: {
          id,
          labels: change.labels ?? {},
          ...(change.spec && { spec: jsonAny(TYPE_URL.spec, change.spec) }),
        },
        updateMask: { paths },
      },
    );
  }

  async delete(id: string): Promise<void> {
    await this.#channel.unary({ service: SERVICE, method: 'Delete', what: `delete container "${id}"` }, { id });
  }

  #record(wire: WireContainer): ContainerRecord {
    return {
      id: wire.id,
      labels: wire.labels,
      image: wire.image,
      runtime: {
        name: wire.runtime?.name ?? '',
        options: decodeRuncOptions(this.#channel.schema, wire.runtime?.options),
      },
      spec: wire.spec && wire.spec.value.length > 0 ? JSON.parse(wire.spec.value.toString()) : null,
      snapshotter: wire.snapshotter,
      snapshotKey: wire.snapshotKey,
      createdAt: nanosOf(wire.createdAt),
      updatedAt: nanosOf(wire.updatedAt),
    };
  }
}
