import type { LogLine } from '../contract.ts';

/** Undefined for a line that is none of ours, such as one cut by a crash. */
export function decodeEntry(line: string): LogLine | undefined {
  try {
    const entry = JSON.parse(line) as { log?: unknown; stream?: unknown; time?: unknown; attrs?: unknown };
    if (typeof entry.log !== 'string' || typeof entry.time !== 'string') return undefined;
    return {
      stream: entry.stream === 'stderr' ? 'stderr' : 'stdout',
      time: entry.time,
      data: Buffer.from(entry.log),
      ...(typeof entry.attrs === 'object' &&
        entry.attrs !== null && { attributes: entry.attrs as Record<string, string> }),
    };
  } catch {
    return undefined;
  }
}

/** RFC 3339 with up to nine fractional digits, in UTC, to nanoseconds since the epoch; 0n for anything else. */
export function nanosOfTime(time: string): bigint {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(time);
  if (!parts) return 0n;
  const seconds = Date.parse(`${parts[1]}Z`);
  return Number.isNaN(seconds) ? 0n : BigInt(seconds) * 1_000_000n + BigInt((parts[2] ?? '').padEnd(9, '0'));
}
