import {
  type Cidr,
  type Clock,
  Emitter,
  FairwayError,
  type Id,
  type Ip,
  notFound,
  Serial,
  unavailable,
} from '../../base/index.ts';
import {
  blockOf,
  type ClusterEndpoint,
  type ClusterStore,
  type JoinRequest,
  type NetworkRecord,
  type StoreLease,
  type StoreOperation,
} from '../../model/index.ts';
import { addressInUse, type ChooseOptions } from './addresses.ts';
import { NodeBlocks } from './blocks.ts';
import { endpointOfKey, keys, networkOfBlockKey, type StoredAddress } from './keys.ts';
import type { NetworkView, NetworkViews } from './network-view.ts';
import { addressesOf } from './network-view.ts';
import type { GlobalNetworks } from './networks.ts';

export interface ClaimsDeps {
  readonly store: ClusterStore;
  readonly networks: GlobalNetworks;
  readonly views: NetworkViews;
  readonly clock: Clock;
  readonly random: () => number;
  readonly selfId: Id;
  /** The claim of this node; undefined: none now. */
  readonly lease: () => StoreLease | undefined;
  /** Something is left to be done: {@link Claims.settle}. */
  readonly onUnsettled: () => void;
}

/** An endpoint of ours as it is in the store, as far as known. */
interface Own {
  endpoint: ClusterEndpoint;
  /** Undefined: it is not known what it is on. */
  readonly network: NetworkRecord | undefined;
  /** 0: not known. */
  revision: number;
  /** Of its addresses. */
  readonly addressRevision: number;
  /** New names are not told yet. */
  changed: boolean;
}

const ATTEMPTS = 40;
/** As many conflicts may be chance; then each waits a little, differently. */
const AT_ONCE = 4;
const LONGEST_PAUSE_MS = 50;
const LONGEST_LEAP = 64;
/** How many transactions at a time when all are claimed again. */
const BATCH = 16;

/**
 * The endpoints of this node: claimed, given back, and claimed again when the claim was lost. Whatever is bound to the claim
 * and is not among them is given back by {@link settle}, so nothing needs to be written down for that.
 */
export class Claims {
  readonly #deps: ClaimsDeps;
  readonly #own = new Map<Id, Own>();
  /** Being claimed: with the addresses that were chosen. */
  readonly #pending = new Map<Id, ClusterEndpoint>();
  readonly #taken = new Emitter<ClusterEndpoint>();
  readonly #blocks: NodeBlocks;
  /** Of networks with blocks: several calls of one node would only be in each other's way. */
  readonly #turns = new Serial<Id>();

  constructor(deps: ClaimsDeps) {
    this.#deps = deps;
    this.#blocks = new NodeBlocks(deps);
  }

  /** These run from before, on these networks. */
  resume(endpoints: readonly ClusterEndpoint[], networks: readonly NetworkRecord[]): void {
    const byId = new Map(networks.map((network) => [network.id, network]));
    for (const endpoint of endpoints) {
      const network = byId.get(endpoint.networkId);
      this.#own.set(endpoint.endpointId, { endpoint, network, revision: 0, addressRevision: 0, changed: false });
    }
  }

  /** Claimed, or being claimed. */
  has(endpointId: Id): boolean {
    return this.#own.has(endpointId) || this.#pending.has(endpointId);
  }

