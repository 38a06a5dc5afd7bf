/** How the text of a flag is kept: one truth value, one text, every text given, or every text split at its commas. */
export type FlagKind = 'bool' | 'text' | 'list' | 'commas';

export interface Flag {
  readonly name: string;
  readonly short?: string | undefined;
  readonly kind: FlagKind;
  /** What help shows for the value: `string`, `list`, `bytes` … */
  readonly placeholder: string;
  readonly help: string;
  /** Shown by help; the parser never fills it in. */
  readonly shownDefault?: string | undefined;
  /** Throws with a reason; the parser adds the flag's name. */
  readonly check?: ((text: string) => unknown) | undefined;
  /** What completes the value. */
  readonly completes?: Completes | undefined;
  readonly hidden?: boolean | undefined;
}

/** What the shell may offer for a word, asked from the daemon. */
export type Completes = 'containers' | 'running' | 'stopped' | 'networks' | 'images' | 'volumes' | 'files' | 'nothing';

export interface FlagExtras {
  readonly placeholder?: string;
  readonly shownDefault?: string;
  readonly check?: (text: string) => unknown;
  readonly completes?: Completes;
  readonly hidden?: boolean;
}

/** `names` is `name` or `name,n`. */
export function bool(names: string, help: string, extras: FlagExtras = {}): Flag {
  return make('bool', names, { help, placeholder: '', extras });
}

export function text(names: string, help: string, extras: FlagExtras = {}): Flag {
  return make('text', names, { help, placeholder: 'string', extras });
}

export function integer(names: string, help: string, extras: FlagExtras = {}): Flag {
  return make('text', names, { help, placeholder: 'int', extras: { check: checkInteger, ...extras } });
}

export function list(names: string, help: string, extras: FlagExtras = {}): Flag {
  return make('list', names, { help, placeholder: 'list', extras });
}

export function commas(names: string, help: string, extras: FlagExtras = {}): Flag {
  return make('commas', names, { help, placeholder: 'strings', extras });
}

function make(kind: FlagKind, names: string, rest: { help: string; placeholder: string; extras: FlagExtras }): Flag {
  const [name = '', short] = names.split(',');
  return { name, short, kind, help: rest.help, placeholder: rest.placeholder, ...rest.extras };
}

function checkInteger(value: string): void {
  if (!/^[+-]?(0x[0-9a-f]+|\d+)$/i.test(value)) {
    throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
}

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** Go's ParseBool; undefined for anything else. */
export function parseBool(value: string): boolean | undefined {
  if (TRUE.has(value)) return true;
  return FALSE.has(value) ? false : undefined;
}
