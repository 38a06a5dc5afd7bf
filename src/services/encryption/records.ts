import { type Id, type Ip, tryParseIp } from '../../base/index.ts';
import type { StoreChange, Versioned } from '../../model/index.ts';

/** Everything of encryption is below one prefix, so that one follower sees it in the order in which it happened. */
export const PREFIX = 'encryption/';
export const RING = `${PREFIX}ring`;
/** Changes with every installation: who judges by the sum of all nodes checks it. */
export const JOINED = `${PREFIX}joined`;
const NODES = `${PREFIX}nodes/`;

export function nodeKey(id: Id): string {
  return `${NODES}${id}`;
}

/** Held by the node that has the number, so that no other takes it. */
export function numberKey(number: number): string {
  return `${PREFIX}numbers/${number}`;
}

export interface RingKey {
  /** Counts up; never used again while another of the ring is alike in its last {@link KEY_BITS} bits. */
  readonly id: number;
  /** 32 random bytes, base64. All keys of packets are derived from it. */
  readonly secret: string;
  /** By the clock of the node that made it: a hint and nothing more. RFC 3339. */
  readonly createdAt: string;
}

/** Oldest first; never empty. */
export interface Ring {
  readonly keys: readonly RingKey[];
}

/**
 * What a node that has encrypted networks tells the others. One *installation*: everything derived from its nonce goes into
 * the kernel of that node at most once; whatever has to be made again is made with a new nonce.
 */
export interface NodeKeys {
  readonly nodeId: Id;
  readonly address: Ip;
  /** 16 random bytes, base64. */
  readonly nonce: string;
  /** Of what it sends: no other node's is the same. 1 to 2^20-1. */
  readonly number: number;
  /** Tells two installations of the node apart in what others send to it. 0 to 255. */
  readonly turn: number;
  /** It receives with the keys of the ring up to this id. Only ever grows. */
  readonly ready: number;
  /** It sends with no key before this id any more. Only ever grows. */
  readonly sends: number;
}

/** What one node knows of the ring and of the nodes: the state of the store at one revision, perhaps not the last. */
export class View {
  ring: Versioned<Ring> | undefined;
  /** Revision of {@link JOINED}. */
  joined = 0;
  readonly nodes = new Map<Id, Versioned<NodeKeys>>();

  /** One for each address: of a node that came back under another id, the newest. */
  current(): NodeKeys[] {
    const found = new Map<Ip, Versioned<NodeKeys>>();
    for (const node of this.nodes.values()) {
      if ((found.get(node.value.address)?.revision ?? 0) < node.revision) found.set(node.value.address, node);
    }
    return [...found.values()].map(({ value }) => value);
  }

  /** True when it says something new. What cannot be read counts as not there: nothing is sent to whom we cannot understand. */
  apply({ key, value, revision }: StoreChange): boolean {
    if (key === RING) {
      this.ring = isRing(value) ? { key, value, revision } : undefined;
      return true;
    }
    if (key === JOINED) this.joined = value === undefined ? 0 : revision;
    if (!key.startsWith(NODES)) return false;
    const id = key.slice(NODES.length) as Id;
    if (isNodeKeys(value) && value.nodeId === id) this.nodes.set(id, { key, value, revision });
    else this.nodes.delete(id);
    return true;
  }
}

function isRing(value: unknown): value is Ring {
  if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys)) return false;
  const keys: readonly unknown[] = value.keys;
  return keys.length > 0 && keys.every(isRingKey);
}

function isRingKey(value: unknown): value is RingKey {
  if (typeof value !== 'object' || value === null) return false;
  const { id, secret, createdAt } = value as Partial<Record<keyof RingKey, unknown>>;
  return isCount(id) && typeof createdAt === 'string' && isBytes(secret, 32);
}

function isNodeKeys(value: unknown): value is NodeKeys {
  if (typeof value !== 'object' || value === null) return false;
  const { nodeId, address, nonce, number, turn, ready, sends } = value as Partial<Record<keyof NodeKeys, unknown>>;
  return (
    typeof nodeId === 'string' &&
    typeof address === 'string' &&
    tryParseIp(address) === address &&
    isBytes(nonce, 16) &&
    [number, turn, ready, sends].every(isCount)
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isBytes(value: unknown, length: number): value is string {
  return typeof value === 'string' && Buffer.from(value, 'base64').length === length;
}