  /** Those that endpoints of this node are on. */
  networks(): readonly NetworkRecord[] {
    const all = [...this.#own.values()].flatMap(({ network }) => network ?? []);
    return [...new Map(all.map((network) => [network.id, network])).values()];
  }

  onTaken(listener: (endpoint: ClusterEndpoint) => void): () => void {
    return this.#taken.on(listener);
  }

  async join(request: JoinRequest): Promise<ClusterEndpoint> {
    using opened = this.#deps.views.open(request.network);
    const { view } = opened;
    await view.ready();
    try {
      return await this.#inTurn(view.id, () => this.#join(request, view));
    } catch (error) {
      this.#pending.delete(request.endpointId);
      // Not known whether it was made: should it be, it is given back.
      if (isOutage(error)) this.#deps.onUnsettled();
      throw error;
    }
  }

  /** Gives back; what cannot be reached now is done by {@link settle}. */
  async leave(networkId: Id, endpointId: Id): Promise<void> {
    const own = this.#own.get(endpointId);
    this.#own.delete(endpointId);
    this.#forgetAddresses(networkId, own?.endpoint);
    try {
      this.#assertReachable();
      if (own === undefined || own.revision === 0) await this.#giveBack(networkId, endpointId);
      else await this.#giveBackKnown(own);
      if (this.#hasBlocks(networkId)) await this.#releaseBlock(networkId);
    } catch (error) {
      if (!isOutage(error)) throw error;
      this.#deps.onUnsettled();
    }
  }

  async rename(endpoint: ClusterEndpoint): Promise<void> {
    const own = this.#own.get(endpoint.endpointId);
    if (own === undefined) return;
    own.endpoint = { ...own.endpoint, name: endpoint.name, dnsNames: endpoint.dnsNames };
    own.changed = true;
    try {
      this.#assertReachable();
      await this.#tellNames(own);
    } catch (error) {
      if (!isOutage(error)) throw error;
      this.#deps.onUnsettled();
    }
  }

  /** Makes the store hold, under our present claim, what we have and nothing else. Repeatable. */
  async settle(): Promise<void> {
    const lease = this.#lease();
    const before = [...this.#own.values()];
    const bound = new Set(await lease.keys());
    const unbound = before.filter(
      ({ endpoint }) => ![...keysOf(endpoint), ...this.#blockKeysOf(endpoint)].every((key) => bound.has(key)),
    );
    for (let at = 0; at < unbound.length; at += BATCH) {
      const batch = unbound.slice(at, at + BATCH);
      await Promise.all(batch.map((own) => this.#inTurn(own.endpoint.networkId, () => this.#claimAgain(own))));
    }
    for (const key of bound) {
      const blockNetwork = networkOfBlockKey(key);
      if (blockNetwork !== undefined) await this.#releaseBlock(blockNetwork);
      const found = endpointOfKey(key);
      if (found === undefined || this.#own.has(found.endpointId) || this.#pending.has(found.endpointId)) continue;
      await this.#giveBack(found.networkId, found.endpointId);
    }
    for (const own of [...this.#own.values()]) if (own.changed) await this.#tellNames(own);
  }

  async #join(request: JoinRequest, view: NetworkView): Promise<ClusterEndpoint> {
    const { networks } = this.#deps;
    let network = networks.get(view.id);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (network === undefined || network.removing !== undefined) network = await networks.look(view.id);
      if (network === undefined || network.removing !== undefined) throw networkGone(request.network.name);
      const passOver = this.#passOver(attempt);
      const wanted = [request.ipv4, request.ipv6].filter((ip) => ip !== undefined);
      const blocks = await this.#blocks.find(request.network, { wanted, passOver });
      const endpoint = this.#choose(request, view, { passOver, within: blocks.map(({ cidr }) => cidr) });
      this.#pending.set(endpoint.endpointId, endpoint);
      const revision = await this.#claim(endpoint, [
        { check: keys.network(view.id), expect: network.revision },
        ...this.#blocks.claim(view.id, blocks),
      ]);
      if (revision !== undefined) {
        const own = { endpoint, network: request.network, revision, addressRevision: revision, changed: false };
        this.#own.set(endpoint.endpointId, own);
        this.#pending.delete(endpoint.endpointId);
        for (const ip of addressesOf(endpoint)) view.addresses.take(ip, endpoint.endpointId);
        return endpoint;
      }
      this.#pending.delete(endpoint.endpointId);
      network = await networks.look(view.id);
      await this.#lookAtAddresses(request, view);
      if (attempt >= AT_ONCE) await this.#pause();
    }
    throw unavailable('cluster_contention', `cannot join network "${request.network.name}": too many join at once`);
  }

  /** How many free ones to pass over at random: more with each attempt. */
  #passOver(attempt: number): number {
    const longestLeap = attempt === 0 ? 0 : Math.min(2 ** attempt, LONGEST_LEAP);
    return Math.floor(this.#deps.random() * (longestLeap + 1));
  }

  #choose(
    request: JoinRequest,
    view: NetworkView,
    { passOver, within }: Pick<ChooseOptions, 'passOver' | 'within'>,
  ): ClusterEndpoint {
    const { endpointId, name, dnsNames, network } = request;
    const options = { avoid: new Set(request.avoid ?? []), passOver, within };
    const chosen: ClusterEndpoint['ipv4'][] = [];
    try {
      for (const family of [4, 6] as const) {
        const ip = family === 4 ? request.ipv4 : request.ipv6;
        const has = network.pools.some((pool) => pool.family === family);
        if (!has) chosen.push(undefined);
        else
          chosen.push(
            ip === undefined ? view.addresses.choose(family, endpointId, options) : view.addresses.wanted(ip),
          );
      }
    } catch (error) {
      for (const cidr of chosen) if (cidr !== undefined) view.addresses.release(cidr.ip, endpointId);
      throw error;
    }
    const [ipv4, ipv6] = chosen;
    const addresses = { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
    return {
      endpointId,
      networkId: network.id,
      nodeId: this.#deps.selfId,
      name,
      dnsNames,
      ...addresses,
      mac: request.macOf(addresses),
    };
  }

  /** The revision; undefined: somebody else was first with something. */
  async #claim(endpoint: ClusterEndpoint, checks: readonly StoreOperation[]): Promise<number | undefined> {
    const { store } = this.#deps;
    const { networkId, endpointId } = endpoint;
    const operations = [...checks, ...claimOf(endpoint, () => 0)];
    try {
      return await store.commit(operations, { lease: this.#lease() });
    } catch (error) {
      this.#forgetAddresses(networkId, endpoint);
      if (!(error instanceof FairwayError)) throw error;
      if (error.code === 'store_conflict') return undefined;
      if (error.code !== 'store_unreachable') throw error;
      // Its answer was lost, perhaps.
      const found = await store.get<ClusterEndpoint>(keys.endpoint(networkId, endpointId)).catch(() => undefined);
      if (found === undefined) throw error;
      return found.revision;
    }
  }

  /** After a conflict: what is really taken. Throws when that is what was wanted. */
  async #lookAtAddresses(request: JoinRequest, view: NetworkView): Promise<void> {
    const pending = [...this.#pending.values(), ...[...this.#own.values()].map(({ endpoint }) => endpoint)];
    const ours = pending.filter(({ networkId }) => networkId === view.id);
    await view.refresh(ours.flatMap((one) => addressesOf(one).map((ip) => [ip, one.endpointId] as const)));
    for (const ip of [request.ipv4, request.ipv6]) {
      if (ip === undefined) continue;
      const row = await this.#deps.store.get<StoredAddress>(keys.address(view.id, ip));
      if (row !== undefined && row.value.endpointId !== request.endpointId) throw addressInUse();
    }
  }

  /** Of an endpoint that runs, whose claim is not there or another's. */
  async #claimAgain(own: Own): Promise<void> {
    const { store, networks } = this.#deps;
    const { endpoint } = own;
    const { networkId, endpointId } = endpoint;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (this.#own.get(endpointId) !== own) return;
      const [network, there, ...rows] = await Promise.all([
        networks.look(networkId),
        store.get<ClusterEndpoint>(keys.endpoint(networkId, endpointId)),
        ...addressesOf(endpoint).map((ip) => store.get<StoredAddress>(keys.address(networkId, ip))),
      ]);
      // Lost, and what was its own is another's now: nobody can join it, so nobody can take the address either.
      if (network === undefined) return;
      if (rows.some((row) => row !== undefined && row.value.endpointId !== endpointId)) {
        this.#own.delete(endpointId);
        this.#taken.emit(endpoint);
        return;
      }
      const cidrs = blocksWith(network.network, endpoint);
      const blocks = await this.#blocks.findAgain(networkId, cidrs);
      if (blocks === undefined) {
        this.#own.delete(endpointId);
        this.#taken.emit(endpoint);
        return;
      }
      const expected = new Map([there, ...rows].flatMap((row) => (row === undefined ? [] : [[row.key, row.revision]])));
      const operations = claimOf(own.endpoint, (key) => expected.get(key) ?? 0);
      const check = { check: keys.network(networkId), expect: network.revision };
      const revision = await this.#commitClaim([check, ...this.#blocks.claim(networkId, blocks), ...operations]);
      if (revision === undefined) continue;
      if (this.#own.get(endpointId) === own) {
        const { endpoint: now, network: on } = own;
        this.#own.set(endpointId, { endpoint: now, network: on, revision, addressRevision: revision, changed: false });
      } else await this.#giveBack(networkId, endpointId);
      return;
    }
    throw unavailable('cluster_contention', `cannot claim endpoint "${endpoint.name}" again`);
  }

  /** After the last endpoint of this node on the network, if that is what it was. */
  async #releaseBlock(networkId: Id): Promise<void> {
    await this.#inTurn(networkId, async () => {
      const here = [...this.#pending.values(), ...[...this.#own.values()].map(({ endpoint }) => endpoint)];
      if (!here.some((endpoint) => endpoint.networkId === networkId)) await this.#blocks.release(networkId);
    });
  }

  #hasBlocks(networkId: Id): boolean {
    const network = this.#deps.networks.get(networkId)?.network;
    return network?.pools.some(({ subnet }) => blockOf(network, subnet.ip) !== undefined) ?? false;
  }

  #inTurn<T>(networkId: Id, work: () => Promise<T>): Promise<T> {
    return this.#hasBlocks(networkId) ? this.#turns.run(networkId, work) : work();
  }

  #blockKeysOf(endpoint: ClusterEndpoint): readonly string[] {
    const { networkId } = endpoint;
    const network = this.#deps.networks.get(networkId)?.network;
    const blocks = network === undefined ? [] : blocksWith(network, endpoint);
    return blocks.map((cidr) => keys.block(networkId, cidr));
  }

