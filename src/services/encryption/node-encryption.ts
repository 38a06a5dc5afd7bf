import {
  type Clock,
  familyOf,
  type Id,
  type Ip,
  isKind,
  type Log,
  messageOf,
  Serial,
  silentLog,
  systemClock,
  unavailable,
} from '../../base/index.ts';
import { requireFeature, type XfrmPolicy } from '../../kernel/index.ts';
import type { ClusterStore, StoreLease, StoreOperation, UnderlayEncryption } from '../../model/index.ts';
import { type Association, Deriver, nameOf, peersOf } from './associations.ts';
import { type Esp, KernelEsp, type KernelEspOptions, policiesOf } from './esp.ts';
import { newInstallation, progress } from './installation.ts';
import { KernelTable } from './kernel-table.ts';
import { JOINED, type NodeKeys, nodeKey, numberKey, PREFIX, RING, type Ring, View } from './records.ts';
import { firstRing, LIFETIME_MS, newest, published, retired, supposedAge } from './ring.ts';

export interface NodeEncryptionDeps {
  readonly store: ClusterStore;
  /** `address`: where others send to, as it is now; undefined: there is none, or it is not known yet. */
  readonly self: { readonly id: Id; readonly address: () => Ip | undefined };
  /** The lease of this node's claim: what the node says of its keys ends with it. */
  readonly claim: () => Promise<StoreLease>;
  /** Default: the kernel's, where the thread is. */
  readonly openEsp?: (options: KernelEspOptions) => Esp;
  readonly requireSupport?: (address: Ip) => void;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface NodeEncryptionOptions {
  readonly port: number;
}

/** ESP header and initialization vector, at most three bytes of padding, trailer, integrity check value. */
export const OVERHEAD = 8 + 8 + 3 + 2 + 16;
/** What is on its way, or from a node that has not heard yet, is still taken this long. */
const GRACE_MS = 60_000;
/** How often the ring is looked after; a part of it at random, so that not all nodes do so at once. */
const LOOK_MS = 300_000;
/** What kernels that encrypt at all can do. */
const ANY = '0.0.0.0' as Ip;
const RETRY_MS = 2_000;
const ATTEMPTS = 20;

/** What this node has said of itself, with its revision. */
interface Own {
  readonly keys: NodeKeys;
  readonly revision: number;
}

/** What there is while an encrypted network is held. */
interface Session {
  readonly esp: Esp;
  readonly table: KernelTable;
  readonly view: View;
  readonly deriver: Deriver;
  /** False until everything that is in the store was told. */
  told: boolean;
  /** Undefined: there is nothing yet, or it has to be made anew. */
  own: Own | undefined;
  /** The newest key, and since when it has been that. */
  known: { readonly id: number; readonly since: number } | undefined;
  /** An earlier process has left what it made, and nobody has flushed it since. */
  readonly found: boolean;
  /** What the kernel is to let pass now, whoever takes it away. */
  policies: readonly XfrmPolicy[];
  readonly ends: (() => void)[];
  /** Names of associations that nobody should use any more, with the end of their grace. */
  readonly stale: Map<string, () => void>;
}

/**
 * Keeps the kernel and the cluster's ring of keys together. Everything is done by looking at what the store and the kernel
 * say now and making up the difference, one look at a time, whenever either has changed.
 *
 * Which key is used when: see `ring.ts`. That none is used twice by two senders, or by one sender from the beginning: every
 * pair of nodes has keys of its own, from both nodes' nonces; what the kernel has lost is not made again but replaced, by a new
 * nonce of this node. A restart of the daemon finds all as it was and changes nothing.
 */
export class NodeEncryption implements UnderlayEncryption {
  readonly port: number;
  readonly overhead = OVERHEAD;
  readonly #deps: NodeEncryptionDeps;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #held = new Set<Id>();
  readonly #serial = new Serial();
  readonly #waiting = new Set<() => void>();
  #session: Session | undefined;
  #asked = false;
  #cancelRetry: () => void = () => {};

  constructor(deps: NodeEncryptionDeps, options: NodeEncryptionOptions) {
    this.#deps = deps;
    this.port = options.port;
    this.#clock = deps.clock ?? systemClock;
    this.#log = deps.log ?? silentLog;
  }

