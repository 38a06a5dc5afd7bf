import { type Cidr, type Ip, invalid, tryParseCidr, tryParseIp } from '../base/index.ts';
import type { RawValue, RawValues } from './flags.ts';

/** Takes values out of what was read, in the type that is wanted, or says which key is wrong. */
export class Values {
  readonly #flags: RawValues;
  readonly #file: RawValues;

  constructor(flags: RawValues, file: RawValues) {
    this.#flags = flags;
    this.#file = file;
  }

  raw(key: string): RawValue | undefined {
    return this.#flags.get(key) ?? this.#file.get(key);
  }

  bool(key: string): boolean | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === 'boolean') return value;
    throw wrong(key, value, 'true or false');
  }

  text(key: string): string | undefined {
    const value = this.raw(key);
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'string') return value;
    throw wrong(key, value, 'text');
  }

  oneOf<T extends string>(key: string, known: readonly T[]): T | undefined {
    const value = this.text(key);
    const found = known.find((one) => one === value);
    if (value !== undefined && found === undefined) throw wrong(key, value, `one of ${known.join(', ')}`);
    return found;
  }

  /** A whole number within bounds. */
  number(key: string, bounds: { readonly min: number; readonly max?: number }): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    const { min, max = Number.MAX_SAFE_INTEGER } = bounds;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw wrong(
      key,
      value,
      bounds.max === undefined ? `a number of at least ${min}` : `a number from ${min} to ${max}`,
    );
  }

  list(key: string): readonly string[] {
    const value = this.raw(key);
    if (value === undefined) return [];
    if (typeof value === 'string') return [value];
    if (Array.isArray(value) && value.every((one): one is string => typeof one === 'string')) return value;
    throw wrong(key, value, 'a list of texts');
  }

  map(key: string): Readonly<Record<string, unknown>> {
    const value = this.raw(key);
    if (value === undefined) return {};
    if (typeof value === 'object' && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
    throw wrong(key, value, 'an object');
  }

  textMap(key: string): Readonly<Record<string, string>> {
    const entries = Object.entries(this.map(key)).map(([name, value]) => {
      if (typeof value !== 'string') throw wrong(`${key}.${name}`, value, 'text');
      return [name, value] as const;
    });
    return Object.fromEntries(entries);
  }

  cidr(key: string): Cidr | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const cidr = tryParseCidr(value);
    if (!cidr) throw wrong(key, value, 'an address with a prefix length');
    return cidr;
  }

  ip(key: string): Ip | undefined {
    const value = this.text(key);
    return value === undefined ? undefined : ipOf(key, value);
  }

  ips(key: string): readonly Ip[] {
    return this.list(key).map((value) => ipOf(key, value));
  }
}

function ipOf(key: string, value: string): Ip {
  const ip = tryParseIp(value);
  if (ip === undefined) throw wrong(key, value, 'an IP address');
  return ip;
}

export function wrong(key: string, value: unknown, wanted: string): Error {
  return invalid('invalid_config', `invalid value ${JSON.stringify(value)} for "${key}": it must be ${wanted}`);
}
