import { type FairwayError, type Ip, invalid, tryParseIp } from '../base/index.ts';

export type Labels = Readonly<Record<string, string>>;

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

export function badOption(key: string, value: string, wanted: string): FairwayError {
  return invalid('invalid_option', `invalid value ${JSON.stringify(value)} of option "${key}": ${wanted}`);
}

/** The words that Docker takes for booleans. */
export function booleanOption(labels: Labels, key: string): boolean | undefined {
  const value = labels[key];
  if (value === undefined) return undefined;
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw badOption(key, value, 'it must be true or false');
}

export function numberOption(labels: Labels, key: string, range: { min: number; max: number }): number | undefined {
  const value = labels[key];
  if (value === undefined) return undefined;
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= range.min && number <= range.max) return number;
  throw badOption(key, value, `it must be a whole number from ${range.min} to ${range.max}`);
}

export function ipOption(labels: Labels, key: string): Ip | undefined {
  const value = labels[key];
  if (value === undefined || value === '') return undefined;
  const ip = tryParseIp(value);
  if (ip === undefined) throw badOption(key, value, 'it must be an IP address');
  return ip;
}

export function wordOption<W extends string>(labels: Labels, key: string, words: readonly W[]): W | undefined {
  const value = labels[key];
  if (value === undefined || value === '') return undefined;
  const word = words.find((one) => one === value);
  if (word === undefined) throw badOption(key, value, `it must be one of ${words.join(', ')}`);
  return word;
}

/** Refuses keys nobody knows in the namespaces that are ours to define; labels of others pass. */
export function refuseUnknown(labels: Labels, known: ReadonlySet<string>, namespaces: readonly string[]): void {
  for (const [key, value] of Object.entries(labels)) {
    if (known.has(key) || !namespaces.some((namespace) => key.startsWith(namespace))) continue;
    throw invalid('unknown_option', `unknown option "${key}" with value ${JSON.stringify(value)}`);
  }
}

export const MTU_OPTION = 'com.docker.network.driver.mtu';
export const MTU_RANGE = { min: 0, max: 65_535 } as const;
