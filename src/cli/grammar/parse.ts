import { messageOf } from '../../base/index.ts';
import { type Flag, parseBool } from './flag.ts';

/** What was typed does not fit the grammar. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The flags of one command line, by name. Asking for a name that was never declared is a mistake of ours and throws. */
export class Flags {
  readonly #declared: ReadonlyMap<string, Flag>;
  readonly #given = new Map<string, string[]>();

  constructor(declared: readonly Flag[]) {
    this.#declared = new Map(declared.map((flag) => [flag.name, flag]));
  }

  /** Was it on the command line at all? */
  given(name: string): boolean {
    return this.#of(name).length > 0;
  }

  bool(name: string, fallback = false): boolean {
    const last = this.#of(name).at(-1);
    return last === undefined ? fallback : last === 'true';
  }

  text(name: string): string {
    return this.#of(name).at(-1) ?? '';
  }

  /** Undefined when the flag was not given. */
  maybe(name: string): string | undefined {
    return this.#of(name).at(-1);
  }

  integer(name: string): number | undefined {
    const last = this.#of(name).at(-1);
    return last === undefined ? undefined : Number(last);
  }

  list(name: string): readonly string[] {
    return this.#of(name);
  }

  add(name: string, value: string): void {
    const values = this.#given.get(name);
    if (values === undefined) this.#given.set(name, [value]);
    else values.push(value);
  }

  #of(name: string): readonly string[] {
    if (!this.#declared.has(name)) throw new TypeError(`the command declares no flag --${name}`);
    return this.#given.get(name) ?? [];
  }
}

export interface ParseOptions {
  /** May flags follow the first argument? `run` and `exec` say no: what follows belongs to the container. */
  readonly interspersed?: boolean;
}

export interface Parsed {
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly help: boolean;
}

/** Parses as Docker's clients do: `--name=value`, `--name value`, `-abc`, `-p8080:80`, `-e=X`, `--`. */
export function parseFlags(declared: readonly Flag[], words: readonly string[], options: ParseOptions = {}): Parsed {
  const parser = new Parser(declared);
  const args: string[] = [];
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') {
      args.push(...rest.splice(0));
    } else if (word.startsWith('--')) {
      parser.long(word, rest);
    } else if (word.startsWith('-') && word.length > 1) {
      parser.shorts(word, rest);
    } else {
      args.push(word);
      if (options.interspersed === false) args.push(...rest.splice(0));
    }
  }
  return { flags: parser.flags, args, help: parser.help };
}

class Parser {
  readonly flags: Flags;
  help = false;
  readonly #long = new Map<string, Flag>();
  readonly #short = new Map<string, Flag>();

  constructor(declared: readonly Flag[]) {
    this.flags = new Flags(declared);
    for (const flag of declared) {
      this.#long.set(flag.name, flag);
      if (flag.short !== undefined) this.#short.set(flag.short, flag);
    }
  }

  long(word: string, rest: string[]): void {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const flag = this.#long.get(name);
    if (flag === undefined) {
      if (name !== 'help') throw new UsageError(`unknown flag: --${name}`);
      this.help = true;
      return;
    }
    const value = equals >= 0 ? word.slice(equals + 1) : flag.kind === 'bool' ? 'true' : rest.shift();
    if (value === undefined) throw new UsageError(`flag needs an argument: --${name}`);
    this.#set(flag, value);
  }

  shorts(word: string, rest: string[]): void {
    for (let at = 1; at < word.length; at += 1) {
      const letter = word.charAt(at);
      const flag = this.#short.get(letter);
      if (flag === undefined) {
        if (letter !== 'h') throw new UsageError(`unknown shorthand flag: '${letter}' in ${word}`);
        this.help = true;
        return;
      }
      const tail = word.slice(at + 1);
      if (flag.kind === 'bool' && !tail.startsWith('=')) {
        this.#set(flag, 'true');
        continue;
      }
      const value = tail === '' ? rest.shift() : tail.replace(/^=/, '');
      if (value === undefined) throw new UsageError(`flag needs an argument: '${letter}' in ${word}`);
      this.#set(flag, value);
      return;
    }
  }

  #set(flag: Flag, value: string): void {
    if (flag.kind === 'bool') {
      const parsed = parseBool(value);
      if (parsed === undefined) {
        throw invalidArgument(flag, value, `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
      }
      this.flags.add(flag.name, String(parsed));
      return;
    }
    const values = flag.kind === 'commas' ? value.split(',') : [value];
    for (const one of values) {
      try {
        flag.check?.(one);
      } catch (error) {
        throw invalidArgument(flag, value, messageOf(error));
      }
      this.flags.add(flag.name, one);
    }
  }
}

function invalidArgument(flag: Flag, value: string, reason: string): UsageError {
  const name = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
  return new UsageError(`invalid argument ${JSON.stringify(value)} for "${name}" flag: ${reason}`);
}
