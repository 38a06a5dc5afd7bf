import { type Channel, nanosOf, type WireTimestamp } from '../wire/index.ts';

export interface Lease {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: bigint;
}

/** `content`, `ingest` or `snapshots/<snapshotter>`. */
export interface LeasedResource {
  readonly id: string;
  readonly type: string;
}

interface WireLease {
  readonly id: string;
  readonly labels: Record<string, string>;
  readonly createdAt: WireTimestamp | null;
}

const SERVICE = 'leases.v1.Leases';

function leaseOf({ id, labels, createdAt }: WireLease): Lease {
  return { id, labels, createdAt: nanosOf(createdAt) };
}

/** A lease keeps what is made under it until a name holds it. It ends by itself, should we die in between. */
export class LeasesService {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  async create(options: { id: string; expiresAt: Date; labels?: Readonly<Record<string, string>> }): Promise<Lease> {
    const call = { service: SERVICE, method: 'Create', what: `create lease "${options.id}"` };
    const labels = { ...options.labels, 'containerd.io/gc.expire': options.expiresAt.toISOString() };
    const { lease } = await this.#channel.unary<{ lease: WireLease }>(call, { id: options.id, labels });
    return leaseOf(lease);
  }

  /** `sync` waits for the garbage collection that this makes possible. */
  async delete(id: string, options: { readonly sync?: boolean } = {}): Promise<void> {
    const call = { service: SERVICE, method: 'Delete', what: `delete lease "${id}"` };
    await this.#channel.unary(call, { id, sync: options.sync ?? false }, { deadlineMs: 600_000 });
  }

  async list(filters: readonly string[] = []): Promise<Lease[]> {
    const call = { service: SERVICE, method: 'List', what: 'list leases' };
    const { leases } = await this.#channel.unary<{ leases: WireLease[] }>(call, { filters });
    return leases.map(leaseOf);
  }

  async addResource(id: string, resource: LeasedResource): Promise<void> {
    const call = { service: SERVICE, method: 'AddResource', what: `hold "${resource.id}" by lease "${id}"` };
    await this.#channel.unary(call, { id, resource });
  }

  async deleteResource(id: string, resource: LeasedResource): Promise<void> {
    const call = { service: SERVICE, method: 'DeleteResource', what: `free "${resource.id}" from lease "${id}"` };
    await this.#channel.unary(call, { id, resource });
  }

  async listResources(id: string): Promise<LeasedResource[]> {
    const call = { service: SERVICE, method: 'ListResources', what: `list what lease "${id}" holds` };
    const { resources } = await this.#channel.unary<{ resources: LeasedResource[] }>(call, { id });
    return resources;
  }
}
