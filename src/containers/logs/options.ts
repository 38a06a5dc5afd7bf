import { invalid } from '../../base/index.ts';
import type { LogOptions } from '../options.ts';

export interface LogSettings {
  readonly driver: 'json-file' | 'local' | 'none';
  /** Bytes; Infinity: one file that grows. */
  readonly maxSize: number;
  readonly maxFiles: number;
}

const KNOWN = new Set([
  'max-size',
  'max-file',
  'compress',
  'labels',
  'labels-regex',
  'env',
  'env-regex',
  'tag',
  'mode',
  'max-buffer-size',
]);

/** Throws with Docker's texts for drivers and options that are not known. */
export function parseLogOptions(options: LogOptions, defaultDriver = 'json-file'): LogSettings {
  const driver = options.driver === '' ? defaultDriver : options.driver;
  if (driver !== 'json-file' && driver !== 'local' && driver !== 'none') {
    throw invalid('unknown_log_driver', `logger: no log driver named '${driver}' is registered`);
  }
  for (const key of Object.keys(options.options)) {
    if (!KNOWN.has(key)) throw invalid('unknown_log_option', `unknown log opt '${key}' for ${driver} log driver`);
  }
  const maxSize = options.options['max-size'];
  const maxFile = options.options['max-file'];
  const size = maxSize === undefined ? undefined : sizeOf(maxSize);
  const files = maxFile === undefined ? undefined : Number(maxFile);
  if (files !== undefined && (!Number.isInteger(files) || files < 1)) {
    throw invalid('invalid_log_option', 'max-file cannot be less than 1');
  }
  if (driver === 'local') return { driver, maxSize: size ?? 20 << 20, maxFiles: files ?? 5 };
  return { driver, maxSize: size ?? Number.POSITIVE_INFINITY, maxFiles: files ?? 1 };
}

function sizeOf(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!parts) {
    if (text.trim() === '-1') return Number.POSITIVE_INFINITY;
    throw invalid('invalid_log_option', `invalid size: '${text}'`);
  }
  const power = ' kmgt'.indexOf((parts[2] ?? '').toLowerCase() || ' ');
  return Math.floor(Number(parts[1]) * 1024 ** power);
}
