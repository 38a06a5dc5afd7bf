import {
  bitsOf,
  type Cidr,
  cidrContains,
  cidrText,
  FairwayError,
  familyOf,
  firstIp,
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
  BLOCK6,
  type BlockPrefixes,
  blockOf,
  type ClusterStore,
  type NetworkPool,
  type NetworkRecord,
  type StoreOperation,
  type Versioned,
} from '../../model/index.ts';
import { keys, leafOf, type StoredBlock } from './keys.ts';

type BlockNetwork = Pick<NetworkRecord, 'id' | 'name' | 'pools' | 'driverState'>;

/** Two addresses at least, beside those that a subnet's ends cannot give away. */
const SMALLEST_BITS = 2;
/** Sixteen nodes at least. */
const NODES_BITS = 4;
/** No more addresses for a node than it has use for. */
const LARGEST_PREFIX = { 4: 24, 6: 112 } as const;
/** IPv6: more nodes than that nobody has, and short addresses are easier to read. */
const MOST_NODES_BITS = 16;

/**
 * The `driverState` of a new network: prefix lengths of its blocks, as wished, or as fits the subnets. Throws `invalid_block` when
 * fewer than two blocks fit, or a block would have too few addresses.
 */
export function blockState(pools: readonly NetworkPool[], wished: BlockPrefixes): Readonly<Record<string, number>> {
  return Object.fromEntries(
    pools.map(({ family, subnet }) => {
      const prefix = prefixFor(subnet, family === 4 ? wished.prefix : wished.prefix6);
      return [family === 4 ? BLOCK : BLOCK6, prefix];
    }),
  );
}

function prefixFor(subnet: Cidr, wished: number | undefined): number {
  const family = familyOf(subnet.ip);
  const longest = bitsOf(family) - SMALLEST_BITS;
  const few = Math.max(subnet.prefix + NODES_BITS, LARGEST_PREFIX[family]);
  const fitting = Math.min(few, longest, family === 4 ? longest : subnet.prefix + MOST_NODES_BITS);
  const prefix = wished ?? fitting;
  if (prefix > subnet.prefix && prefix <= longest) return prefix;
  throw invalid(
    'invalid_block',
    `subnet ${cidrText(subnet)} cannot be divided into blocks of prefix length ${prefix}: it must be from ${subnet.prefix + 1} to ${longest}`,
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
   * One of each family of which the network has blocks: this node's, else the one that has the wanted address, else the lowest
   * free one after `passOver` others.
   */
  async find(
    network: BlockNetwork,
    { wanted, passOver }: { readonly wanted: readonly Ip[]; readonly passOver: number },
  ): Promise<readonly NodeBlock[]> {
    const subnets = network.pools.map(({ subnet }) => subnet).filter(({ ip }) => blockOf(network, ip) !== undefined);
    if (subnets.length === 0) return [];
    const rows = await this.#store.list<StoredBlock>(keys.blocksOf(network.id));
    return subnets.map((subnet) => {
      const ip = wanted.find((one) => cidrContains(subnet, one));
      return this.#choose(network, subnet, { rows, wanted: ip, passOver });
    });
  }

  #choose(
    network: BlockNetwork,
    subnet: Cidr,
    {
      rows,
      wanted,
      passOver,
    }: {
      readonly rows: readonly Versioned<StoredBlock>[];
      readonly wanted: Ip | undefined;
      readonly passOver: number;
    },
  ): NodeBlock {
    const own = rows.find(({ key, value }) => value.nodeId === this.#selfId && cidrContains(subnet, leafOf(key) as Ip));
    if (own !== undefined) {
      const cidr = blockOf(network, leafOf(own.key) as Ip) ?? subnet;
      if (wanted !== undefined && !cidrContains(cidr, wanted)) {
        throw refused(network, wanted, `this host has ${cidrText(cidr)}`);
      }
      return { cidr, revision: own.revision };
    }
    const taken = new Set(rows.map(({ key }) => leafOf(key)));
    if (wanted === undefined) return { cidr: lowestFree(network, subnet, { taken, passOver }), revision: 0 };
    const cidr = blockOf(network, wanted) ?? subnet;
    if (taken.has(cidr.ip)) throw refused(network, wanted, `another host has ${cidrText(cidr)}`);
    return { cidr, revision: 0 };
  }

  /** Put with every endpoint, so that it is bound to the same lease, and gone from nobody who has just joined. */
  claim(networkId: Id, blocks: readonly NodeBlock[]): readonly StoreOperation[] {
    const value: StoredBlock = { nodeId: this.#selfId };
    return blocks.map(({ cidr, revision }) => ({ put: keys.block(networkId, cidr), value, expect: revision }));
  }

  /** Those of an endpoint that runs: undefined when another node has one. */
  async findAgain(networkId: Id, cidrs: readonly Cidr[]): Promise<readonly NodeBlock[] | undefined> {
    const found = await Promise.all(
      cidrs.map(async (cidr): Promise<NodeBlock | undefined> => {
        const row = await this.#store.get<StoredBlock>(keys.block(networkId, cidr));
        if (row === undefined) return { cidr, revision: 0 };
        return row.value.nodeId === this.#selfId ? { cidr, revision: row.revision } : undefined;
      }),
    );
    return found.includes(undefined) ? undefined : found.filter((block) => block !== undefined);
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
  const prefix = blockOf(network, subnet.ip)?.prefix ?? subnet.prefix;
  const family = familyOf(subnet.ip);
  const size = 2n ** BigInt(bitsOf(family) - prefix);
  const first = ipToBigInt(firstIp(subnet));
  const count = 2 ** (prefix - subnet.prefix);
  let last: Cidr | undefined;
  let left = passOver;
  for (let at = 0; at < count && left >= 0; at += 1) {
    const ip = ipFromBigInt(first + BigInt(at) * size, family);
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
