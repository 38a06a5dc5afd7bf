import { invalid } from '../../base/index.ts';

/** Go's reading of a boolean parameter: everything but these few words is true. */
export function boolOf(query: URLSearchParams, key: string, absent = false): boolean {
  const value = query.get(key);
  if (value === null) return absent;
  return !['', '0', 'no', 'false', 'none'].includes(value.trim().toLowerCase());
}

/** Where Docker takes a boolean by Go's grammar alone. */
export function strictBoolOf(query: URLSearchParams, key: string): boolean {
  const value = query.get(key);
  if (value === null || value === '') return false;
  if (TRUE.includes(value)) return true;
  if (FALSE.includes(value)) return false;
  throw invalid(
    'invalid_parameter',
    `invalid value for ${key}: ${value}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
  );
}

const TRUE = ['1', 'true', 'True', 'TRUE', 't', 'T'];
const FALSE = ['0', 'false', 'False', 'FALSE', 'f', 'F'];

export function intOf(query: URLSearchParams, key: string): number | undefined {
  const value = query.get(key);
  if (value === null || value === '') return undefined;
  if (!/^[+-]?\d+$/.test(value)) {
    throw invalid(
      'invalid_parameter',
      `invalid value for "${key}": strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
    );
  }
  return Number(value);
}

export function textOf(query: URLSearchParams, key: string): string | undefined {
  return query.get(key) || undefined;
}

export type Filters = Readonly<Record<string, readonly string[]>>;

/** Both forms clients send: `{"label":["a"]}` and `{"label":{"a":true}}`. Unknown keys are refused. */
export function filtersOf(query: URLSearchParams, known: readonly string[]): Filters {
  const text = query.get('filters');
  if (text === null || text === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('invalid_filter', `invalid filter: ${text}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('invalid_filter', `invalid filter: ${text}`);
  }
  const filters: Record<string, readonly string[]> = {};
  for (const [key, given] of Object.entries(value)) {
    if (!known.includes(key)) throw invalid('invalid_filter', `invalid filter '${key}'`);
    filters[key] = valuesOf(key, given);
  }
  return filters;
}

function valuesOf(key: string, given: unknown): string[] {
  if (Array.isArray(given)) return given.map(String);
  if (typeof given === 'object' && given !== null) {
    return Object.entries(given)
      .filter(([, on]) => on === true)
      .map(([value]) => value);
  }
  throw invalid('invalid_filter', `invalid filter '${key}=${JSON.stringify(given)}'`);
}

export function boolFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters[key];
  if (values === undefined || values.length === 0) return undefined;
  const answers = new Set(
    values.map((value) => {
      if (TRUE.includes(value)) return true;
      if (FALSE.includes(value)) return false;
      throw invalid('invalid_filter', `invalid filter '${key}=[${values.join(' ')}]'`);
    }),
  );
  if (answers.size > 1) throw invalid('invalid_filter', `invalid filter '${key}=[${values.join(' ')}]'`);
  return answers.has(true);
}

/** `key` or `key=value`; every wanted one must be there. */
export function hasLabels(labels: Readonly<Record<string, string>>, wanted: readonly string[] = []): boolean {
  return wanted.every((one) => hasLabel(labels, one));
}

/** For prune: `label` all present, `label!` none present. */
export function passesLabels(labels: Readonly<Record<string, string>>, filters: Filters): boolean {
  return hasLabels(labels, filters.label) && !(filters['label!'] ?? []).some((one) => hasLabel(labels, one));
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const value = labels[equals < 0 ? wanted : wanted.slice(0, equals)];
  return value !== undefined && (equals < 0 || value === wanted.slice(equals + 1));
}

const SPAN = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/;

/** A point in time as clients write it: seconds[.fraction], RFC 3339, or a span back from now (`10m`). Nanoseconds. */
export function timeOf(text: string, nowMs: number): bigint {
  if (/^\d+(\.\d{1,9}\d*)?$/.test(text)) {
    const [seconds = '0', fraction = ''] = text.split('.');
    return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  }
  const span = text === '' ? null : SPAN.exec(text);
  if (span) {
    const [, hours = '0', minutes = '0', seconds = '0'] = span;
    const back = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
    return BigInt(Math.round(nowMs - back)) * 1_000_000n;
  }
  const millis = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(millis))
    throw invalid('invalid_time', `invalid timestamp ${JSON.stringify(text)}: not a time or a duration`);
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  const seconds = BigInt(Math.floor(millis / 1000));
  return seconds * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0') || '0');
}
