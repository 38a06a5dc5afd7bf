import {
  bitsOf,
  type Cidr,
  cidrContains,
  cidrText,
  FairwayError,
  forbidden,
  type Id,
  type Ip,
  invalid,
  ipFromBigInt,
  ipToBigInt,
  unavailable,
} from '../../base/index.ts';
import {
  BLOCK,
  blockOf,
  type ClusterStore,
  type NetworkPool,
  type NetworkRecord,
  type StoreOperation,
} from '../../model/index.ts';
import { keys, leafOf, type StoredBlock } from './keys.ts';

type BlockNetwork = Pick<NetworkRecord, 'id' | 'name' | 'pools' | 'driverState'>;

/** Two addresses at least, beside those that a subnet's ends cannot give away. */
const SMALLEST_PREFIX = 30;
/** Sixteen nodes at least, and no more addresses for one than it has use for. */
const NODES_BITS = 4;
const LARGEST_PREFIX = 24;

/**
 * Prefix length of a new network's blocks: as wished, or as fits the subnet. Throws `invalid_block` when fewer than two blocks
 * fit, or a block would have too few addresses.
 */
export function blockPrefixFor(pools: readonly NetworkPool[], wished: number | undefined): number {
  const subnet = pools.find(({ family }) => family === 4)?.subnet;
  if (subnet === undefined) throw invalid('invalid_block', 'blocks of nodes need an IPv4 subnet');
  const fitting = Math.min(Math.max(subnet.prefix + NODES_BITS, LARGEST_PREFIX), SMALLEST_PREFIX);
  const prefix = wished ?? fitting;
  if (prefix > subnet.prefix && prefix <= SMALLEST_PREFIX) return prefix;
  const longest = `from ${subnet.prefix + 1} to ${SMALLEST_PREFIX}`;
  throw invalid(
    'invalid_block',
    `subnet ${cidrText(subnet)} cannot be divided into blocks of prefix length ${prefix}: it must be ${longest}`,
  );
}

/** A block of this node, or one to be claimed. */
export interface NodeBlock {
  readonly cidr: Cidr;
  /** 0: it is free, and this node has none. */
  readonly revision: number;
}

/** Blocks of networks' subnets, each of one node alone: claimed together with its first endpoint there. */
export class NodeBlocks {
  readonly #store: ClusterStore;
  readonly #selfId: Id;

  constructor(deps: { readonly store: ClusterStore; readonly selfId: Id }) {
    this.#store = deps.store;
    this.#selfId = deps.selfId;
  }

  /**
   * This node's, else the one that has the wanted address, else the lowest free one after `passOver` others. Undefined: the
   * network has none.
   */
  async find(
    network: BlockNetwork,
    { wanted, passOver }: { readonly wanted?: Ip | undefined; readonly passOver: number },
  ): Promise<NodeBlock | undefined> {
    const subnet = network.pools.find(({ family }) => family === 4)?.subnet;
    if (subnet === undefined || blockOf(network, subnet.ip) === undefined) return undefined;
    const rows = await this.#store.list<StoredBlock>(keys.blocksOf(network.id));
    const own = rows.find(({ value }) => value.nodeId === this.#selfId);
    if (own !== undefined) {
      const cidr = blockOf(network, leafOf(own.key) as Ip) ?? subnet;
      if (wanted !== undefined && cidrContains(subnet, wanted) && !cidrContains(cidr, wanted)) {
        throw refused(network, wanted, `this host has ${cidrText(cidr)}`);
      }
      return { cidr, revision: own.revision };
    }
    const taken = new Set(rows.map(({ key }) => leafOf(key)));
    if (wanted === undefined || !cidrContains(subnet, wanted)) {
      return { cidr: lowestFree(network, subnet, { taken, passOver }), revision: 0 };
    }
    const cidr = blockOf(network, wanted) ?? subnet;
    if (taken.has(cidr.ip)) throw refused(network, wanted, `another host has ${cidrText(cidr)}`);
    return { cidr, revision: 0 };
  }

  /** Put with every endpoint, so that it is bound to the same lease, and gone from nobody who has just joined. */
  claim(networkId: Id, { cidr, revision }: NodeBlock): StoreOperation {
    const value: StoredBlock = { nodeId: this.#selfId };
    return { put: keys.block(networkId, cidr), value, expect: revision };
  }

  /** That of an endpoint that runs: undefined when another node has it. */
  async findAgain(networkId: Id, cidr: Cidr): Promise<NodeBlock | undefined> {
    const row = await this.#store.get<StoredBlock>(keys.block(networkId, cidr));
    if (row === undefined) return { cidr, revision: 0 };
    return row.value.nodeId === this.#selfId ? { cidr, revision: row.revision } : undefined;
  }

  /** Nobody of this node is on the network. */
  async release(networkId: Id): Promise<void> {
    const rows = await this.#store.list<StoredBlock>(keys.blocksOf(networkId));
    for (const { key, revision, value } of rows) {
      if (value.nodeId !== this.#selfId) continue;
      try {
        await this.#store.commit([{ delete: key, expect: revision }]);
      } catch (error) {
        // Claimed again by a call that was thought to have failed: what is bound and not ours is given back later.
        if (!(error instanceof FairwayError) || error.code !== 'store_conflict') throw error;
      }
    }
  }
}

function lowestFree(
  network: BlockNetwork,
  subnet: Cidr,
  { taken, passOver }: { readonly taken: ReadonlySet<string>; readonly passOver: number },
): Cidr {
  const prefix = Number(network.driverState?.[BLOCK]);
  const size = 2n ** BigInt(bitsOf(4) - prefix);
  const first = ipToBigInt(subnet.ip) & -(2n ** BigInt(bitsOf(4) - subnet.prefix));
  const count = 2 ** (prefix - subnet.prefix);
  let last: Cidr | undefined;
  let left = passOver;
  for (let at = 0; at < count && left >= 0; at += 1) {
    const ip = ipFromBigInt(first + BigInt(at) * size, 4);
    if (taken.has(ip)) continue;
    last = { ip, prefix };
    left -= 1;
  }
  if (last !== undefined) return last;
  throw unavailable('no_block', `cannot join network "${network.name}": all of its ${count} blocks are other hosts'`);
}

function refused({ name }: BlockNetwork, ip: Ip, reason: string): FairwayError {
  const what = 'each host has a block of addresses there, and';
  return forbidden('address_of_other_node', `cannot use address ${ip} on network "${name}": ${what} ${reason}`);
}
