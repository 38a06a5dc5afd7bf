import { randomBytes, randomInt } from 'node:crypto';
import type { Id, Ip } from '../../base/index.ts';
import { NUMBER_LIMIT, TURN_LIMIT, turnOf } from './associations.ts';
import type { KernelTable } from './kernel-table.ts';
import type { NodeKeys, Ring, View } from './records.ts';
import { newest, oldestSent } from './ring.ts';

/** A new beginning of this node: nothing that is derived from it was ever in a kernel. */
export function newInstallation(
  self: { readonly id: Id; readonly address: Ip },
  known: { readonly view: View; readonly ring: Ring; readonly peers: readonly NodeKeys[]; readonly table: KernelTable },
): NodeKeys {
  const { view, ring, peers, table } = known;
  const numbers = new Set([...view.nodes.values()].map(({ value }) => value.number));
  const turns = new Set(
    table.associations().flatMap(({ destination, spi }) => (destination === self.address ? [turnOf(spi)] : [])),
  );
  return {
    nodeId: self.id,
    address: self.address,
    nonce: randomBytes(16).toString('base64'),
    number: free(numbers, 1, NUMBER_LIMIT),
    // With all of them in the kernel, any is as good.
    turn: free(turns.size < TURN_LIMIT ? turns : new Set(), 0, TURN_LIMIT),
    ready: newest(ring).id,
    sends: oldestSent(ring, peers),
  };
}

function free(taken: ReadonlySet<number>, from: number, limit: number): number {
  for (;;) {
    const one = randomInt(from, limit);
    if (!taken.has(one)) return one;
  }
}

/** What the node says of itself once it has done what its view asks for; undefined when it has said that already. */
export function progress(self: NodeKeys, ring: Ring, peers: readonly NodeKeys[]): NodeKeys | undefined {
  const ready = Math.max(self.ready, newest(ring).id);
  const sends = Math.max(self.sends, oldestSent(ring, peers));
  return ready === self.ready && sends === self.sends ? undefined : { ...self, ready, sends };
}
