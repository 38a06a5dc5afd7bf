import { type Id, type Log, notFound, runAll, type Serial } from '../../base/index.ts';
import type { Firewall, NetworkRecord, Store } from '../../model/index.ts';
import { drop, put, THIS_BOOT } from '../journal.ts';
import type { LiveNetwork, NetworkState } from '../state.ts';
import { Undo } from '../undo.ts';
import type { OurPart } from './part.ts';

export interface PresenceDeps {
  readonly state: NetworkState;
  readonly store: Store;
  readonly firewall: Firewall;
  readonly ours: OurPart;
  /** Of networks: made and unmade one at a time. */
  readonly turns: Serial<Id>;
  readonly log: Log;
}

/** Which networks of global scope exist in this host's kernel: from the first endpoint of this host to the last. */
export class Presence {
  readonly #deps: PresenceDeps;
  readonly #users = new Map<Id, number>();
  /** The cluster has them no more; they are forgotten with their last endpoint. */
  readonly #orphaned = new Set<Id>();

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
  }

  /** Makes it unless it is there. Undone by {@link exit}. */
  enter(networkId: Id): Promise<LiveNetwork> {
    return this.#deps.turns.run(networkId, async () => {
      const network = this.#deps.state.networks.get(networkId);
      if (network === undefined) throw notFound('network_not_found', `network ${networkId} not found`);
      const made = this.#deps.state.made.has(networkId) ? network : await this.#make(network);
      this.#users.set(networkId, (this.#users.get(networkId) ?? 0) + 1);
      return made;
    });
  }

  /** Unmakes it after the last. */
  exit(networkId: Id): Promise<void> {
    return this.#deps.turns.run(networkId, async () => {
      const users = (this.#users.get(networkId) ?? 0) - 1;
      if (users > 0) this.#users.set(networkId, users);
      else await this.#unmake(networkId);
    });
  }

  /** After a restart: an endpoint is on it from before. */
  resume(networkId: Id): void {
    this.#users.set(networkId, (this.#users.get(networkId) ?? 0) + 1);
  }

  /** After a restart, when the endpoints are known: nobody is on these any more. */
  async unmakeUnused(): Promise<void> {
    for (const id of [...this.#deps.state.made]) {
      await this.#deps.turns.run(id, async () => {
        if ((this.#users.get(id) ?? 0) === 0) await this.#unmake(id);
      });
    }
  }

  /** Whoever is on it: this host leaves the cluster. */
  unmake(networkId: Id): Promise<void> {
    return this.#deps.turns.run(networkId, () => this.#unmake(networkId));
  }

  forgetAll(): void {
    this.#users.clear();
    this.#orphaned.clear();
  }

  /** With its last endpoint it is to be forgotten; at once where there is none: then it returns true. */
  orphan(networkId: Id): boolean {
    if ((this.#users.get(networkId) ?? 0) === 0) return true;
    this.#orphaned.add(networkId);
    return false;
  }

  /** The cluster has it after all. Returns whether it had not. */
  adopt(networkId: Id): boolean {
    return this.#orphaned.delete(networkId);
  }

  isOrphaned(networkId: Id): boolean {
    return this.#orphaned.has(networkId);
  }

  async #make({ record, driver }: LiveNetwork): Promise<LiveNetwork> {
    const { state, store, firewall, ours, log } = this.#deps;
    const remote = ours.now?.remote;
    const { id } = record;
    await using undo = new Undo({ log }, `make network "${record.name}" on this host`);
    await store.commit([put.unfinished(id, { kind: 'network', network: record })], THIS_BOOT);
    undo.defer(() => (undo.failed ? undefined : store.commit([drop.unfinished(id)], THIS_BOOT)));
    undo.defer(() => driver?.removeNetwork(record));
    const setup = (await driver?.createNetwork(record)) ?? { firewall: [] };
    if (setup.firewall.length > 0) {
      undo.defer(() => firewall.apply({ remove: setup.firewall }));
      await firewall.apply({ add: setup.firewall });
    }
    undo.defer(() => remote?.unfollow(id));
    remote?.follow(record);
    const own = setup.state === undefined ? {} : { state: setup.state };
    await store.commit([put.here(id, own), drop.unfinished(id)], THIS_BOOT);
    undo.keep();
    const network = { record: withState(record, own.state), driver, setup };
    state.setNetwork(network);
    state.made.add(id);
    return network;
  }

  async #unmake(id: Id): Promise<void> {
    const { state, store, firewall, ours } = this.#deps;
    this.#users.delete(id);
    const network = state.networks.get(id);
    if (network === undefined || !state.made.delete(id)) return;
    const { record, driver, setup } = network;
    const forgotten = this.#orphaned.delete(id);
    const begun = put.unfinished(id, { kind: 'network', network: record });
    await runAll(
      [
        () => store.commit([drop.here(id), begun], THIS_BOOT),
        () => ours.now?.remote.unfollow(id),
        () => firewall.apply({ remove: setup.firewall }),
        () => driver?.removeNetwork(record),
        () => state.setNetwork({ record, driver, setup: { firewall: [] } }),
        () => (forgotten ? state.deleteNetwork(id) : undefined),
        () =>
          forgotten
            ? store.commit([drop.unfinished(id), drop.network(id)])
            : store.commit([drop.unfinished(id)], THIS_BOOT),
      ],
      `cannot remove network "${record.name}" from this host`,
    );
  }
}

/** What the driver wants to remember on this host goes with what it remembers in the cluster. */
export function withState(record: NetworkRecord, state: NetworkRecord['driverState']): NetworkRecord {
  return state === undefined ? record : { ...record, driverState: { ...record.driverState, ...state } };
}