  requireSupport(): void {
    const address = this.#deps.self.address() ?? ANY;
    if (this.#deps.requireSupport !== undefined) this.#deps.requireSupport(address);
    else requireFeature(familyOf(address) === 4 ? 'espGcm' : 'esp6Gcm');
  }

  async hold(networkId: Id): Promise<void> {
    this.requireSupport();
    if (this.#deps.self.address() === undefined) {
      throw unavailable('no_underlay', 'cannot encrypt between nodes: this one has no address for others yet');
    }
    const first = this.#held.size === 0;
    this.#held.add(networkId);
    try {
      this.#open();
      for (let attempt = 1; this.#held.size > 0 && this.#session?.own === undefined; attempt += 1) {
        const changed = this.#change();
        await this.#serial.run('', () => this.#settle());
        if (this.#session?.own !== undefined) break;
        if (attempt === ATTEMPTS)
          throw unavailable('store_busy', 'cannot encrypt between nodes: others changed the keys all the time');
        await changed;
      }
    } catch (error) {
      if (first) await this.release(networkId);
      else this.#held.delete(networkId);
      throw error;
    }
  }

  restore(networkId: Id): void {
    this.#held.add(networkId);
    this.#open();
    this.#ask();
  }

  async release(networkId: Id): Promise<void> {
    this.#held.delete(networkId);
    await this.#serial.run('', () => this.#takeDown());
  }

  async sweep(): Promise<void> {
    if (this.#held.size > 0 || this.#session !== undefined) return;
    try {
      using esp = this.#openEsp(() => {});
      new KernelTable(esp).clear();
    } catch (error) {
      this.#log.debug({ reason: messageOf(error) }, 'nothing of encryption to sweep');
    }
    // Nobody waits for a store that may be away.
    void this.#serial.run('', () => (this.#held.size > 0 ? undefined : this.#withdraw()));
  }

  /** Stops looking; the kernel goes on. */
  async close(): Promise<void> {
    this.#held.clear();
    await this.#serial.run('', () => this.#closeSession());
  }

  #open(): void {
    if (this.#session !== undefined) return;
    const esp = this.#openEsp(() => this.#onLoss());
    const session: Session = {
      esp,
      table: new KernelTable(esp),
      view: new View(),
      deriver: new Deriver(),
      told: false,
      own: undefined,
      known: undefined,
      found: esp.policies().length > 0,
      policies: esp.policies(),
      ends: [],
      stale: new Map(),
    };
    this.#session = session;
    // Closed from the first moment, unless an earlier process has opened it already.
    if (!session.found) this.#allow(session, []);
    session.ends.push(this.#deps.store.onReachable((reachable) => reachable && this.#ask()));
    this.#lookLater(session);
  }

  #openEsp(onLoss: () => void): Esp {
    const open = this.#deps.openEsp ?? ((options: KernelEspOptions) => KernelEsp.open(options));
    const onError = (error: unknown): void => this.#log.error({ reason: messageOf(error) }, 'cannot hear of IPsec');
    return open({ port: this.port, onLoss, onError });
  }

  async #follow(session: Session): Promise<void> {
    if (session.told) return;
    const end = await this.#deps.store.follow(PREFIX, (change) => {
      if (!session.view.apply(change)) return;
      const { own } = session;
      if (own !== undefined && change.key === nodeKey(own.keys.nodeId) && change.revision > own.revision) {
        if (change.value === undefined) session.own = undefined;
      }
      this.#ask();
    });
    session.ends.push(end);
    session.told = true;
  }

  /** Somebody asks for a look; all that is asked for at once is one. */
  #ask(): void {
    for (const tell of this.#waiting) tell();
    if (this.#asked) return;
    this.#asked = true;
    void this.#serial.run('', async () => {
      this.#asked = false;
      try {
        await this.#settle();
      } catch (error) {
        this.#log.warn({ reason: messageOf(error) }, 'cannot bring keys up to date; tried again');
        this.#cancelRetry();
        this.#cancelRetry = this.#clock.after(RETRY_MS, () => this.#ask());
      }
    });
  }

