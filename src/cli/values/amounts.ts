const SUFFIXES: Readonly<Record<string, number>> = { b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** `64m`, `1.5g`, `512`: powers of 1024. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text);
  if (match === null) throw new Error(`invalid size: '${text}'`);
  const suffix = (match[2] ?? '').toLowerCase();
  const power = /^([kmgtp]i?b?|b?)$/.test(suffix) ? SUFFIXES[suffix.charAt(0) || 'b'] : undefined;
  if (power === undefined) throw new Error(`invalid suffix: '${suffix}'`);
  return Math.floor(Number(match[1]) * 1024 ** power);
}

/** As {@link parseBytes}, and `-1` for no limit. */
export function parseSwap(text: string): number {
  return text === '-1' ? -1 : parseBytes(text);
}

const NANOS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go's duration text (`1h30m`, `500ms`) in nanoseconds. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.exec(text);
  if (match === null) throw new Error(`time: invalid duration ${JSON.stringify(text)}`);
  let nanos = 0;
  for (const [, amount, unit = 's'] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    nanos += Number(amount) * (NANOS[unit] ?? 0);
  }
  return match[1] === '-' ? -nanos : nanos;
}

/** `1.5` processors in billionths. */
export function parseCpus(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error(`failed to parse ${text} as a rational number`);
  const billionths = Number(text) * 1e9;
  if (!Number.isInteger(Math.round(billionths * 1e3) / 1e3)) throw new Error('value is too precise');
  return Math.round(billionths);
}

/**
 * A moment for the daemon: seconds since the epoch, from an RFC 3339 time, a number of seconds, or a duration that
 * counts back from now.
 */
export function parseMoment(text: string, now: number): string {
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  try {
    return (now / 1000 - parseDuration(text) / 1e9).toFixed(9);
  } catch {
    const zoned = /([zZ]|[+-]\d\d:?\d\d)$/.test(text) || !text.includes('T') ? text : `${text}`;
    const time = Date.parse(zoned);
    if (Number.isNaN(time)) throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
    const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? '';
    return `${Math.floor(time / 1000)}.${fraction.padEnd(9, '0')}`;
  }
}
