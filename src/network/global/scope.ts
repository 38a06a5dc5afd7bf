import { type Clock, conflict, type Log, messageOf, runAll } from '../../base/index.ts';
import type { Cluster, EventSink, NetworkDriver, NetworkRecord, Resolver, Store } from '../../model/index.ts';
import type { GlobalScope, LeavingOptions, Sandboxes } from '../contract.ts';
import { drop } from '../journal.ts';
import { sweepLinks } from '../leftover-links.ts';
import type { NetworkState } from '../state.ts';
import type { GlobalEndpoints } from './endpoints.ts';
import { takePart } from './membership.ts';
import { GlobalNetworkList } from './networks.ts';
import type { KnownNodes } from './nodes.ts';
import type { OurPart } from './part.ts';
import type { Presence } from './presence.ts';
import { RemoteEndpoints } from './remote-endpoints.ts';

export interface ClusterScopeDeps {
  readonly ours: OurPart;
  readonly state: NetworkState;
  readonly store: Store;
  readonly drivers: ReadonlyMap<string, NetworkDriver>;
  readonly resolver: Resolver;
  readonly presence: Presence;
  readonly nodes: KnownNodes;
  readonly endpoints: GlobalEndpoints;
  readonly sandboxes: Pick<Sandboxes, 'detach' | 'get'>;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
}

/** Begins and ends global scope while all else goes on. The caller does one of it at a time. */
export class ClusterScope implements GlobalScope {
  readonly #deps: ClusterScopeDeps;
  #endOfPart = (): void => {};

  constructor(deps: ClusterScopeDeps) {
    this.#deps = deps;
  }

  /** Before what is stored is restored; {@link follow} is to be called after it. */
  open(cluster: Cluster): void {
    const { ours, state, store, presence, drivers, resolver, events, clock, log } = this.#deps;
    ours.now = {
      cluster,
      networks: new GlobalNetworkList({ cluster, state, store, presence, drivers, events, log }),
      remote: new RemoteEndpoints({ cluster, state, store, resolver, clock, log }),
    };
  }

  /** Takes part in what {@link open} was told of, if anything. */
  follow(): void {
    const { ours, nodes, state, sandboxes, events, log } = this.#deps;
    if (ours.now !== undefined) this.#endOfPart = takePart({ ...ours.now, nodes, state, sandboxes, events, log });
  }

  begin(cluster: Cluster): void {
    if (this.#deps.ours.now !== undefined) throw conflict('cluster_exists', 'this node is in a cluster already');
    this.open(cluster);
    this.follow();
  }

  /** Everything stays for the next daemon. */
  stop(): void {
    this.#endOfPart();
    this.#endOfPart = () => {};
  }

  async end(options: LeavingOptions): Promise<void> {
    const { ours } = this.#deps;
    const part = ours.now;
    if (part === undefined) return;
    ours.leaving = true;
    try {
      await part.networks.close();
      if (options.force) await this.#takeAllOff(options);
      else this.#assertUnused();
    } catch (error) {
      ours.leaving = false;
      part.networks.follow();
      throw error;
    }
    await this.#end();
  }

  #global(): readonly NetworkRecord[] {
    return [...this.#deps.state.networks.values()]
      .map(({ record }) => record)
      .filter(({ scope }) => scope === 'global');
  }

  #assertUnused(): void {
    const { state } = this.#deps;
    const used = this.#global().find(({ id }) => state.usersOf(id).length > 0);
    if (used === undefined) return;
    const names = state.usersOf(used.id).map(({ name }) => name);
    throw conflict(
      'cluster_in_use',
      `cannot leave the cluster: containers of this host are on its network "${used.name}" (${names.join(', ')}); stop or disconnect them first, or use --force`,
    );
  }

  async #takeAllOff({ takeOff }: LeavingOptions): Promise<void> {
    const { state, sandboxes, log } = this.#deps;
    for (const { id, name } of this.#global()) {
      for (const { spec } of state.endpointsOf(id)) {
        log.warn(
          { network: name, container: spec.ownerId },
          'a container is taken off a network: its host leaves the cluster',
        );
        await takeOff(spec.ownerId, id).catch((error: unknown) => {
          log.warn(
            { network: name, container: spec.ownerId, reason: messageOf(error) },
            'its links alone are taken off',
          );
        });
      }
    }
    // Those that nobody could take off, and who was on the way when it began: that has its turn before.
    const left = this.#global().filter(({ id }) => state.usersOf(id).length > 0);
    const all = [...state.sandboxes.keys()].flatMap((sandbox) => left.map(({ id }) => [sandbox, id] as const));
    await runAll(
      all.map(
        ([sandbox, network]) =>
          () =>
            sandboxes.detach(sandbox, network),
      ),
      'cannot take containers off the networks of the cluster',
    ).catch((error: unknown) => log.error({ reason: messageOf(error) }, 'leaves the cluster all the same'));
  }

  /** Every step is tried. */
  async #end(): Promise<void> {
    const { ours, state, store, drivers, presence, nodes, endpoints, log } = this.#deps;
    await runAll(
      [
        ...this.#global().map((record) => () => this.#forget(record)),
        () => this.stop(),
        () => nodes.forgetAll(),
        () => endpoints.forgetReserved(),
        () => sweepLinks({ state, store, drivers, log }),
      ],
      'cannot remove all that is left of the cluster',
    ).finally(() => {
      presence.forgetAll();
      ours.now = undefined;
      ours.leaving = false;
    });
  }

  async #forget({ id, name, driver: type }: NetworkRecord): Promise<void> {
    const { state, store, presence, events } = this.#deps;
    await runAll(
      [
        () => presence.unmake(id),
        () => state.deleteNetwork(id),
        () => store.commit([drop.network(id)]),
        () => events.publish({ type: 'network', action: 'destroy', id, attributes: { name, type }, scope: 'global' }),
      ],
      `cannot forget network "${name}"`,
    );
  }
}
