import { type Id, type Ip, type Log, messageOf, runAll, Serial } from '../../base/index.ts';
import type { Firewall, NodeEntry, Store } from '../../model/index.ts';
import { drop, put, THIS_BOOT } from '../journal.ts';
import type { OurPart } from './part.ts';

export interface KnownNodesDeps {
  /** In no cluster (any more) no node is trusted. */
  readonly ours: OurPart;
  readonly firewall: Firewall;
  readonly store: Store;
  readonly log: Log;
}

/**
 * From which addresses the packet filter takes frames of other hosts: those of the cluster's nodes. Remembered on this host, so
 * that a daemon that starts while the cluster cannot be asked goes on with those of before.
 */
export class KnownNodes {
  readonly #deps: KnownNodesDeps;
  readonly #addresses = new Map<Id, Ip>();
  readonly #turn = new Serial();

  constructor(deps: KnownNodesDeps) {
    this.#deps = deps;
  }

  /** What is remembered of before; the packet filter is to hold {@link entries} then. In no cluster nothing is to be remembered. */
  async resume(stored: ReadonlyMap<Id, Ip>): Promise<void> {
    const { ours, store } = this.#deps;
    if (ours.cluster === undefined) {
      await store.commit([...stored.keys()].map(drop.node), THIS_BOOT);
      return;
    }
    for (const [id, address] of stored) this.#addresses.set(id, address);
    const { self } = ours.cluster;
    this.#addresses.set(self.id, self.address);
  }

  entries(): readonly NodeEntry[] {
    return [...this.#addresses].map(entryOf);
  }

  /** Returns its end. */
  follow(): () => void {
    const hear = (): void => {
      void this.#turn.run('', () => this.#update());
    };
    hear();
    return this.#deps.ours.cluster?.onNodes(hear) ?? ((): void => {});
  }

  /** This host leaves the cluster. */
  forgetAll(): Promise<void> {
    return this.#turn.run('', async () => {
      const { firewall, store } = this.#deps;
      const gone = this.entries();
      this.#addresses.clear();
      await runAll(
        [
          () => firewall.apply({ remove: gone }),
          () =>
            store.commit(
              gone.map(({ nodeId }) => drop.node(nodeId)),
              THIS_BOOT,
            ),
        ],
        'cannot forget the hosts of the cluster',
      );
    });
  }

  async #update(): Promise<void> {
    const { ours, firewall, store, log } = this.#deps;
    const { cluster } = ours;
    // What is heard while leaving comes too late.
    if (cluster === undefined || ours.leaving) return;
    try {
      const now = new Map(cluster.nodes().map(({ id, address }) => [id, address]));
      const set = [...now].filter(([id, address]) => this.#addresses.get(id) !== address);
      // Until all are known, who is missing may be there.
      const gone = cluster.reachable ? [...this.#addresses].filter(([id]) => !now.has(id)) : [];
      if (set.length + gone.length === 0) return;
      await firewall.apply({ add: set.map(entryOf), remove: gone.map(entryOf) });
      for (const [id, address] of set) this.#addresses.set(id, address);
      for (const [id] of gone) this.#addresses.delete(id);
      await store.commit(
        [...set.map(([id, address]) => put.node(id, address)), ...gone.map(([id]) => drop.node(id))],
        THIS_BOOT,
      );
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'cannot tell the packet filter which hosts are nodes of the cluster');
    }
  }
}

function entryOf([nodeId, address]: readonly [Id, Ip]): NodeEntry {
  return { kind: 'node', nodeId, address };
}