  async #tellNames(own: Own): Promise<void> {
    const { networkId, endpointId } = own.endpoint;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const { endpoint } = own;
      const key = keys.endpoint(networkId, endpointId);
      const expect = own.revision || ((await this.#deps.store.get(key))?.revision ?? 0);
      if (expect === 0) return;
      const revision = await this.#commitClaim([{ put: key, value: endpoint, expect }]);
      own.revision = revision ?? 0;
      if (revision === undefined) continue;
      if (own.endpoint === endpoint) own.changed = false;
      return;
    }
  }

  async #commitClaim(operations: readonly StoreOperation[]): Promise<number | undefined> {
    try {
      return await this.#deps.store.commit(operations, { lease: this.#lease() });
    } catch (error) {
      if (error instanceof FairwayError && error.code === 'store_conflict') return undefined;
      throw error;
    }
  }

  /** In one round trip. */
  async #giveBackKnown({ endpoint, revision, addressRevision }: Own): Promise<void> {
    const { networkId, endpointId } = endpoint;
    try {
      await this.#deps.store.commit([
        { delete: keys.endpoint(networkId, endpointId), expect: revision },
        ...addressesOf(endpoint).map((ip) => ({ delete: keys.address(networkId, ip), expect: addressRevision })),
      ]);
    } catch (error) {
      if (!(error instanceof FairwayError) || error.code !== 'store_conflict') throw error;
      await this.#giveBack(networkId, endpointId);
    }
  }

  /** Looks what there is of it. */
  async #giveBack(networkId: Id, endpointId: Id): Promise<void> {
    const { store } = this.#deps;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const there = await store.get<ClusterEndpoint>(keys.endpoint(networkId, endpointId));
      if (there === undefined) return;
      const rows = await Promise.all(
        addressesOf(there.value).map((ip) => store.get<StoredAddress>(keys.address(networkId, ip))),
      );
      const ours = rows.filter((row) => row !== undefined).filter(({ value }) => value.endpointId === endpointId);
      try {
        await store.commit([there, ...ours].map(({ key, revision }) => ({ delete: key, expect: revision })));
        return;
      } catch (error) {
        if (!(error instanceof FairwayError) || error.code !== 'store_conflict') throw error;
      }
    }
  }

  #forgetAddresses(networkId: Id, endpoint: ClusterEndpoint | undefined): void {
    const view = this.#deps.views.get(networkId);
    if (endpoint === undefined || view === undefined) return;
    for (const ip of addressesOf(endpoint)) view.addresses.release(ip, endpoint.endpointId);
  }

  /** Nobody waits for a store that is known not to answer. */
  #assertReachable(): void {
    if (!this.#deps.store.reachable) throw unavailable('store_unreachable', 'the cluster store is not reachable');
  }

  #lease(): StoreLease {
    const lease = this.#deps.lease();
    if (lease !== undefined) return lease;
    throw unavailable('lease_lost', 'this node has no claim in the cluster: the cluster store was not reachable');
  }

  #pause(): Promise<void> {
    const { clock, random } = this.#deps;
    return new Promise((resolve) => {
      clock.after(random() * LONGEST_PAUSE_MS, resolve);
    });
  }
}

