import { invalid } from '../base/index.ts';
import { nameOf, OPTIONS, type OptionSpec } from './options.ts';

/** A value as read, before anybody judges it. */
export type RawValue = string | number | boolean | readonly unknown[] | Readonly<Record<string, unknown>>;
export type RawValues = ReadonlyMap<string, RawValue>;

const BY_FLAG = new Map(OPTIONS.flatMap((spec) => (spec.flag === undefined ? [] : [[spec.flag, spec] as const])));
const BY_SHORT = new Map(OPTIONS.flatMap((spec) => (spec.short === undefined ? [] : [[spec.short, spec] as const])));
const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** Reads a command line as dockerd does: `--name=value`, `--name value`, `--on`, `--on=false`, `-Hvalue`, `-D`. */
export function readFlags(args: readonly string[]): RawValues {
  const values = new Map<string, RawValue>();
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const { spec, shown, value } = split(arg);
    if (spec.kind === 'flag') {
      values.set(nameOf(spec), parseBool(value ?? 'true', shown));
      continue;
    }
    const given = value ?? rest.shift();
    if (given === undefined) throw invalid('flag_needs_value', `flag needs an argument: ${shown}`);
    values.set(nameOf(spec), combined(values.get(nameOf(spec)), spec, { shown, given }));
  }
  return values;
}

function split(arg: string): { readonly spec: OptionSpec; readonly shown: string; readonly value?: string } {
  if (arg.startsWith('--') && arg.length > 2) {
    const equals = arg.indexOf('=');
    const name = arg.slice(2, equals < 0 ? undefined : equals);
    const spec = BY_FLAG.get(name);
    if (!spec) throw invalid('unknown_flag', `unknown flag: --${name}`);
    return { spec, shown: `--${name}`, ...(equals < 0 ? {} : { value: arg.slice(equals + 1) }) };
  }
  if (arg.startsWith('-') && arg.length > 1 && arg !== '--') {
    const letter = arg[1] ?? '';
    const spec = BY_SHORT.get(letter);
    if (!spec) throw invalid('unknown_flag', `unknown shorthand flag: '${letter}' in ${arg}`);
    const value = arg.slice(2).replace(/^=/, '');
    return { spec, shown: `-${letter}`, ...(arg.length > 2 ? { value } : {}) };
  }
  throw invalid('unexpected_argument', `unexpected argument: ${JSON.stringify(arg)}; fairwayd takes flags only`);
}

function parseBool(text: string, shown: string): boolean {
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw invalid(
    'invalid_flag',
    `invalid argument ${JSON.stringify(text)} for "${shown}" flag: it must be true or false`,
  );
}

function combined(before: RawValue | undefined, spec: OptionSpec, read: { shown: string; given: string }): RawValue {
  const { shown, given } = read;
  switch (spec.kind) {
    case 'number': {
      if (!/^-?\d+$/.test(given)) {
        throw invalid(
          'invalid_flag',
          `invalid argument ${JSON.stringify(given)} for "${shown}" flag: it must be a number`,
        );
      }
      return Number(given);
    }
    case 'list':
    case 'json':
      return [...listOf(before), given];
    case 'map':
      return { ...(before as Readonly<Record<string, unknown>> | undefined), ...pairs(given, shown) };
    case 'fields':
      return [...listOf(before), Object.assign({}, ...given.split(',').map((part) => pairs(part, shown)))];
    default:
      return given;
  }
}

function listOf(before: RawValue | undefined): readonly unknown[] {
  return Array.isArray(before) ? before : [];
}

function pairs(text: string, shown: string): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals <= 0) {
    throw invalid('invalid_flag', `invalid argument ${JSON.stringify(text)} for "${shown}" flag: it must be key=value`);
  }
  return { [text.slice(0, equals)]: text.slice(equals + 1) };
}
