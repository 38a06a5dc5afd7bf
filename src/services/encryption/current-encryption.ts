import { type Id, type Log, messageOf, silentLog, unavailable } from '../../base/index.ts';
import type { UnderlayEncryption } from '../../model/index.ts';
import { type Esp, KernelEsp, type KernelEspOptions } from './esp.ts';
import { KernelTable } from './kernel-table.ts';
import { OVERHEAD } from './node-encryption.ts';

export interface CurrentEncryptionDeps {
  /** Default: the kernel's, where the thread is. */
  readonly openEsp?: (options: KernelEspOptions) => Esp;
  readonly log?: Log;
}

/**
 * That of the cluster which this host is in now. In none nothing begins to be encrypted; what an earlier daemon has left for
 * networks that still have containers stays, and goes with the last of them.
 */
export class CurrentEncryption implements UnderlayEncryption {
  readonly port: number;
  readonly overhead = OVERHEAD;
  readonly #deps: CurrentEncryptionDeps;
  readonly #left = new Set<Id>();
  #now: UnderlayEncryption | undefined;

  constructor(deps: CurrentEncryptionDeps, options: { readonly port: number }) {
    this.#deps = deps;
    this.port = options.port;
  }

  /** The caller closes it, after {@link end}. */
  begin(encryption: UnderlayEncryption): void {
    this.#now = encryption;
    for (const id of this.#left) encryption.restore(id);
    this.#left.clear();
  }

  end(): void {
    this.#now = undefined;
  }

  requireSupport(): void {
    this.#required().requireSupport();
  }

  async hold(networkId: Id): Promise<void> {
    await this.#required().hold(networkId);
  }

  restore(networkId: Id): void {
    if (this.#now === undefined) this.#left.add(networkId);
    else this.#now.restore(networkId);
  }

  async release(networkId: Id): Promise<void> {
    if (this.#now !== undefined) return await this.#now.release(networkId);
    this.#left.delete(networkId);
    if (this.#left.size === 0) this.#clear();
  }

  async sweep(): Promise<void> {
    await this.#now?.sweep();
  }

  #required(): UnderlayEncryption {
    if (this.#now !== undefined) return this.#now;
    throw unavailable('no_cluster', 'cannot encrypt between nodes: this host is in no cluster');
  }

  #clear(): void {
    const { openEsp = (options: KernelEspOptions): Esp => KernelEsp.open(options), log = silentLog } = this.#deps;
    try {
      using esp = openEsp({ port: this.port, onLoss: () => {} });
      new KernelTable(esp).clear();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'cannot take away the encryption that an earlier daemon has left');
    }
  }
}