/** Those that its addresses are in. */
function blocksWith(network: Parameters<typeof blockOf>[0], endpoint: ClusterEndpoint): readonly Cidr[] {
  return addressesOf(endpoint).flatMap((ip) => blockOf(network, ip) ?? []);
}

/** An endpoint and its addresses, together. */
function claimOf(endpoint: ClusterEndpoint, expected: (key: string) => number): readonly StoreOperation[] {
  const { networkId, endpointId, nodeId } = endpoint;
  const [key, ...addresses] = keysOf(endpoint);
  const owner: StoredAddress = { endpointId, nodeId };
  return [
    { put: key ?? keys.endpoint(networkId, endpointId), value: endpoint, expect: expected(key ?? '') },
    ...addresses.map((address) => ({ put: address, value: owner, expect: expected(address) })),
  ];
}

function keysOf(endpoint: ClusterEndpoint): readonly string[] {
  const { networkId, endpointId } = endpoint;
  return [keys.endpoint(networkId, endpointId), ...addressesOf(endpoint).map((ip: Ip) => keys.address(networkId, ip))];
}

/** The store is not reachable, or this node's claim is to be renewed first: it will be better. */
function isOutage(error: unknown): boolean {
  return error instanceof FairwayError && (error.code === 'store_unreachable' || error.code === 'lease_lost');
}

function networkGone(name: string): FairwayError {
  return notFound('network_not_found', `network ${name} not found: it is being removed`);
}
