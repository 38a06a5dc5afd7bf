import { quoteString } from '../../kernel/index.ts';
import type { Element } from './elements.ts';
import { type RulesetOptions, rulesetText, type SetName, TABLES, tableOf } from './ruleset.ts';

/** Elements in one command: the parser's work for a command grows faster than its length. */
const CHUNK = 1000;

/** Removals first, so that a key may come back with another value in the same transaction. */
export function renderChange(change: {
  readonly add: readonly Element[];
  readonly remove: readonly Element[];
}): string {
  return [
    ...commands('delete element', change.remove, (element) => element.key),
    ...commands('add element', change.add, elementText),
  ].join('');
}

/** Our tables from nothing, in one transaction. `add` is there so that `delete` cannot fail. */
export function renderTable(elements: readonly Element[], options: RulesetOptions = {}): string {
  return `${renderTearDown()}${rulesetText(options)}${renderChange({ add: elements, remove: [] })}`;
}

export function renderTearDown(): string {
  return TABLES.map((table) => `add table ${table}\ndelete table ${table}\n`).join('');
}

function elementText(element: Element): string {
  const value = element.value === undefined ? '' : ` : ${element.value}`;
  return `${element.key} comment ${quoteString(element.comment)}${value}`;
}

function commands(verb: string, elements: readonly Element[], text: (element: Element) => string): string[] {
  const bySet = new Map<SetName, string[]>();
  for (const element of elements) {
    const list = bySet.get(element.set);
    if (list === undefined) bySet.set(element.set, [text(element)]);
    else list.push(text(element));
  }
  const lines: string[] = [];
  for (const [set, texts] of bySet) {
    for (let at = 0; at < texts.length; at += CHUNK) {
      lines.push(`${verb} ${tableOf(set)} ${set} { ${texts.slice(at, at + CHUNK).join(', ')} }\n`);
    }
  }
  return lines;
}