  /** Resolves at the next change of what is known, or after a while. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = this.#clock.after(RETRY_MS, done);
      this.#waiting.add(done);
    });
  }

  #onLoss(): void {
    const session = this.#session;
    if (session === undefined) return;
    const whole = session.table.compare();
    session.table.setPolicies(session.policies);
    if (whole || session.own === undefined) return;
    this.#log.warn({}, 'keys were taken out of the kernel: made anew');
    session.own = undefined;
    this.#allow(session, []);
    this.#ask();
  }

  #allow(session: Session, send: readonly Association[]): void {
    const address = this.#deps.self.address();
    // Then what is there stays: it lets nothing pass in clear.
    if (address === undefined) return;
    session.policies = policiesOf(address, this.port, send);
    session.table.setPolicies(session.policies);
  }

  /** One look, and everything that follows from it. */
  async #settle(): Promise<void> {
    const session = this.#session;
    if (session === undefined || this.#held.size === 0) return;
    await this.#follow(session);
    const ring = session.view.ring?.value;
    if (ring === undefined) {
      await this.#commit([{ put: RING, value: firstRing(this.#clock.now()), expect: 0 }]);
      return;
    }
    this.#noteAge(session, ring);
    const address = this.#deps.self.address();
    // Told by `restore` when there is one.
    if (address === undefined) return;
    if (session.own?.keys.address !== address) session.own = this.#adopted(session, ring, address);
    if (session.own === undefined) await this.#install(session, ring, address);
    const { own } = session;
    if (own === undefined) return;
    const peers = peersOf(own.keys, session.view.current());
    this.#apply(session, ring, own.keys, peers);
    // Begun anew meanwhile?
    if (session.own === own) await this.#tell(session, own, progress(own.keys, ring, peers));
  }

