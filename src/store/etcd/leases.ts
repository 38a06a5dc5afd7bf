import { randomBytes } from 'node:crypto';
import type { Clock } from '../../base/index.ts';
import { KeptStream } from './kept-stream.ts';
import type { Keys } from './keys.ts';
import { EtcdLease, type LeaseKeeper } from './lease.ts';
import type { Call, Link } from './link.ts';
import { isLeaseGone, isLeaseThere, type WireLease, type WireTimeToLive } from './wire/index.ts';

export interface LeasesDeps {
  readonly link: Link;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly monotonicMs?: () => number;
}

/** All leases that this process holds, renewed on one stream. */
export class Leases implements LeaseKeeper {
  readonly clock: Clock;
  readonly monotonicMs: () => number;
  readonly #link: Link;
  readonly #keys: Keys;
  readonly #held = new Map<string, EtcdLease>();
  readonly #stream: KeptStream<object, WireLease>;

  constructor({ link, keys, clock, monotonicMs = () => performance.now() }: LeasesDeps) {
    this.clock = clock;
    this.monotonicMs = monotonicMs;
    this.#link = link;
    this.#keys = keys;
    this.#stream = new KeptStream(
      { link, clock },
      { service: 'Lease', method: 'LeaseKeepAlive' },
      {
        opened: () => {
          for (const lease of this.#held.values()) {
            lease.interrupted();
            this.renew(lease);
          }
        },
        received: ({ ID: id, TTL: ttl }: WireLease) => this.#held.get(id)?.answered(Number(ttl)),
      },
    );
  }

  async grant(ttlSeconds: number, everySeconds: number): Promise<EtcdLease> {
    // Its name is ours to choose, so that asking twice gives one.
    const id = String(randomBytes(8).readBigUInt64BE() >> 1n || 1n);
    const since = this.monotonicMs();
    let granted = ttlSeconds;
    try {
      const answer = await this.#call<WireLease>('LeaseGrant', 'grant a lease', { ID: id, TTL: ttlSeconds });
      granted = Number(answer.TTL);
    } catch (error) {
      if (!isLeaseThere(error)) throw error;
    }
    return this.#hold(id, { ttlSeconds: granted, everySeconds: Math.min(everySeconds, granted / 3), since });
  }

  async resume(id: string): Promise<EtcdLease | undefined> {
    const held = this.#held.get(id);
    if (held?.held) return held;
    if (!/^\d{1,19}$/.test(id)) return undefined;
    const since = this.monotonicMs();
    const { TTL: left, grantedTTL: ttl } = await this.#timeToLive(id, false);
    if (Number(left) <= 0) return undefined;
    const lease = this.#hold(id, { ttlSeconds: Number(ttl), everySeconds: Number(ttl) / 3, since });
    // It has only what the one before left of it.
    lease.sent();
    lease.answered(Number(left));
    this.renew(lease);
    return lease;
  }

  renew(lease: EtcdLease): void {
    if (!this.#stream.isOpen) return;
    lease.sent();
    this.#stream.write({ ID: lease.id }, { answered: true });
  }

  forget(lease: EtcdLease): void {
    if (this.#held.get(lease.id) === lease) this.#held.delete(lease.id);
  }

  async revoke({ id }: EtcdLease): Promise<void> {
    try {
      await this.#call('LeaseRevoke', 'end a lease', { ID: id });
    } catch (error) {
      if (!isLeaseGone(error)) throw error;
    }
  }

  async keys({ id }: EtcdLease): Promise<readonly string[]> {
    const { keys } = await this.#timeToLive(id, true);
    return keys.map((key) => this.#keys.own(key)).sort();
  }

  close(): void {
    for (const lease of [...this.#held.values()]) lease.release();
    this.#stream.close();
  }

  #hold(id: string, times: ConstructorParameters<typeof EtcdLease>[2]): EtcdLease {
    const lease = new EtcdLease(this, id, times);
    this.#held.set(id, lease);
    this.#stream.want();
    return lease;
  }

  #timeToLive(id: string, keys: boolean): Promise<WireTimeToLive> {
    return this.#call<WireTimeToLive>('LeaseTimeToLive', 'ask for a lease', { ID: id, keys });
  }

  #call<Res>(method: string, what: string, request: object): Promise<Res> {
    const call: Call = { service: 'Lease', method, what, repeatable: true };
    return this.#link.call<Res>(call, request);
  }
}
