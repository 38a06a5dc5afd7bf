import { conflict, forbidden, type Id, notFound } from '../../base/index.ts';
import type { EndpointRecord, NetworkRecord, NetworkRequest } from '../../model/index.ts';
import type { Networks } from '../../network/contract.ts';
import { fakeNetwork } from './views.ts';

/** Networks in memory: the three predefined ones and what is created. */
export class FakeNetworks implements Networks {
  readonly endpoints: EndpointRecord[] = [];
  readonly requests: NetworkRequest[] = [];
  readonly #records: NetworkRecord[] = [
    fakeNetwork('bridge'),
    fakeNetwork('host', { driver: 'host', pools: [] }),
    fakeNetwork('none', { driver: 'null', pools: [] }),
  ];

  async create(request: NetworkRequest) {
    this.requests.push(request);
    const { name, labels = {}, options = {}, internal = false } = request;
    if (this.#records.some((one) => one.name === name)) {
      throw conflict('network_exists', `network with name ${name} already exists`);
    }
    const network = fakeNetwork(name, { labels, options, internal });
    this.#records.push(network);
    return { network, warning: '' };
  }

  async remove(ref: string) {
    const network = this.find(ref);
    if (['bridge', 'host', 'none'].includes(network.name)) {
      throw forbidden('predefined', `${network.name} is a pre-defined network and cannot be removed`);
    }
    this.#records.splice(this.#records.indexOf(network), 1);
    return network;
  }

  find(ref: string) {
    const network = this.#records.find(({ id, name }) => id === ref || name === ref || id.startsWith(ref));
    if (!network) throw notFound('network_not_found', `network ${ref} not found`);
    return network;
  }

  list() {
    return this.#records;
  }

  endpointsOf(networkId: Id) {
    return this.endpoints.filter((endpoint) => endpoint.networkId === networkId);
  }

  async peersOf() {
    return [];
  }

  spoofedFrames(): ReadonlyMap<Id, number> {
    return new Map();
  }

  async prune(keep: (network: NetworkRecord) => boolean) {
    const gone = this.#records.filter((one) => !['bridge', 'host', 'none'].includes(one.name) && !keep(one));
    for (const one of gone) this.#records.splice(this.#records.indexOf(one), 1);
    return gone.map(({ name }) => name);
  }
}
