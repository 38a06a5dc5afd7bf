import { conflict } from '../../base/index.ts';
import type { FirewallEntry } from '../../model/index.ts';
import { type Element, elementsOf, entryKey } from './elements.ts';

export interface FirewallChange {
  readonly add?: readonly FirewallEntry[];
  readonly remove?: readonly FirewallEntry[];
}

/** What has to happen in the kernel, and how to remember it once it has. */
export interface Step {
  readonly add: readonly Element[];
  readonly remove: readonly Element[];
  /** Every element there must be afterwards. */
  all(): readonly Element[];
  commit(): void;
}

/** An element, and how many entries need it. */
interface Counted {
  readonly element: Element;
  readonly count: number;
}

/**
 * The entries that should hold, and how many of them need each element. There may be tens of thousands, so an entry's elements are
 * made anew when it goes.
 */
export class DesiredState {
  readonly #known = new Map<string, FirewallEntry>();
  /** By set and key, which can lead to one value only. */
  readonly #counts = new Map<string, Counted>();

  entries(): readonly FirewallEntry[] {
    return [...this.#known.values()];
  }

  elements(): readonly Element[] {
    return [...this.#counts.values()].map((counted) => counted.element);
  }

  /** Says what the change means and changes nothing. Throws `firewall_conflict` when two entries want one key. */
  plan(change: FirewallChange): Step {
    const next = new Map<string, FirewallEntry | undefined>();
    for (const entry of change.remove ?? []) next.set(entryKey(entry), undefined);
    for (const entry of change.add ?? []) next.set(entryKey(entry), entry);
    const { gone, come } = this.#balance(next);
    const add: Element[] = [];
    const remove: Element[] = [];
    // What nobody needs any more makes room first.
    const counts = new Map<string, Counted | undefined>();
    for (const [id, { element: same, count }] of gone) {
      const key = holderKey(same);
      // The first entry's, whose comment the kernel has.
      const { element, count: before } = this.#counts.get(key) ?? { element: same, count: 0 };
      const left = before - count + (come.get(id)?.count ?? 0);
      if (left <= 0) remove.push(element);
      counts.set(key, left <= 0 ? undefined : { element, count: left });
    }
    for (const [id, { element, count }] of come) {
      if (gone.has(id)) continue;
      const key = holderKey(element);
      const holder = counts.has(key) ? counts.get(key) : this.#counts.get(key);
      if (holder !== undefined && elementId(holder.element) !== id)
        throw contradiction(element, elementId(holder.element));
      if (holder === undefined) add.push(element);
      counts.set(key, { element: holder?.element ?? element, count: (holder?.count ?? 0) + count });
    }
    return { add, remove, all: () => this.#after(counts), commit: () => this.#commit(next, counts) };
  }

  /** What the entries that go and those that come need, by element. */
  #balance(
    next: ReadonlyMap<string, FirewallEntry | undefined>,
  ): Record<'gone' | 'come', ReadonlyMap<string, Counted>> {
    const gone = new Map<string, Counted>();
    const come = new Map<string, Counted>();
    const count = (counts: Map<string, Counted>, entry: FirewallEntry | undefined): void => {
      for (const element of entry === undefined ? [] : elementsOf(entry)) {
        const id = elementId(element);
        counts.set(id, { element, count: (counts.get(id)?.count ?? 0) + 1 });
      }
    };
    for (const [key, entry] of next) {
      count(gone, this.#known.get(key));
      count(come, entry);
    }
    return { gone, come };
  }

  #after(counts: ReadonlyMap<string, Counted | undefined>): Element[] {
    const after = new Map<string, Counted | undefined>([...this.#counts, ...counts]);
    return [...after.values()].flatMap((counted) => (counted === undefined ? [] : [counted.element]));
  }

  #commit(
    next: ReadonlyMap<string, FirewallEntry | undefined>,
    counts: ReadonlyMap<string, Counted | undefined>,
  ): void {
    for (const [key, entry] of next) {
      if (entry === undefined) this.#known.delete(key);
      else this.#known.set(key, entry);
    }
    for (const [key, counted] of counts) {
      if (counted === undefined) this.#counts.delete(key);
      else this.#counts.set(key, counted);
    }
  }
}

function holderKey(element: Element): string {
  return `${element.set} ${element.key}`;
}

function elementId(element: Element): string {
  return element.value === undefined ? holderKey(element) : `${holderKey(element)} : ${element.value}`;
}

function contradiction(element: Element, other: string): Error {
  return conflict(
    'firewall_conflict',
    `cannot set firewall element "${elementId(element)}": "${other}" is there already`,
  );
}
