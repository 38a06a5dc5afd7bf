import { invalid } from '../../../base/index.ts';
import type { ImageHealthcheck, ImageRunConfig } from '../format/index.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

const NANOS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Applies Dockerfile instructions (`--change`) to an image's configuration. */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const result: Mutable<ImageRunConfig> = { ...config };
  for (const change of changes) for (const line of change.split('\n')) if (line.trim() !== '') applyOne(result, line);
  return result;
}

function applyOne(config: Mutable<ImageRunConfig>, line: string): void {
  const [, word = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(line) ?? [];
  const instruction = word.toUpperCase();
  if (rest === '') throw invalid('invalid_change', `${instruction} requires at least one argument`);
  switch (instruction) {
    case 'CMD':
      config.Cmd = command(rest);
      return;
    case 'ENTRYPOINT':
      config.Entrypoint = command(rest);
      return;
    case 'ENV':
      config.Env = mergeEnv(config.Env ?? [], pairs(rest, 'ENV'));
      return;
    case 'LABEL':
      config.Labels = { ...config.Labels, ...Object.fromEntries(pairs(rest, 'LABEL')) };
      return;
    case 'EXPOSE':
      config.ExposedPorts = {
        ...config.ExposedPorts,
        ...Object.fromEntries(words(rest).map((port) => [exposed(port), {}])),
      };
      return;
    case 'VOLUME':
      config.Volumes = {
        ...config.Volumes,
        ...Object.fromEntries((jsonList(rest) ?? words(rest)).map((path) => [path, {}])),
      };
      return;
    case 'USER':
      config.User = rest;
      return;
    case 'WORKDIR':
      config.WorkingDir = rest.startsWith('/') ? rest : `${(config.WorkingDir ?? '').replace(/\/$/, '')}/${rest}`;
      return;
    case 'STOPSIGNAL':
      config.StopSignal = rest;
      return;
    case 'ONBUILD':
      config.OnBuild = [...(config.OnBuild ?? []), rest];
      return;
    case 'HEALTHCHECK':
      config.Healthcheck = healthcheck(rest);
      return;
    default:
      throw invalid('invalid_change', `${word} is not a valid change command`);
  }
}

/** The JSON form of a list, or null for the plain form. */
function jsonList(text: string): string[] | null {
  if (!text.startsWith('[')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : null;
  } catch {
    return null;
  }
}

function command(text: string): string[] {
  return jsonList(text) ?? ['/bin/sh', '-c', text];
}

/** Words as a Dockerfile separates them: quotes group and backslashes escape. */
function words(text: string): string[] {
  const found: string[] = [];
  let word = '';
  let quote = '';
  let started = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at] ?? '';
    const next = text[at + 1];
    if (letter === '\\' && quote !== "'" && next !== undefined) {
      word += next;
      at += 1;
      started = true;
    } else if (quote !== '') {
      if (letter === quote) quote = '';
      else word += letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      started = true;
    } else if (/\s/.test(letter)) {
      if (started || word !== '') found.push(word);
      word = '';
      started = false;
    } else word += letter;
  }
  if (started || word !== '') found.push(word);
  return found;
}

/** `a=b c="d e"`, or the old form `a the rest`. */
function pairs(text: string, instruction: string): [string, string][] {
  const first = words(text)[0] ?? '';
  if (!first.includes('=')) {
    const [, key = '', value] = /^(\S+)\s+(.*)$/s.exec(text) ?? [];
    if (value === undefined) throw invalid('invalid_change', `${instruction} must have two arguments`);
    return [[key, value]];
  }
  return words(text).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1)
      throw invalid('invalid_change', `Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function mergeEnv(env: readonly string[], added: readonly [string, string][]): string[] {
  const result = [...env];
  for (const [key, value] of added) {
    const at = result.findIndex((entry) => entry.startsWith(`${key}=`));
    if (at === -1) result.push(`${key}=${value}`);
    else result[at] = `${key}=${value}`;
  }
  return result;
}

function exposed(port: string): string {
  const [, number, protocol] = /^(\d+(?:-\d+)?)(?:\/(tcp|udp|sctp))?$/i.exec(port) ?? [];
  if (number === undefined) throw invalid('invalid_change', `invalid containerPort: ${port}`);
  return `${number}/${protocol?.toLowerCase() ?? 'tcp'}`;
}

function healthcheck(text: string): ImageHealthcheck {
  const result: Mutable<ImageHealthcheck> = {};
  let rest = text;
  for (;;) {
    const [whole, flag, value = ''] = /^--([a-z-]+)=(\S+)\s*/.exec(rest) ?? [];
    if (whole === undefined) break;
    rest = rest.slice(whole.length);
    if (flag === 'interval') result.Interval = nanos(value);
    else if (flag === 'timeout') result.Timeout = nanos(value);
    else if (flag === 'start-period') result.StartPeriod = nanos(value);
    else if (flag === 'start-interval') result.StartInterval = nanos(value);
    else if (flag === 'retries') result.Retries = Number(value);
    else throw invalid('invalid_change', `unknown flag: ${flag}`);
  }
  const [, kind = '', argument = ''] = /^(\S+)\s*(.*)$/s.exec(rest) ?? [];
  if (kind.toUpperCase() === 'NONE') return { Test: ['NONE'] };
  if (kind.toUpperCase() !== 'CMD' || argument === '') {
    throw invalid('invalid_change', `Unknown type "${kind}" in HEALTHCHECK (try CMD)`);
  }
  const list = jsonList(argument);
  return { ...result, Test: list ? ['CMD', ...list] : ['CMD-SHELL', argument] };
}

function nanos(text: string): number {
  let total = 0;
  const rest = text.replace(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g, (_, number: string, unit: string) => {
    total += Number(number) * (NANOS[unit] ?? 0);
    return '';
  });
  if (rest !== '') throw invalid('invalid_change', `invalid duration "${text}"`);
  return Math.round(total);
}
