import { randomBytes } from 'node:crypto';
import type { NodeKeys, Ring, RingKey } from './records.ts';

/** A key is followed by another after this long. */
export const LIFETIME_MS = 12 * 60 * 60 * 1000;
/** Keys of one ring: the next is made only when the one before the last has been retired. */
const LONGEST = 2;

export function firstRing(now: number): Ring {
  return { keys: [ringKey(1, now)] };
}

function ringKey(id: number, now: number): RingKey {
  return { id, secret: randomBytes(32).toString('base64'), createdAt: new Date(now).toISOString() };
}

export function newest({ keys }: Ring): RingKey {
  const last = keys.at(-1);
  if (last === undefined) throw new RangeError('a ring has at least one key');
  return last;
}

/** The newest key that the other node says it receives with; undefined when it has none that is left in the ring. */
export function keyTo(ring: Ring, peer: Pick<NodeKeys, 'ready'>): RingKey | undefined {
  return ring.keys.findLast(({ id }) => id <= peer.ready);
}

/** The oldest key that a node with this view may use, now or later: those who join receive with the newest from the start. */
export function oldestSent(ring: Ring, peers: readonly NodeKeys[]): number {
  return Math.min(newest(ring).id, ...peers.flatMap((peer) => keyTo(ring, peer)?.id ?? []));
}

/**
 * Step one, of whoever is first: the ring with one more key. Step two is every node's own: it receives with the key, and
 * says so; others send to it with it from then on. Step three is {@link retired}. Undefined: the step before is not through.
 */
export function published(ring: Ring, now: number): Ring | undefined {
  if (ring.keys.length >= LONGEST) return undefined;
  return { keys: [...ring.keys, ringKey(newest(ring).id + 1, now)] };
}

/** Without the keys that no node sends with any more. Undefined: all are needed. */
export function retired(ring: Ring, nodes: readonly NodeKeys[]): Ring | undefined {
  const needed = Math.min(newest(ring).id, ...nodes.map(({ sends }) => sends));
  const keys = ring.keys.filter(({ id }) => id >= needed);
  return keys.length === ring.keys.length ? undefined : { keys };
}

/**
 * How old the newest key is to whoever has just come: a hint of perhaps another clock. Whoever has seen it made counts by
 * itself.
 */
export function supposedAge(ring: Ring, now: number): number {
  return Math.min(Math.max(now - Date.parse(newest(ring).createdAt), 0), LIFETIME_MS);
}
