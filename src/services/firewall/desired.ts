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

interface Known {
  readonly entry: FirewallEntry;
  readonly elements: readonly Element[];
}

interface Counted {
  readonly element: Element;
  readonly count: number;
}

/** The entries that should hold, and how many of them need each element. */
export class DesiredState {
  readonly #known = new Map<string, Known>();
  readonly #counts = new Map<string, Counted>();
  /** Which element has a key now: a key can lead to one value only. */
  readonly #holders = new Map<string, string>();

  entries(): readonly FirewallEntry[] {
    return [...this.#known.values()].map((known) => known.entry);
  }

  elements(): readonly Element[] {
    return [...this.#counts.values()].map((counted) => counted.element);
  }

  /** Says what the change means and changes nothing. Throws `firewall_conflict` when two entries want one key. */
  plan(change: FirewallChange): Step {
    const next = new Map<string, Known | undefined>();
    for (const entry of change.remove ?? []) next.set(entryKey(entry), undefined);
    for (const entry of change.add ?? []) next.set(entryKey(entry), { entry, elements: elementsOf(entry) });
    const counts = this.#nextCounts(next);
    const add: Element[] = [];
    const remove: Element[] = [];
    for (const [id, { element, count }] of counts) {
      const before = this.#counts.get(id)?.count ?? 0;
      if (before === 0 && count > 0) add.push(element);
      if (before > 0 && count === 0) remove.push(element);
    }
    this.#refuseConflicts(add, remove);
    return { add, remove, all: () => this.#after(counts), commit: () => this.#commit(next, counts, add, remove) };
  }

  #nextCounts(next: ReadonlyMap<string, Known | undefined>): Map<string, Counted> {
    const counts = new Map<string, Counted>();
    const change = (element: Element, by: number): void => {
      const id = elementId(element);
      const before = counts.get(id) ?? this.#counts.get(id) ?? { element, count: 0 };
      counts.set(id, { element: before.element, count: before.count + by });
    };
    for (const [key, known] of next) {
      for (const element of this.#known.get(key)?.elements ?? []) change(element, -1);
      for (const element of known?.elements ?? []) change(element, 1);
    }
    return counts;
  }

  #refuseConflicts(add: readonly Element[], remove: readonly Element[]): void {
    const freed = new Set(remove.map(holderKey));
    for (const element of add) {
      const key = holderKey(element);
      const taken = freed.has(key) ? undefined : this.#holders.get(key);
      if (taken !== undefined) throw contradiction(element, taken);
    }
    const wanted = new Map<string, string>();
    for (const element of add) {
      const other = wanted.get(holderKey(element));
      if (other !== undefined) throw contradiction(element, other);
      wanted.set(holderKey(element), elementId(element));
    }
  }

  #after(counts: ReadonlyMap<string, Counted>): Element[] {
    return [...new Map([...this.#counts, ...counts]).values()].flatMap(({ element, count }) =>
      count > 0 ? [element] : [],
    );
  }

  #commit(
    next: ReadonlyMap<string, Known | undefined>,
    counts: ReadonlyMap<string, Counted>,
    add: readonly Element[],
    remove: readonly Element[],
  ): void {
    for (const [key, known] of next) {
      if (known === undefined) this.#known.delete(key);
      else this.#known.set(key, known);
    }
    for (const [id, counted] of counts) {
      if (counted.count > 0) this.#counts.set(id, counted);
      else this.#counts.delete(id);
    }
    for (const element of remove) this.#holders.delete(holderKey(element));
    for (const element of add) this.#holders.set(holderKey(element), elementId(element));
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
