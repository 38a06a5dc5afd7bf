import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Id, type Ip, ManualClock, newId, UnsupportedError } from '../../base/index.ts';
import type { StoreLease } from '../../model/index.ts';
import { MemoryCluster, type MemoryClusterStore } from '../../store/index.ts';
import { NodeEncryption } from './node-encryption.ts';
import { nodeKey, RING, type Ring } from './records.ts';
import { LIFETIME_MS } from './ring.ts';
import { FakeEsp } from './testing/fake-esp.ts';

const CLAIM_SECONDS = 3600;
const NETWORK = newId();

/** A node: a kernel that stays, a process that comes and goes, and a way to the store that can be cut. */
class TestNode {
  readonly id: Id = newId();
  readonly esp: FakeEsp;
  readonly store: MemoryClusterStore;
  address: Ip;
  encryption: NodeEncryption;
  readonly #cluster: MemoryCluster;
  readonly #clock: ManualClock;
  #lease: StoreLease | undefined;

  constructor(cluster: MemoryCluster, clock: ManualClock, address: string) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.address = address as Ip;
    this.esp = new FakeEsp(this.address);
    this.store = cluster.open();
    this.encryption = this.start();
  }

  start(skewMs = 0): NodeEncryption {
    const clock = this.#clock;
    this.encryption = new NodeEncryption(
      {
        store: this.store,
        self: { id: this.id, address: () => this.address },
        claim: async () => {
          if (this.#lease?.held !== true) this.#lease = await this.store.grantLease(CLAIM_SECONDS);
          return this.#lease;
        },
        openEsp: ({ onLoss }) => {
          this.esp.onLoss = onLoss;
          return this.esp;
        },
        requireSupport: () => {},
        clock: {
          now: () => clock.now() + skewMs,
          nowNanos: () => clock.nowNanos(),
          after: (ms, callback) => clock.after(ms, callback),
        },
      },
      { port: 4790 },
    );
    return this.encryption;
  }

  async restart(): Promise<void> {
    await this.encryption.close();
    this.start().restore(NETWORK);
  }

  endClaim(): void {
    if (this.#lease !== undefined) this.#cluster.endLease(this.#lease.id);
    this.#lease = undefined;
  }

  /** Whether a packet from here arrives, and none is ever sent in clear. */
  reaches(other: TestNode): boolean {
    const sent = this.esp.sendsTo(other.address);
    assert.notEqual(sent, 'clear');
    return sent !== undefined && sent !== 'clear' && other.esp.takes(sent);
  }
}

class Lab {
  readonly clock = new ManualClock();
  readonly cluster = new MemoryCluster({ clock: this.clock });
  readonly nodes: readonly TestNode[];

  constructor(count = 3) {
    this.nodes = Array.from({ length: count }, (_, at) => new TestNode(this.cluster, this.clock, `192.0.2.${at + 1}`));
  }

  async hold(...nodes: readonly TestNode[]): Promise<void> {
    for (const node of nodes) await node.encryption.hold(NETWORK);
    await this.clock.advance(0);
  }

  assertAllReach(nodes = this.nodes, when = ''): void {
    for (const { esp } of this.nodes) assert.deepEqual(esp.sentTwice, []);
    for (const one of nodes) {
      for (const other of nodes) {
        if (one !== other) assert.ok(one.reaches(other), `${one.address} reaches ${other.address} ${when}`);
      }
    }
  }

  ring(): number[] {
    const row = this.cluster.row(RING);
    return row === undefined ? [] : (JSON.parse(row.json) as Ring).keys.map(({ id }) => id);
  }

  key(from: TestNode, to: TestNode): string {
    const sent = from.esp.sendsTo(to.address);
    assert.ok(sent !== undefined && sent !== 'clear');
    return Buffer.from(sent.key).toString('hex');
  }
}

describe('encryption between nodes', () => {
  it('gives every two nodes keys of their own, one for each direction', async () => {
    const lab = new Lab();
    await lab.hold(...lab.nodes);
    lab.assertAllReach();
    const keys = lab.nodes.flatMap((one) => lab.nodes.filter((two) => two !== one).map((two) => lab.key(one, two)));
    assert.equal(new Set(keys).size, 6);
  });

  it('lets nothing pass before keys are there, and takes everything away at the end', async () => {
    const lab = new Lab(2);
    const [one, two] = lab.nodes as [TestNode, TestNode];
    await lab.hold(one);
    assert.equal(one.esp.sendsTo(two.address), undefined);
    await lab.hold(two);
    lab.assertAllReach();
    await two.encryption.release(NETWORK);
    assert.deepEqual([two.esp.associations(), two.esp.policies()], [[], []]);
    await lab.clock.advance(0);
    assert.equal(one.esp.sendsTo(two.address), undefined);
    await one.encryption.release(NETWORK);
    assert.deepEqual([one.esp.associations(), one.esp.policies()], [[], []]);
    assert.deepEqual(
      lab.cluster.rows('encryption/').map(([key]) => key),
      ['encryption/joined', RING],
    );
  });

  it('finds everything as it was after a restart, also without the store', async () => {
    const lab = new Lab();
    await lab.hold(...lab.nodes);
    const [one, two] = lab.nodes as [TestNode, TestNode];
    const before = [lab.key(one, two), lab.key(two, one)];
    const record = lab.cluster.row(nodeKey(one.id))?.revision;
    one.store.cut();
    await one.restart();
    await lab.clock.advance(10_000);
    lab.assertAllReach();
    one.store.heal();
    await lab.clock.advance(10_000);
    assert.deepEqual([lab.key(one, two), lab.key(two, one)], before);
    assert.equal(lab.cluster.row(nodeKey(one.id))?.revision, record);
    lab.assertAllReach();
  });

  it('takes in a node that came while the daemon was away, and leaves the others alone', async () => {
    const lab = new Lab();
    const [one, two, three] = lab.nodes as [TestNode, TestNode, TestNode];
    await lab.hold(one, two);
    const before = lab.key(one, two);
    await one.encryption.close();
    await lab.hold(three);
    one.start().restore(NETWORK);
    await lab.clock.advance(0);
    lab.assertAllReach();
    assert.equal(lab.key(one, two), before);
  });

  it('turns the ring every twelve hours and loses nothing on the way', async () => {
    const lab = new Lab();
    await lab.hold(...lab.nodes);
    const [one, two] = lab.nodes as [TestNode, TestNode];
    const first = lab.key(one, two);
    const rings = [lab.ring().join(' ')];
    one.store.watch(RING, ({ value }) => rings.push((value as Ring).keys.map(({ id }) => id).join(' ')));
    for (let minutes = 0; minutes < 26 * 60; minutes += 1) {
      await lab.clock.advance(60_000);
      lab.assertAllReach(lab.nodes, `after ${minutes} minutes with keys ${lab.ring()}`);
    }
    assert.deepEqual(rings, ['1', '1 2', '2', '2 3', '3']);
    assert.notEqual(lab.key(one, two), first);
    // What is not needed any more goes.
    for (const { esp } of lab.nodes) assert.equal(esp.associations().length, 4);
  });

  it('keeps the old key for a node that is cut off, and retires it when its claim has ended', async () => {
    const lab = new Lab();
    await lab.hold(...lab.nodes);
    const [one, two, three] = lab.nodes as [TestNode, TestNode, TestNode];
    await lab.clock.advance(LIFETIME_MS - 60_000);
    three.store.cut();
    await lab.clock.advance(1_800_000);
    assert.deepEqual(lab.ring(), [1, 2]);
    lab.assertAllReach();
    three.store.heal();
    await lab.clock.advance(900_000);
    assert.deepEqual(lab.ring(), [2]);
    lab.assertAllReach();
    three.store.cut();
    await lab.clock.advance(LIFETIME_MS + 2 * CLAIM_SECONDS * 1000);
    assert.deepEqual(lab.ring(), [3]);
    assert.ok(one.reaches(two) && two.reaches(one));
    assert.equal(one.esp.sendsTo(three.address), undefined);
    three.store.heal();
    await lab.clock.advance(60_000);
    lab.assertAllReach();
  });

  it('turns the ring whatever the clocks say, and not more often', async () => {
    const lab = new Lab();
    const [, two, three] = lab.nodes as [TestNode, TestNode, TestNode];
    two.start(36 * 3600_000);
    three.start(-36 * 3600_000);
    await lab.hold(...lab.nodes);
    await lab.clock.advance(5 * LIFETIME_MS);
    lab.assertAllReach();
    const newest = lab.ring().at(-1) ?? 0;
    assert.ok(newest >= 4 && newest <= 7, `ring ${lab.ring()}`);
  });

  for (const what of ['associations', 'policies', 'both'] as const) {
    it(`makes good what somebody has flushed (${what}), with keys that were never used`, async () => {
      const lab = new Lab();
      await lab.hold(...lab.nodes);
      const [one, two] = lab.nodes as [TestNode, TestNode];
      const before = lab.key(one, two);
      one.esp.flush(what);
      assert.notEqual(one.esp.sendsTo(two.address), 'clear');
      await lab.clock.advance(0);
      lab.assertAllReach();
      assert.equal(lab.key(one, two) === before, what === 'policies');
    });

    it(`makes good what was flushed (${what}) while the daemon was away`, async () => {
      const lab = new Lab();
      await lab.hold(...lab.nodes);
      const [one] = lab.nodes as [TestNode];
      await one.encryption.close();
      one.esp.flush(what);
      one.start().restore(NETWORK);
      assert.notEqual(one.esp.sendsTo('192.0.2.2' as Ip), 'clear');
      await lab.clock.advance(0);
      lab.assertAllReach();
    });
  }

  it('begins anew when its claim has ended, its address has changed, or the store has lost everything', async () => {
    const lab = new Lab();
    await lab.hold(...lab.nodes);
    const [one] = lab.nodes as [TestNode];
    one.endClaim();
    await lab.clock.advance(10_000);
    lab.assertAllReach();
    one.address = '192.0.2.77' as Ip;
    one.encryption.restore(NETWORK);
    await lab.clock.advance(10_000);
    lab.assertAllReach();
    lab.cluster.loseEverything();
    await lab.clock.advance(3600_000);
    lab.assertAllReach();
  });

  it('uses the newest of two nodes with one address', async () => {
    const lab = new Lab(2);
    await lab.hold(...lab.nodes);
    const [one, two] = lab.nodes as [TestNode, TestNode];
    await two.encryption.close();
    const again = new TestNode(lab.cluster, lab.clock, two.address);
    await lab.hold(again);
    assert.ok(one.reaches(again) && again.reaches(one));
  });

  it('is refused with the reason where the kernel lacks it or the store is away, and leaves nothing', async () => {
    const lab = new Lab(1);
    const [one] = lab.nodes as [TestNode];
    one.store.cut();
    await assert.rejects(one.encryption.hold(NETWORK), { code: 'store_unreachable' });
    assert.deepEqual(one.esp.policies(), []);
    const lacking = new NodeEncryption(
      {
        store: one.store,
        self: { id: one.id, address: () => one.address },
        claim: () => one.store.grantLease(1),
        requireSupport: () => {
          throw new UnsupportedError('cannot encrypt: this kernel lacks CONFIG_INET_ESP', 'CONFIG_INET_ESP');
        },
      },
      { port: 4790 },
    );
    await assert.rejects(lacking.hold(NETWORK), /CONFIG_INET_ESP/);
  });

  it('sweeps what an earlier process has left', async () => {
    const lab = new Lab(2);
    await lab.hold(...lab.nodes);
    const [one] = lab.nodes as [TestNode];
    await one.encryption.close();
    await one.start().sweep();
    await lab.clock.advance(0);
    assert.deepEqual([one.esp.associations(), one.esp.policies()], [[], []]);
    assert.equal(lab.cluster.row(nodeKey(one.id)), undefined);
  });

  it('loses nothing between nodes that hear late of the ring, in whatever order they do', async () => {
    const step = fc.record({ who: fc.integer({ min: 0, max: 3 }), minutes: fc.constantFrom(0, 1, 7, 20) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 80 }), async (steps) => {
        const lab = new Lab(4);
        await lab.hold(...lab.nodes);
        await lab.clock.advance(LIFETIME_MS - 60_000);
        const cutFor = new Map<TestNode, number>();
        for (const { who, minutes } of steps) {
          const node = lab.nodes[who];
          assert.ok(node);
          if (cutFor.delete(node)) node.store.heal();
          else {
            node.store.cut();
            cutFor.set(node, 0);
          }
          for (let minute = 0; minute < minutes; minute += 1) {
            await lab.clock.advance(60_000);
            lab.assertAllReach(lab.nodes, `with keys ${lab.ring()}`);
          }
          for (const [cut, before] of cutFor) {
            cutFor.set(cut, before + minutes);
            // Much later its claim, last renewed up to twenty minutes before, would end, and with it what it has said.
            if (before + minutes < 15) continue;
            cut.store.heal();
            cutFor.delete(cut);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('loses nothing and uses no key twice, whatever happens in whatever order', async () => {
    const step = fc.record({
      what: fc.constantFrom('cut', 'heal', 'restart', 'hours', 'minutes', 'release', 'hold', 'flush', 'claim'),
      who: fc.integer({ min: 0, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const lab = new Lab(4);
        const held = new Set(lab.nodes);
        await lab.hold(...lab.nodes);
        const cut = new Set<TestNode>();
        for (const { what, who } of steps) {
          const node = lab.nodes[who];
          assert.ok(node);
          // A node that was cut off, and what happened to it then, is made good after it is healed.
          if (what === 'cut') {
            node.store.cut();
            cut.add(node);
          } else if (what === 'heal') {
            node.store.heal();
            cut.delete(node);
          } else if (what === 'restart' && held.has(node)) await node.restart();
          else if (what === 'hours') await lab.clock.advance(5 * 3600_000);
          else if (what === 'minutes') await lab.clock.advance(5 * 60_000);
          else if (what === 'release' && !cut.has(node)) {
            await node.encryption.release(NETWORK);
            held.delete(node);
          } else if (what === 'hold' && !cut.has(node)) {
            await node.encryption.hold(NETWORK);
            held.add(node);
          } else if (what === 'flush' && held.has(node) && !cut.has(node)) node.esp.flush('both');
          else if (what === 'claim' && !cut.has(node)) node.endClaim();
          await lab.clock.advance(5_000);
          lab.assertAllReach(
            [...held].filter((one) => !cut.has(one)),
            `after ${what} of ${who} with keys ${lab.ring()}`,
          );
        }
        for (const node of cut) node.store.heal();
        await lab.clock.advance(3600_000);
        lab.assertAllReach([...held]);
      }),
      { numRuns: 40 },
    );
  });
});
