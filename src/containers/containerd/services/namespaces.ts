import type { Channel } from '../wire/index.ts';
import { ContainerdError, GRPC } from '../wire/index.ts';

const SERVICE = 'namespaces.v1.Namespaces';

export class NamespacesService {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Creates it; one that is there already is as good. */
  async ensure(name: string): Promise<void> {
    try {
      await this.#channel.unary(
        { service: SERVICE, method: 'Create', what: `create containerd namespace "${name}"` },
        { namespace: { name, labels: {} } },
      );
    } catch (error) {
      if (!(error instanceof ContainerdError && error.grpcCode === GRPC.ALREADY_EXISTS)) throw error;
    }
  }

  async list(): Promise<string[]> {
    const { namespaces } = await this.#channel.unary<{ namespaces: { name: string }[] }>(
      { service: SERVICE, method: 'List', what: 'list containerd namespaces' },
      {},
    );
    return namespaces.map(({ name }) => name);
  }

  /** Refused while anything is in it. */
  async delete(name: string): Promise<void> {
    await this.#channel.unary(
      { service: SERVICE, method: 'Delete', what: `delete containerd namespace "${name}"` },
      { name },
    );
  }
}
