import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/index.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `KEY=value` as a map; a key alone has an empty value, a later one wins. */
export function parsePairs(specs: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const spec of specs) {
    const equals = spec.indexOf('=');
    if (equals < 0) pairs[spec] = '';
    else pairs[spec.slice(0, equals)] = spec.slice(equals + 1);
  }
  return pairs;
}

/** For flags whose value must be `key=value`. */
export function checkPair(text: string): void {
  if (!/^[^=]+=/.test(text)) throw new Error(`${JSON.stringify(text)} must be formatted as key=value`);
}

export function checkVariable(text: string): void {
  if (text === '' || text.startsWith('=')) throw new Error(`invalid environment variable: ${text}`);
}

/**
 * Files first, then the flags. A name alone takes its value from our own environment; when it has none there, a file's
 * is left out and a flag's goes as it is, which takes the name away from the image's environment.
 */
export function environment(given: { files: readonly string[]; flags: readonly string[] }, own: Environment): string[] {
  const filled = (line: string): string => {
    const value = own[line];
    return line.includes('=') || value === undefined ? line : `${line}=${value}`;
  };
  const fromFiles = given.files.flatMap((file) => lineFile(file, 'env')).map(filled);
  return [...fromFiles.filter((line) => line.includes('=')), ...given.flags.map(filled)];
}

export function labels(given: { files: readonly string[]; flags: readonly string[] }): Record<string, string> {
  return parsePairs([...given.files.flatMap((file) => lineFile(file, 'label')), ...given.flags]);
}

/** The lines that say something: neither empty nor a comment. */
export function lineFile(path: string, what: string): string[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(
      `open ${path}: ${/ENOENT/.test(messageOf(error)) ? 'no such file or directory' : messageOf(error)}`,
    );
  }
  const lines = content
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) {
    const key = line.split('=')[0] ?? '';
    if (key === '') throw new Error(`invalid ${what} file (${path}): no variable name on line '${line}'`);
    if (/\s/.test(key)) throw new Error(`invalid ${what} file (${path}): variable '${key}' contains whitespaces`);
  }
  return lines;
}
