import { type Clock, type Id, newId } from '../../base/index.ts';
import type { Cluster, EngineEvent, PortRequest, Store } from '../../model/index.ts';
import { PoolIpam } from '../../services/ipam/index.ts';
import { MemoryStore } from '../../store/index.ts';
import { createNetworking, type Networking } from '../networking.ts';
import { FakeDriver, FakeFirewall, FakeHost, FakePorts, FakeRelay, FakeResolver } from './fakes.ts';
import { Faults } from './faults.ts';

const stillClock: Clock = { now: () => 0, nowNanos: () => 1n, after: () => () => {} };

/** The whole network layer on fakes, with faults to strike at any call that leaves it. */
export class FakeNetworking {
  readonly faults = new Faults();
  readonly store: Store;
  readonly driver = new FakeDriver();
  readonly host = new FakeHost();
  readonly firewall = new FakeFirewall();
  readonly resolver = new FakeResolver();
  readonly ports = new FakePorts();
  readonly relay = new FakeRelay();
  readonly ipam = new PoolIpam({ engineId: 'test' });
  readonly events: string[] = [];
  readonly networking: Networking;

  readonly overlay = new FakeDriver({
    ...{ name: 'overlay', scope: 'global', allocatesGateway: true, publishesPorts: false, needsGatewayNetwork: true },
  });
  readonly macvlan = new FakeDriver({ name: 'macvlan', mayBeGlobal: true, allocatesGateway: false });

  constructor(store: Store = new MemoryStore(), cluster?: Cluster, clock: Clock = stillClock) {
    this.store = store;
    const { faults } = this;
    const predefined = (name: string): FakeDriver =>
      new FakeDriver({ name, usesIpam: false, publishesPorts: false, resolvesNames: false, predefinedOnly: true });
    const publish = (event: Pick<EngineEvent, 'action' | 'attributes'>): void => {
      this.events.push(`${event.action} ${event.attributes.name}`);
    };
    this.networking = createNetworking({
      store: faults.wrap(this.store, 'store'),
      ipam: faults.wrap(this.ipam, 'ipam'),
      firewall: faults.wrap(this.firewall, 'firewall'),
      ports: faults.wrap(this.ports, 'ports'),
      relay: faults.wrap(this.relay, 'relay'),
      resolver: faults.wrap(this.resolver, 'resolver'),
      ...(cluster === undefined ? {} : { cluster: faults.wrap(cluster, 'cluster') }),
      drivers: [
        ...[faults.wrap(this.driver, 'driver'), faults.wrap(this.overlay, 'overlay'), this.macvlan],
        ...[predefined('host'), predefined('null')],
      ],
      host: faults.wrap(this.host, 'host'),
      events: { publish },
      hostResolvConf: () => ({ servers: [], search: [], options: [] }),
      clock,
    });
  }

  static async start(store?: Store, cluster?: Cluster): Promise<FakeNetworking> {
    const fake = new FakeNetworking(store, cluster);
    await fake.networking.start(() => true);
    await fake.networking.settle(fake.networking.reconciler(() => undefined));
    return fake;
  }

  async sandbox(ports: readonly PortRequest[] = [], id: Id = newId()): Promise<Id> {
    await this.networking.sandboxes.open({
      ...{ id, ownerId: id, host: false, ports, exposed: [], publishAll: false, sysctls: {} },
      dns: { servers: [], search: [], options: [] },
    });
    return id;
  }

  attach(sandboxId: Id, network: string, name: string, request = {}): ReturnType<Networking['sandboxes']['attach']> {
    return this.networking.sandboxes.attach({ sandboxId, network, name, dnsNames: [name], request });
  }

  /** All that exists outside of the layer's own memory, and what it shows of that. */
  async snapshot(): Promise<unknown> {
    const { networks } = this.networking;
    return {
      records: (await this.store.list('')).map(({ key, value }) => [key, value]),
      networks: networks.list().map(({ id }) => [id, networks.endpointsOf(id)]),
      driver: [[...this.driver.networks], [...this.driver.links]],
      overlay: [[...this.overlay.networks], [...this.overlay.links], [...this.overlay.peers.keys()]],
      host: [[...this.host.pinned], [...this.host.routes]],
      firewall: this.firewall
        .entries()
        .map((entry) => JSON.stringify(entry))
        .sort(),
      resolver: [[...this.resolver.endpoints.keys()], [...this.resolver.views.values()]],
      ports: [[...this.ports.held].sort(), [...this.relay.open_]],

      free: this.freeAddresses(networks.list().map(({ id }) => id)),
    };
  }

  /** The next address of each network, which shows what is allocated. */
  freeAddresses(ids: readonly Id[]): readonly string[] {
    return ids.flatMap((id) => {
      const { pools, scope } = this.networking.networks.find(id);
      if (pools.length === 0 || scope === 'global') return [];
      const { ip } = this.ipam.requestAddress(id, 4);
      this.ipam.releaseAddress(id, ip);
      return [ip];
    });
  }
}
