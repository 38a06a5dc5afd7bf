import { hkdfSync } from 'node:crypto';
import { familyOf, type Ip } from '../../base/index.ts';
import type { NodeKeys, Ring, RingKey } from './records.ts';
import { keyTo } from './ring.ts';

/** One direction between two nodes, for one key of the ring. */
export interface Association {
  readonly source: Ip;
  readonly destination: Ip;
  readonly spi: number;
  /** AES-256 and four bytes of salt. */
  readonly key: Uint8Array;
}

/** What a node has in its kernel. */
export interface Associations {
  /** From each other node, one for each key of the ring. */
  readonly receive: readonly Association[];
  /** To each other node, the one to be used. */
  readonly send: readonly Association[];
}

const KEY_LENGTH = 36;
/** Of an SPI, from below: the receiver's turn, the ring's key, the sender's number. */
const TURN_BITS = 8;
const KEY_BITS = 4;
export const NUMBER_LIMIT = 1 << (32 - TURN_BITS - KEY_BITS);
export const TURN_LIMIT = 1 << TURN_BITS;

/**
 * Neither the same key nor the same number for two of anything: both nonces are in the key, and with GCM a key must never
 * begin to count anew; an SPI has to be the only one at its destination.
 */
export function association(key: RingKey, from: NodeKeys, to: NodeKeys): Association {
  const salt = Buffer.concat([from, to].map(({ nonce }) => Buffer.from(nonce, 'base64')));
  const info = `fairway esp ${key.id} ${from.nodeId} ${from.address} ${to.nodeId} ${to.address}`;
  return {
    source: from.address,
    destination: to.address,
    spi: ((from.number << (TURN_BITS + KEY_BITS)) | ((key.id % (1 << KEY_BITS)) << TURN_BITS) | to.turn) >>> 0,
    key: new Uint8Array(hkdfSync('sha256', Buffer.from(key.secret, 'base64'), salt, info, KEY_LENGTH)),
  };
}

/** By which the kernel tells them apart. */
export function nameOf({ destination, spi }: Pick<Association, 'destination' | 'spi'>): string {
  return `${destination} ${spi}`;
}

export function turnOf(spi: number): number {
  return spi % TURN_LIMIT;
}

/** Others whom this node can reach: its underlay address is of their family. */
export function peersOf(self: Pick<NodeKeys, 'nodeId' | 'address'>, nodes: Iterable<NodeKeys>): NodeKeys[] {
  return [...nodes].filter(
    ({ nodeId, address }) =>
      nodeId !== self.nodeId && address !== self.address && familyOf(address) === familyOf(self.address),
  );
}

/** Derives each only once: with many nodes that is most of the work. */
export class Deriver {
  #known = new Map<string, Association>();

  derive(self: NodeKeys, peers: readonly NodeKeys[], ring: Ring): Associations {
    const known = this.#known;
    this.#known = new Map();
    const of = (key: RingKey, from: NodeKeys, to: NodeKeys): Association => {
      const name = [key.id, key.secret, from, to]
        .map((part) => (typeof part === 'object' ? ends(part) : part))
        .join(' ');
      const found = known.get(name) ?? association(key, from, to);
      this.#known.set(name, found);
      return found;
    };
    return {
      receive: peers.flatMap((peer) => ring.keys.map((key) => of(key, peer, self))),
      send: peers.flatMap((peer) => {
        const key = keyTo(ring, peer);
        return key === undefined ? [] : [of(key, self, peer)];
      }),
    };
  }
}

function ends({ nodeId, address, nonce, number, turn }: NodeKeys): string {
  return `${nodeId} ${address} ${nonce} ${number} ${turn}`;
}
