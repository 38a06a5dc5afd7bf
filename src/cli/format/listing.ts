import { alignColumns } from './columns.ts';
import { compileTemplate } from './template.ts';
import { goJson } from './template-functions.ts';

/** A row of a listing: every field a template may name. Values are worked out only when asked for. */
export type Row = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

/** The title of each field; a function where the field takes an argument. */
export type Heads = Readonly<Record<string, string | ((...args: readonly unknown[]) => string)>>;

export interface ListingOptions {
  /** What was given with `--format`; empty means the default table. */
  readonly format: string;
  /** The template of the default table, without the word `table`. */
  readonly table: string;
  /** Heads of the columns by field. */
  readonly heads: Heads;
  /** Prints only this field, one a line. */
  readonly quiet?: string | undefined;
}

/** The lines of a listing as the stock client prints it: a table, JSON objects, or a template's output. */
export function listing(rows: readonly Row[], options: ListingOptions): string {
  const { quiet } = options;
  const format = options.format;
  if (quiet !== undefined && (format === '' || format === 'table')) {
    return joined(rows.map((row) => String(row[quiet]?.())));
  }
  if (format === 'json') return joined(rows.map(rowJson));
  if (format === '' || format === 'table' || format.startsWith('table ')) {
    const template = format.startsWith('table ') ? format.slice('table '.length) : options.table;
    return table(rows, unescaped(template), options.heads);
  }
  const template = compileTemplate(unescaped(format));
  return joined(rows.map((row) => template.apply(row)));
}

function table(rows: readonly Row[], source: string, heads: Heads): string {
  const template = compileTemplate(source);
  // Functions such as `json` are not meant for the head line, where every field is its title.
  const head = compileTemplate(source.replace(/\{\{\s*json\s+/g, '{{')).apply(heads);
  return joined(alignColumns([head, ...rows.map((row) => template.apply(row))].map((line) => line.replace(/\n$/, ''))));
}

function rowJson(row: Row): string {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(row).sort()) {
    // A field that wants to be told which one (`Label "x"`) has no value of its own.
    if (row[name]?.length === 0) values[name] = row[name]();
  }
  return goJson(values);
}

/** `\t` and `\n` may be typed as two characters. */
export function unescaped(template: string): string {
  return template.trim().replaceAll('\\t', '\t').replaceAll('\\n', '\n');
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
