import { invalid } from '../../base/index.ts';
import type { LogOptions } from '../options.ts';

export interface LogSettings {
  readonly driver: 'json-file' | 'local' | 'none';
  /** Bytes; Infinity: one file that grows. */
  readonly maxSize: number;
  readonly maxFiles: number;
  /** Rotated files are zipped. */
  readonly compress: boolean;
  /** What every entry says of its container: an object as JSON text. */
  readonly attributes?: string | undefined;
}

const KNOWN = new Set(['max-size', 'max-file', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag']);
/** Known to every driver. */
const COMMON = new Set(['mode', 'max-buffer-size']);

/** Throws with Docker's texts for drivers and options that are not known. */
export function parseLogOptions(options: LogOptions, defaultDriver = 'json-file'): LogSettings {
  const driver = options.driver === '' ? defaultDriver : options.driver;
  if (driver !== 'json-file' && driver !== 'local' && driver !== 'none') {
    throw invalid('unknown_log_driver', `logger: no log driver named '${driver}' is registered`);
  }
  const unlimited = { maxSize: Number.POSITIVE_INFINITY, maxFiles: 1, compress: false };
  if (driver === 'none') return { driver, ...unlimited };
  checkNames(driver, options.options);
  const given = sizesOf(options.options);
  const compress = options.options.compress === undefined ? undefined : flagOf(options.options.compress);
  if (driver === 'local') {
    const settings = { maxSize: 20 << 20, maxFiles: 5, ...given, compress: compress ?? true };
    if (settings.compress && settings.maxFiles === 1) {
      throw invalid('invalid_log_option', 'compression cannot be enabled when max file count is 1');
    }
    return { driver, ...settings };
  }
  const settings = { ...unlimited, ...given, compress: compress ?? false };
  if (settings.compress && (settings.maxFiles === 1 || settings.maxSize === Number.POSITIVE_INFINITY)) {
    throw invalid('invalid_log_option', 'compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return { driver, ...settings };
}

function checkNames(driver: 'json-file' | 'local', options: LogOptions['options']): void {
  const mode = options.mode ?? '';
  if (mode !== '' && mode !== 'blocking' && mode !== 'non-blocking') {
    throw invalid('invalid_log_option', `logger: logging mode not supported: ${mode}`);
  }
  const buffer = options['max-buffer-size'];
  if (buffer !== undefined && mode !== 'non-blocking') {
    throw invalid('invalid_log_option', "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  if (buffer !== undefined) sizeOf(buffer, 1024);
  for (const key of Object.keys(options)) {
    if (KNOWN.has(key) || COMMON.has(key)) continue;
    const where = driver === 'local' ? 'log driver local' : `${driver} log driver`;
    throw invalid('unknown_log_option', `unknown log opt '${key}' for ${where}`);
  }
}

function sizesOf(options: LogOptions['options']): { readonly maxSize?: number; readonly maxFiles?: number } {
  const maxSize = options['max-size'];
  const maxFile = options['max-file'];
  if (maxFile !== undefined && !/^[+-]?\d+$/.test(maxFile)) {
    throw invalid('invalid_log_option', `strconv.Atoi: parsing ${JSON.stringify(maxFile)}: invalid syntax`);
  }
  if (maxFile !== undefined && Number(maxFile) < 1) {
    throw invalid('invalid_log_option', 'max-file cannot be less than 1');
  }
  const size = maxSize === undefined || maxSize === '-1' ? undefined : sizeOf(maxSize, 1000);
  if (size !== undefined && size <= 0) throw invalid('invalid_log_option', 'max-size must be a positive number');
  return { ...(size !== undefined && { maxSize: size }), ...(maxFile !== undefined && { maxFiles: Number(maxFile) }) };
}

/** As Go's ParseBool. */
function flagOf(text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  throw invalid('invalid_log_option', `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** `10m`, `1.5 GB`; Docker counts log files in thousands and buffers in 1024s. */
function sizeOf(text: string, unit: number): number {
  const parts = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i.exec(text);
  if (!parts) throw invalid('invalid_log_option', `invalid size: '${text}'`);
  const power = ' kmgtp'.indexOf((parts[2] ?? '').toLowerCase() || ' ');
  return Math.floor(Number(parts[1]) * unit ** power);
}
