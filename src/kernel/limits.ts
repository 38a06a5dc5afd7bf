import { readFileSync } from 'node:fs';

export interface OpenFilesLimit {
  readonly soft: number;
  readonly hard: number;
}

/** How many descriptors this process may have; "unlimited" is Infinity. */
export function openFilesLimit(): OpenFilesLimit {
  return parseOpenFilesLimit(readFileSync('/proc/self/limits', 'utf8'));
}

export function parseOpenFilesLimit(text: string): OpenFilesLimit {
  const [, soft = '', hard = ''] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(text) ?? [];
  const number = (word: string): number => (/^\d+$/.test(word) ? Number(word) : Number.POSITIVE_INFINITY);
  return { soft: number(soft), hard: number(hard) };
}
