import { type Clock, type Log, messageOf } from '../../base/index.ts';
import type { Lease, LeaseLink, Leases } from '../../model/index.ts';

interface RenewingClient extends Pick<Leases, 'acquire'> {
  renew(link: LeaseLink, lease: Lease, any: boolean): Promise<Lease | 'refused' | undefined>;
}

const SHORTEST_PAUSE_MS = 5000;
/** Between attempts to get another lease when one has ended. */
const ANEW_PAUSE_MS = 30_000;
const ANEW_TIMEOUT_MS = 15_000;
/** Timers of Node take no more than 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One lease, renewed for as long as it is wanted: RFC 2131 §4.4.5. */
export class Renewal {
  readonly #deps: { readonly client: RenewingClient; readonly clock: Clock; readonly log: Log };
  readonly #link: LeaseLink;
  readonly #changed: (lease: Lease) => void;
  #lease: Lease;
  #cancel: (() => void) | undefined;
  #triedAnew = false;
  #stopped = false;

  constructor(
    deps: { readonly client: RenewingClient; readonly clock: Clock; readonly log: Log },
    kept: { readonly link: LeaseLink; readonly lease: Lease; readonly changed: (lease: Lease) => void },
  ) {
    this.#deps = deps;
    this.#link = kept.link;
    this.#lease = kept.lease;
    this.#changed = kept.changed;
  }

  start(): void {
    this.#sleep(Math.max(this.#lease.renewMs - this.#deps.clock.now(), 0));
  }

  /** What is under way comes to nothing. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #sleep(ms: number): void {
    if (!this.#stopped) this.#cancel = this.#deps.clock.after(Math.min(ms, LONGEST_TIMER_MS), () => void this.#wake());
  }

  async #wake(): Promise<void> {
    const { clock, log } = this.#deps;
    if (clock.now() < this.#lease.renewMs) {
      this.start();
      return;
    }
    let renewed: Lease | undefined;
    try {
      renewed = await this.#renewed();
    } catch (error) {
      const about = { address: this.#lease.address.ip, reason: messageOf(error) };
      log[clock.now() < this.#lease.endMs ? 'debug' : 'warn'](about, 'cannot renew a DHCP lease');
    }
    if (this.#stopped) return;
    if (renewed === undefined) {
      this.#sleep(this.#pause());
      return;
    }
    this.#triedAnew = false;
    this.#lease = renewed;
    this.#changed(renewed);
    this.start();
  }

  /** Undefined: no answer. */
  async #renewed(): Promise<Lease | undefined> {
    const { client, clock, log } = this.#deps;
    const lease = this.#lease;
    const now = clock.now();
    if (now < lease.endMs) {
      const answer = await client.renew(this.#link, lease, now >= lease.rebindMs);
      if (answer !== 'refused') return answer;
    }
    if (this.#stopped) return undefined;
    this.#triedAnew = true;
    log.warn({ address: lease.address.ip, server: lease.server }, 'a DHCP lease has ended: asking for another');
    return await client.acquire(this.#link, { address: lease.address.ip, timeoutMs: ANEW_TIMEOUT_MS });
  }

  /** Half of what is left until the next thing to try. */
  #pause(): number {
    const { renewMs, rebindMs, endMs } = this.#lease;
    const now = this.#deps.clock.now();
    const next = [renewMs, rebindMs, endMs].find((time) => time > now);
    if (next === undefined || this.#triedAnew) return this.#triedAnew ? ANEW_PAUSE_MS : 0;
    return Math.min(Math.max((next - now) / 2, SHORTEST_PAUSE_MS), next - now);
  }
}