  #noteAge(session: Session, ring: Ring): void {
    const { id } = newest(ring);
    if (session.known?.id === id) return;
    const now = this.#clock.now();
    session.known = { id, since: session.known === undefined ? now - supposedAge(ring, now) : now };
  }

  /** What an earlier process has said and made, if all of it is there. */
  #adopted(session: Session, ring: Ring, address: Ip): Own | undefined {
    const { view, table, deriver } = session;
    const found = view.nodes.get(this.#deps.self.id);
    table.compare();
    if (!session.found || found?.value.address !== address) return undefined;
    const peers = peersOf(found.value, view.current());
    const { receive, send } = deriver.derive(found.value, peers, ring);
    const policies = policiesOf(address, this.port, send);
    // A node that came while we were away has neither associations nor a policy.
    const isNew = (peer: Ip): boolean =>
      !table.associations().some(({ source, destination }) => source === peer || destination === peer) &&
      !policies.some((policy) => policy.selector.destination?.ip === peer && table.hasPolicy(policy));
    const whole =
      policies
        .filter(({ selector }) => selector.destination === undefined)
        .every((policy) => table.hasPolicy(policy)) &&
      [...receive, ...send].every((one) => {
        const peer = one.source === address ? one.destination : one.source;
        return table.has(one) || isNew(peer);
      });
    return whole ? { keys: found.value, revision: found.revision } : undefined;
  }

  async #install(session: Session, ring: Ring, address: Ip): Promise<void> {
    const { view, table, deriver } = session;
    const { id } = this.#deps.self;
    const peers = peersOf({ nodeId: id, address }, view.current());
    const keys = newInstallation({ id, address }, { view, ring, peers, table });
    const { receive } = deriver.derive(keys, peers, ring);
    const previous = view.nodes.get(id);
    const operations = [
      { check: RING, expect: view.ring?.revision ?? 0 },
      { put: JOINED, value: id },
      { put: nodeKey(id), value: keys, expect: previous?.revision ?? 0 },
      { put: numberKey(keys.number), value: id, expect: 0 },
      ...(previous === undefined ? [] : [{ delete: numberKey(previous.value.number) }]),
    ];
    const claim = await this.#deps.claim();
    table.receive(receive);
    let revision: number | undefined;
    try {
      revision = await this.#commit(operations, claim);
    } finally {
      // Not said, or perhaps said and to be said otherwise.
      if (revision === undefined) for (const one of receive) table.remove(nameOf(one));
    }
    // Somebody may have taken them out while nobody looked.
    if (revision !== undefined && table.compare()) session.own = { keys, revision };
    else this.#ask();
  }

  /** The kernel first learns what comes, then what goes, and forgets what was. */
  #apply(session: Session, ring: Ring, own: NodeKeys, peers: readonly NodeKeys[]): void {
    const { table, stale } = session;
    const wanted = session.deriver.derive(own, peers, ring);
    table.receive(wanted.receive);
    if (!table.send(wanted.send)) {
      session.own = undefined;
      this.#ask();
      return;
    }
    this.#allow(session, wanted.send);
    const beside = new Set(table.beside(wanted));
    for (const [name, cancel] of stale) {
      if (beside.has(name)) continue;
      cancel();
      stale.delete(name);
    }
    for (const name of beside) {
      if (stale.has(name)) continue;
      stale.set(
        name,
        this.#clock.after(GRACE_MS, () => {
          stale.delete(name);
          table.remove(name);
        }),
      );
    }
  }

  async #tell(session: Session, own: Own, keys: NodeKeys | undefined): Promise<void> {
    if (keys === undefined) return;
    const put = { put: nodeKey(keys.nodeId), value: keys, expect: own.revision };
    const revision = await this.#commit([put], await this.#deps.claim());
    if (session.own !== own) return;
    session.own = revision === undefined ? undefined : { keys, revision };
  }

  /** Retires keys that nobody sends with, and publishes a new one when it is time. */
  async #lookAfterRing({ view, own, known }: Session): Promise<void> {
    const { ring } = view;
    if (ring === undefined || own === undefined || known === undefined) return;
    const nodes = [...view.nodes.values()].map(({ value }) => (value.nodeId === own.keys.nodeId ? own.keys : value));
    const now = this.#clock.now();
    const due = now - known.since >= LIFETIME_MS;
    const next = retired(ring.value, nodes) ?? (due ? published(ring.value, now) : undefined);
    if (next === undefined) return;
    const revision = await this.#commit([
      { put: RING, value: next, expect: ring.revision },
      // Whoever joins meanwhile may send with the oldest key.
      { check: JOINED, expect: view.joined },
    ]);
    if (revision !== undefined) this.#log.info({ keys: next.keys.map(({ id }) => id) }, 'the ring of keys has turned');
  }

  #lookLater(session: Session): void {
    const cancel = this.#clock.after(LOOK_MS * (1 + Math.random()), () => {
      if (this.#session !== session) return;
      this.#lookLater(session);
      void this.#serial
        .run('', () => this.#lookAfterRing(session))
        .catch((error) => {
          this.#log.warn({ reason: messageOf(error) }, 'cannot look after the ring of keys; tried again later');
        });
    });
    session.ends.push(cancel);
  }

  /** Undefined: something of it has changed meanwhile, and there will be another look. */
  async #commit(operations: readonly StoreOperation[], lease?: StoreLease): Promise<number | undefined> {
    try {
      return await this.#deps.store.commit(operations, lease === undefined ? {} : { lease });
    } catch (error) {
      if (!isKind(error, 'conflict')) throw error;
      this.#cancelRetry();
      this.#cancelRetry = this.#clock.after(RETRY_MS, () => this.#ask());
      return undefined;
    }
  }

  async #takeDown(): Promise<void> {
    const session = this.#session;
    if (session === undefined || this.#held.size > 0) return;
    await this.#withdraw();
    this.#closeSession(() => session.table.clear());
  }

  /** Others send nothing more. Where the store is not there, what was said ends with the claim. */
  async #withdraw(): Promise<void> {
    const { store, self } = this.#deps;
    try {
      const said = await store.get<NodeKeys>(nodeKey(self.id));
      if (said !== undefined) await store.commit([{ delete: said.key }, { delete: numberKey(said.value.number) }]);
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'cannot withdraw keys from the cluster');
    }
  }

  #closeSession(last: () => void = () => {}): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    this.#cancelRetry();
    for (const end of [...session.ends, ...session.stale.values()]) end();
    try {
      last();
    } finally {
      session.esp[Symbol.dispose]();
    }
  }
}
