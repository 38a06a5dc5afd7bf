import { isDeepStrictEqual } from 'node:util';
import type { XfrmPolicy } from '../../kernel/index.ts';
import { type Association, type Associations, nameOf } from './associations.ts';
import { type Esp, policyName } from './esp.ts';

/**
 * What the kernel has of us, as we know it: changed by difference, and compared when something may have been taken away. Never
 * adds an association to send with a second time: its count would begin anew, and with GCM that gives the key away.
 */
export class KernelTable {
  readonly #esp: Esp;
  readonly #associations = new Map<string, Association>();
  readonly #policies = new Map<string, XfrmPolicy>();
  /** Keys that were used, as far as we know. */
  readonly #spent = new Set<string>();

  /** Knows from the start what an earlier process has left. */
  constructor(esp: Esp) {
    this.#esp = esp;
    for (const one of esp.associations()) {
      this.#associations.set(nameOf(one), one);
      this.#spent.add(hex(one.key));
    }
    for (const policy of esp.policies()) this.#policies.set(policyName(policy), policy);
  }

  associations(): readonly Association[] {
    return [...this.#associations.values()];
  }

  has(association: Association): boolean {
    const found = this.#associations.get(nameOf(association));
    return found !== undefined && sameKey(found, association);
  }

  hasPolicy(policy: XfrmPolicy): boolean {
    return this.#policies.has(policyName(policy));
  }

  /** Those that are there already stay as they are. */
  receive(associations: readonly Association[]): void {
    for (const one of associations) if (!this.has(one)) this.#add(one);
  }

  /** False: one of them has been sent with before and is not there any more. Then nothing is changed. */
  send(associations: readonly Association[]): boolean {
    const missing = associations.filter((one) => !this.has(one));
    if (missing.some(({ key }) => this.#spent.has(hex(key)))) return false;
    for (const one of missing) {
      this.#spent.add(hex(one.key));
      this.#add(one);
    }
    return true;
  }

  /** These and no others. Of packets, each changes in one step; those that let more pass come last. */
  setPolicies(policies: readonly XfrmPolicy[]): void {
    const wanted = new Map(policies.map((policy) => [policyName(policy), policy]));
    for (const [name, policy] of wanted) {
      if (isDeepStrictEqual(this.#policies.get(name), policy)) continue;
      this.#esp.set(policy);
      this.#policies.set(name, policy);
    }
    for (const [name, policy] of this.#policies) {
      if (wanted.has(name)) continue;
      this.#esp.unset(policy);
      this.#policies.delete(name);
    }
  }

  /** Names that are there and in none of these. */
  beside({ receive, send }: Associations): readonly string[] {
    const wanted = new Set([...receive, ...send].map(nameOf));
    return [...this.#associations.keys()].filter((name) => !wanted.has(name));
  }

  remove(name: string): void {
    const found = this.#associations.get(name);
    if (found === undefined) return;
    this.#esp.remove(found);
    this.#associations.delete(name);
  }

  /** Looks. Policies that are gone or changed are forgotten, to be set again. False: associations are gone. */
  compare(): boolean {
    const policies = new Map(this.#esp.policies().map((policy) => [policyName(policy), policy]));
    for (const [name, policy] of this.#policies) {
      if (!isDeepStrictEqual(policies.get(name), policy)) this.#policies.delete(name);
    }
    const present = new Map(this.#esp.associations().map((one) => [nameOf(one), one]));
    let whole = true;
    for (const [name, one] of this.#associations) {
      const found = present.get(name);
      if (found !== undefined && sameKey(found, one)) continue;
      this.#associations.delete(name);
      whole = false;
    }
    return whole;
  }

  /** Everything of ours, also what we did not know of. */
  clear(): void {
    for (const one of this.#esp.associations()) this.#esp.remove(one);
    for (const policy of this.#esp.policies()) this.#esp.unset(policy);
    this.#associations.clear();
    this.#policies.clear();
  }

  #add(association: Association): void {
    this.#esp.add(association);
    this.#associations.set(nameOf(association), association);
  }
}

function sameKey(a: Association, b: Association): boolean {
  return hex(a.key) === hex(b.key);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
