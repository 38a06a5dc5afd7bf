import { type CallOptions, type Channel, nanosOf, type WireTimestamp } from '../wire/index.ts';
import { type Mount, mountOf, type WireMount } from './mounts.ts';

export type SnapshotKind = 'unknown' | 'view' | 'active' | 'committed';

export interface SnapshotInfo {
  readonly name: string;
  /** Empty for a base. */
  readonly parent: string;
  readonly kind: SnapshotKind;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: bigint;
}

export interface SnapshotOptions {
  readonly parent?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly lease?: string | undefined;
}

interface WireInfo {
  readonly name: string;
  readonly parent: string;
  readonly kind: string;
  readonly labels: Record<string, string>;
  readonly createdAt: WireTimestamp | null;
}

const SERVICE = 'snapshots.v1.Snapshots';

// Removing or committing may walk a whole file tree (the native snapshotter copies one).
const SLOW = { deadlineMs: 600_000 } as const;

function infoOf(wire: WireInfo): SnapshotInfo {
  return {
    name: wire.name,
    parent: wire.parent,
    kind: wire.kind.toLowerCase() as SnapshotKind,
    labels: wire.labels,
    createdAt: nanosOf(wire.createdAt),
  };
}

/** File trees in one snapshotter: `prepare` a writable one on a parent, `commit` it under a name. */
export class SnapshotsService {
  readonly #channel: Channel;
  readonly snapshotter: string;

  constructor(channel: Channel, snapshotter: string) {
    this.#channel = channel;
    this.snapshotter = snapshotter;
  }

  /** A writable snapshot. Mounts nothing: the caller (or runc's shim) mounts what this resolves to. */
  prepare(key: string, options: SnapshotOptions = {}): Promise<Mount[]> {
    return this.#make('Prepare', key, options);
  }

  /** A read-only one. */
  view(key: string, options: SnapshotOptions = {}): Promise<Mount[]> {
    return this.#make('View', key, options);
  }

  async mounts(key: string): Promise<Mount[]> {
    const answer = await this.#call<{ mounts: WireMount[] }>('Mounts', `mount snapshot "${key}"`, { key });
    return answer.mounts.map(mountOf);
  }

  async commit(name: string, key: string, options: Omit<SnapshotOptions, 'parent'> = {}): Promise<void> {
    const request = { name, key, labels: options.labels ?? {} };
    await this.#call('Commit', `commit snapshot "${name}"`, request, { ...SLOW, lease: options.lease });
  }

  /** Conflict while another snapshot has it as parent. */
  async remove(key: string): Promise<void> {
    await this.#call('Remove', `remove snapshot "${key}"`, { key }, SLOW);
  }

  async stat(key: string): Promise<SnapshotInfo> {
    const answer = await this.#call<{ info: WireInfo }>('Stat', `inspect snapshot "${key}"`, { key });
    return infoOf(answer.info);
  }

  /** Sets these labels and keeps the others; an empty value takes one away. */
  async setLabels(key: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const paths = Object.keys(labels).map((label) => `labels.${label}`);
    await this.#call('Update', `label snapshot "${key}"`, { info: { name: key, labels }, updateMask: { paths } });
  }

  /** Bytes and inodes of this snapshot alone, without its parents. */
  async usage(key: string): Promise<{ size: number; inodes: number }> {
    const what = `measure snapshot "${key}"`;
    const answer = await this.#call<{ size: string; inodes: string }>('Usage', what, { key }, SLOW);
    return { size: Number(answer.size), inodes: Number(answer.inodes) };
  }

  async list(filters: readonly string[] = []): Promise<SnapshotInfo[]> {
    const found: SnapshotInfo[] = [];
    const call = { service: SERVICE, method: 'List', what: 'list snapshots' };
    const request = { snapshotter: this.snapshotter, filters };
    for await (const { info } of this.#channel.stream<{ info: WireInfo[] }>(call, request)) {
      found.push(...info.map(infoOf));
    }
    return found;
  }

  async #make(method: 'Prepare' | 'View', key: string, options: SnapshotOptions): Promise<Mount[]> {
    const request = { key, parent: options.parent ?? '', labels: options.labels ?? {} };
    const call = { ...SLOW, lease: options.lease };
    const answer = await this.#call<{ mounts: WireMount[] }>(method, `prepare snapshot "${key}"`, request, call);
    return answer.mounts.map(mountOf);
  }

  #call<Res>(method: string, what: string, request: object, options: CallOptions = {}): Promise<Res> {
    const call = { service: SERVICE, method, what };
    return this.#channel.unary<Res>(call, { snapshotter: this.snapshotter, ...request }, options);
  }
}
