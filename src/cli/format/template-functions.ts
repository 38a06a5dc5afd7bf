import { TemplateError } from './template-lexer.ts';

type TemplateFunction = (...args: readonly unknown[]) => unknown;

/** A value as a template prints it: Go's %v. */
export function printed(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  if (Array.isArray(value)) return `[${value.map(printedInside).join(' ')}]`;
  if (typeof value === 'object') {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, one]) => `${key}:${printedInside(one)}`).join(' ')}]`;
  }
  return String(value);
}

function printedInside(value: unknown): string {
  return value === undefined || value === null ? '<nil>' : printed(value);
}

/** Go's JSON: the three characters that HTML minds are escaped. */
export function goJson(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return text.replace(/[<>&]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

export function truthy(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

function indexed(value: unknown, ...keys: readonly unknown[]): unknown {
  let at = value;
  for (const key of keys) {
    if (at === undefined || at === null) throw new TemplateError('error calling index: index of untyped nil');
    if (Array.isArray(at)) {
      if (typeof key !== 'number')
        throw new TemplateError(`error calling index: cannot index slice with ${printed(key)}`);
      if (key < 0 || key >= at.length) throw new TemplateError(`error calling index: index out of range: ${key}`);
      at = at[key];
    } else if (typeof at === 'object') {
      at = (at as Record<string, unknown>)[String(key)] ?? '';
    } else {
      throw new TemplateError(`error calling index: can't index item of type ${typeof at}`);
    }
  }
  return at;
}

function formatted(format: unknown, ...args: readonly unknown[]): string {
  let next = 0;
  return String(format).replace(/%([-0]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g, (_, flags: string, width, precision, verb) => {
    if (verb === '%') return '%';
    const value = args[next];
    next += 1;
    let text = printed(value);
    if (verb === 'q') text = JSON.stringify(text);
    if (verb === 'f') text = Number(value).toFixed(precision === undefined ? 6 : Number(precision));
    if (verb === 'x' && typeof value === 'number') text = value.toString(16);
    const fill = flags.includes('0') ? '0' : ' ';
    return flags.includes('-') ? text.padEnd(Number(width)) : text.padStart(Number(width), fill);
  });
}

function spaced(args: readonly unknown[]): string {
  return args.map(printed).join(' ');
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : Number(String(a) > String(b));
}

function sliced(value: unknown, from: unknown = 0, to?: unknown): unknown {
  const end = to === undefined ? undefined : Number(to);
  return Array.isArray(value) ? value.slice(Number(from), end) : String(value).slice(Number(from), end);
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
}

function padded(value: unknown, before: unknown, after: unknown): string {
  const text = String(value);
  return text === '' ? '' : ' '.repeat(Number(before)) + text + ' '.repeat(Number(after));
}

export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  json: (value) => goJson(value),
  index: indexed,
  slice: sliced,
  len: lengthOf,
  join: (items, separator) => (Array.isArray(items) ? items : []).map(printed).join(String(separator)),
  split: (text, separator) => String(text).split(String(separator)),
  lower: (text) => String(text).toLowerCase(),
  upper: (text) => String(text).toUpperCase(),
  title: (text) => String(text).replace(/\b[a-z]/g, (letter) => letter.toUpperCase()),
  pad: padded,
  truncate: (text, width) => String(text).slice(0, Number(width)),
  println: (...args) => `${spaced(args)}\n`,
  print: (...args) => args.map(printed).join(''),
  printf: formatted,
  html: (text) => String(text).replace(/[<>&"']/g, (letter) => `&#${letter.charCodeAt(0)};`),
  not: (value) => !truthy(value),
  and: (...args) => args.find((value) => !truthy(value)) ?? args.at(-1),
  or: (...args) => args.find(truthy) ?? args.at(-1),
  eq: (first, ...others) => others.some((other) => first === other),
  ne: (a, b) => a !== b,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
};
