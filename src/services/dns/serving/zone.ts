import { type Id, type Ip, ipFromBytes } from '../../../base/index.ts';
import type { DnsEndpoint, DnsView } from '../../../model/index.ts';
import { comparable } from '../wire/index.ts';

/** Who has a name on the networks of a sandbox. */
export type Found = readonly DnsEndpoint[];

interface NetworkNames {
  readonly name: string;
  readonly endpoints: Set<DnsEndpoint>;
  readonly byName: Map<string, DnsEndpoint[]>;
  readonly byIp: Map<Ip, DnsEndpoint>;
}

/** The names of all endpoints, by network. */
export class Zone {
  readonly #networks = new Map<Id, NetworkNames>();
  readonly #endpoints = new Map<Id, DnsEndpoint>();
  #version = 0;

  /** Grows with every change: answers computed before it may be out of date. */
  get version(): number {
    return this.#version;
  }

  /** Adds an endpoint, or replaces what was known of it. */
  add(endpoint: DnsEndpoint): void {
    this.remove(endpoint.endpointId);
    this.#version += 1;
    this.#endpoints.set(endpoint.endpointId, endpoint);
    const network = this.#network(endpoint);
    network.endpoints.add(endpoint);
    for (const name of namesOf(endpoint)) {
      const holders = network.byName.get(name);
      if (holders === undefined) network.byName.set(name, [endpoint]);
      else holders.push(endpoint);
    }
    for (const ip of addressesOf(endpoint)) network.byIp.set(ip, endpoint);
  }

  /** Repeatable. */
  remove(endpointId: Id): void {
    const endpoint = this.#endpoints.get(endpointId);
    if (endpoint === undefined) return;
    this.#version += 1;
    this.#endpoints.delete(endpointId);
    const network = this.#networks.get(endpoint.networkId);
    if (network === undefined) return;
    network.endpoints.delete(endpoint);
    if (network.endpoints.size === 0) this.#networks.delete(endpoint.networkId);
    for (const name of namesOf(endpoint)) {
      const others = network.byName.get(name)?.filter((other) => other !== endpoint) ?? [];
      if (others.length === 0) network.byName.delete(name);
      else network.byName.set(name, others);
    }
    for (const ip of addressesOf(endpoint)) if (network.byIp.get(ip) === endpoint) network.byIp.delete(ip);
  }

  /**
   * Who `name` is to a sandbox: `a.b.c` on any of its networks, then `a.b` on its network `c`, then `a` on its network
   * `b.c`. The first network in the view's order that knows it decides. Undefined: nobody.
   */
  find(view: DnsView, name: string): Found | undefined {
    const wanted = comparable(name);
    const anywhere = this.#findOn(view, wanted, undefined);
    if (anywhere !== undefined) return anywhere;
    for (let dot = wanted.lastIndexOf('.'); dot > 0; dot = wanted.lastIndexOf('.', dot - 1)) {
      const found = this.#findOn(view, wanted.slice(0, dot), wanted.slice(dot + 1));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The full name of who has that address on a network of the sandbox. */
  nameOf(view: DnsView, ip: Ip): string | undefined {
    for (const id of view.networkIds) {
      const endpoint = this.#networks.get(id)?.byIp.get(ip);
      const first = endpoint?.names[0];
      if (endpoint !== undefined && first !== undefined) return `${first}.${endpoint.networkName}.`;
    }
    return undefined;
  }

  #findOn(view: DnsView, name: string, networkName: string | undefined): Found | undefined {
    for (const id of view.networkIds) {
      const network = this.#networks.get(id);
      if (network === undefined || (networkName !== undefined && network.name !== networkName)) continue;
      const link = view.links.find(({ networkId, alias }) => networkId === id && comparable(alias) === name);
      const linked = link && network.byName.get(comparable(link.target));
      const found = linked ?? network.byName.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #network({ networkId, networkName }: DnsEndpoint): NetworkNames {
    const known = this.#networks.get(networkId);
    if (known !== undefined) return known;
    const network = {
      name: comparable(networkName),
      endpoints: new Set<DnsEndpoint>(),
      byName: new Map(),
      byIp: new Map(),
    };
    this.#networks.set(networkId, network);
    return network;
  }
}

/** The address a reverse name (`4.3.2.1.in-addr.arpa`, nibbles under `ip6.arpa`) is about. */
export function ipOfReverseName(name: string): Ip | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (four !== null) {
    const bytes = four.slice(1).reverse().map(Number);
    return bytes.every((byte) => byte <= 255) ? ipFromBytes(Uint8Array.from(bytes)) : undefined;
  }
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  if (six === undefined) return undefined;
  return ipFromBytes(Buffer.from(six.replaceAll('.', '').split('').reverse().join(''), 'hex'));
}

function namesOf({ names }: DnsEndpoint): Set<string> {
  return new Set(names.map(comparable));
}

function addressesOf({ ipv4, ipv6 }: DnsEndpoint): Ip[] {
  return [ipv4, ipv6].filter((ip) => ip !== undefined);
}
