import { readFileSync } from 'node:fs';
import { type FairwayError, invalid, messageOf } from '../base/index.ts';
import type { RawValue, RawValues } from './flags.ts';
import { nameOf, OPTIONS } from './options.ts';

const BY_KEY = new Map(OPTIONS.flatMap((spec) => (spec.key === undefined ? [] : [[spec.key, spec] as const])));

function refused(path: string, why: string, cause?: unknown): FairwayError {
  return invalid('invalid_config_file', `unable to configure the Docker daemon with file ${path}: ${why}`, cause);
}

/** Reads daemon.json. An empty one says nothing; one that is missing is an error only when it was asked for by name. */
export function readConfigFile(path: string, options: { readonly required: boolean }): RawValues {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (!options.required && (error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw refused(path, messageOf(error), error);
  }
  return parseConfig(path, text);
}

export function parseConfig(path: string, text: string): RawValues {
  if (text.trim() === '') return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw refused(path, messageOf(error), error);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw refused(path, 'it must hold one JSON object');
  }
  const unknown = Object.keys(parsed).filter((key) => !BY_KEY.has(key));
  if (unknown.length > 0) {
    throw refused(path, `the following directives don't match any configuration option: ${unknown.join(', ')}`);
  }
  const values = new Map<string, RawValue>();
  for (const [key, value] of Object.entries(parsed)) if (value !== null) values.set(key, value as RawValue);
  return values;
}

/** The same option in both places is refused, as dockerd does: nobody could tell which one holds. */
export function assertNoConflicts(path: string, flags: RawValues, file: RawValues): void {
  const both = OPTIONS.map(nameOf).filter((name) => flags.has(name) && file.has(name));
  if (both.length === 0) return;
  const shown = both.map(
    (name) => `${name}: (from flag: ${show(flags.get(name))}, from file: ${show(file.get(name))})`,
  );
  throw refused(
    path,
    `the following directives are specified both as a flag and in the configuration file: ${shown.join(', ')}`,
  );
}

function show(value: RawValue | undefined): string {
  if (Array.isArray(value))
    return `[${value.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join(' ')}]`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
