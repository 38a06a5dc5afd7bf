import type { DaemonConfig } from './config.ts';
import { DEFAULTS } from './defaults.ts';
import { assertNoConflicts, readConfigFile } from './file.ts';
import { type RawValues, readFlags } from './flags.ts';
import { OPTIONS } from './options.ts';
import { resolveConfig } from './resolve.ts';

/** What a command line asks for. */
export type Invocation =
  | { readonly action: 'help' }
  | { readonly action: 'version' }
  /** Only say whether the configuration is good. */
  | { readonly action: 'validate'; readonly config: DaemonConfig }
  | { readonly action: 'run'; readonly config: DaemonConfig };

/** Reads the command line and the file it names. Throws an error that names the key. */
export function loadConfig(args: readonly string[]): Invocation {
  const flags = readFlags(args);
  if (flags.get('help') === true) return { action: 'help' };
  if (flags.get('version') === true) return { action: 'version' };
  const config = fromFlags(flags);
  return { action: flags.get('validate') === true ? 'validate' : 'run', config };
}

/** Reads everything anew, for a SIGHUP. What may change at run time is in `reloadable`; the rest waits for a restart. */
export function reloadConfig(args: readonly string[]): DaemonConfig {
  return fromFlags(readFlags(args));
}

function fromFlags(flags: RawValues): DaemonConfig {
  const named = flags.get('config-file');
  const configFile = typeof named === 'string' && named !== '' ? named : DEFAULTS.configFile;
  const file = readConfigFile(configFile, { required: named !== undefined });
  assertNoConflicts(configFile, flags, file);
  return resolveConfig({ configFile, flags, file, env: process.env });
}

/** `fairwayd --help`. */
export function helpText(): string {
  const lines = OPTIONS.filter((spec) => spec.flag !== undefined && spec.meaning === 'used').map((spec) => {
    const short = spec.short === undefined ? '    ' : `-${spec.short}, `;
    const value =
      spec.kind === 'flag' ? '' : ` ${spec.kind === 'number' ? 'number' : spec.kind === 'text' ? 'text' : 'list'}`;
    return `  ${short}--${spec.flag}${value}`;
  });
  return [
    'Usage: fairwayd [OPTIONS]',
    '',
    'A container network engine that speaks the Docker Engine API.',
    '',
    "Options, with dockerd's names and meanings (the other options of dockerd are accepted and ignored):",
    ...lines,
    '',
    `Configuration file: ${DEFAULTS.configFile} (dockerd's keys), or the one that --config-file names.`,
    '',
  ].join('\n');
}
