import type { Ip } from '../../../base/index.ts';
import type { XfrmPolicy } from '../../../kernel/index.ts';
import { type Association, nameOf } from '../associations.ts';
import { type Esp, policyName } from '../esp.ts';

/** The kernel of one simulated node. It outlives the process, which is whoever has `onLoss` set. */
export class FakeEsp implements Esp {
  /** Keys that were sent with from the beginning more than once: there must be none, ever. */
  readonly sentTwice: string[] = [];
  onLoss: () => void = () => {};
  readonly #address: Ip;
  readonly #associations = new Map<string, Association>();
  readonly #policies = new Map<string, XfrmPolicy>();
  readonly #sentWith = new Set<string>();

  constructor(address: Ip) {
    this.#address = address;
  }

  associations(): readonly Association[] {
    return [...this.#associations.values()];
  }

  add(association: Association): void {
    if (association.source === this.#address) {
      const key = Buffer.from(association.key).toString('hex');
      if (this.#sentWith.has(key)) this.sentTwice.push(key);
      this.#sentWith.add(key);
    }
    this.#associations.set(nameOf(association), association);
  }

  remove(association: Pick<Association, 'destination' | 'spi'>): void {
    this.#associations.delete(nameOf(association));
  }

  policies(): readonly XfrmPolicy[] {
    return [...this.#policies.values()];
  }

  set(policy: XfrmPolicy): void {
    this.#policies.set(policyName(policy), policy);
  }

  unset(policy: XfrmPolicy): void {
    this.#policies.delete(policyName(policy));
  }

  /** `ip xfrm state flush`, and `policy` too. */
  flush(what: 'associations' | 'policies' | 'both'): void {
    if (what !== 'policies') this.#associations.clear();
    if (what !== 'associations') this.#policies.clear();
    this.onLoss();
  }

  /** What a packet to that address would be sent with; undefined: it is dropped. `clear`: it leaves as it is. */
  sendsTo(address: Ip): Association | 'clear' | undefined {
    const out = [...this.#policies.values()].filter(
      ({ direction, selector }) =>
        direction === 'out' && (selector.destination === undefined || selector.destination.ip === address),
    );
    const [policy] = out.sort((a, b) => a.priority - b.priority);
    if (policy === undefined) return 'clear';
    const { template } = policy;
    return template?.spi === undefined
      ? undefined
      : this.#associations.get(nameOf({ destination: address, spi: template.spi }));
  }

  takes(sent: Association): boolean {
    const found = this.#associations.get(nameOf(sent));
    return found !== undefined && Buffer.from(found.key).equals(sent.key) && found.source === sent.source;
  }

  [Symbol.dispose](): void {
    this.onLoss = () => {};
  }
}
